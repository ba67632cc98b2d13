"""Lessons that others paid for, each with a test that names it.

The docstring of each test says the lesson, and in brackets who paid. Here they are shown on SQLite; what PostgreSQL and
MongoDB may fail in a way of their own is shown there, and listed in ``ELSEWHERE``.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import Field, SQLModel

from livecollections import Live, LiveClient
from livecollections.bayeux import MemoryHistory, Server, replay
from livecollections.cause import Cause
from livecollections.feed import WORKERS, Feed
from livecollections.stores.base import Batch, Log
from livecollections.stores.sql_log import CURSORS_HOLD, place_of

from .bayeux.wire import Open, connect, connected, request, seqs, since, subscribe
from .serving import served, wait_until

TODOS, TAGS = "/api/todos", "/api/tags"
CROWD = 100
KEPT = 40
"""Changes that the log keeps."""
TURN = 5
"""Changes that a crowd is told in one turn."""

ELSEWHERE = {
    "meteor-14453": [
        "tests/mongo/test_lessons.py::test_a_crowd_on_several_collections_has_one_change_stream"
    ],
    "meteor-14362": [
        "tests/postgres/test_lessons.py::test_an_answer_waits_for_its_own_place_alone",
        "tests/postgres/test_lessons.py::test_an_answer_that_logged_nothing_is_of_a_row_that_was_locked",
        "tests/mongo/test_lessons.py::test_answers_name_the_places_of_their_own_events",
        "tests/mongo/test_lessons.py::test_an_answer_that_changed_nothing_waits_for_no_event",
    ],
    "meteor-14389": [
        "tests/postgres/test_lessons.py::test_the_watermark_is_taken_before_the_snapshot",
        "tests/mongo/test_lessons.py::test_a_list_has_all_that_its_place_says",
    ],
    "meteor-14564": [
        "tests/mongo/test_lessons.py::test_a_stream_that_is_opened_late_begins_at_the_pinned_time",
        "tests/mongo/test_lessons.py::test_who_comes_after_the_last_write_waits_for_no_event",
    ],
    "meteor-14604": [
        "tests/postgres/test_log.py::test_what_is_too_old_or_too_much_is_trimmed_in_pieces",
        "tests/mongo/test_lessons.py::"
        "test_a_stream_that_the_oplog_has_rolled_past_begins_anew_and_everyone_reads_again",
    ],
    "baserow-order": [
        "tests/postgres/test_lessons.py::test_a_higher_place_takes_nobody_past_one_that_is_not_committed",
        "tests/postgres/test_lessons.py::test_a_place_that_was_undone_keeps_nobody_waiting",
    ],
    "baserow-retention": ["tests/postgres/test_log.py::test_all_may_be_trimmed_and_places_go_on"],
    "centrifugo-outbox": ["tests/postgres/test_lessons.py::test_no_replication_slot_is_held"],
}
"""The tests of a lesson on PostgreSQL and MongoDB, where these may fail in a way of their own."""

Test = Callable[..., Awaitable[None]]
LESSONS: dict[str, list[Test]] = {}


def lesson(name: str) -> Callable[[Test], Test]:
    """A test of a lesson."""

    def note(test: Test) -> Test:
        LESSONS.setdefault(name, []).append(test)
        return test

    return note


class Todo(SQLModel, table=True):
    __tablename__ = "lesson_todo"
    id: int | None = Field(default=None, primary_key=True)
    title: str


class Tag(SQLModel, table=True):
    __tablename__ = "lesson_tag"
    id: int | None = Field(default=None, primary_key=True)
    title: str


class Site:
    """A Live that is served, and a client of its REST routes."""

    def __init__(self, live: Live, url: str, http: httpx.AsyncClient, path: Path) -> None:
        self.live, self.url, self.http, self.path = live, url, http, path
        self.server = live.bayeux

    @property
    def feed(self) -> Feed:
        feed = self.server._exchange.histories.fed[TODOS]
        assert isinstance(feed, Feed)
        return feed

    async def create(self, title: str, path: str = TODOS) -> str:
        answer = await self.http.post(path, json={"title": title})
        assert answer.status_code == 201
        return str(answer.headers["Live-Seq"])

    async def subscribed(self, seq: str | None = None, name: str = TODOS) -> tuple[str, dict[str, Any]]:
        """A session with a subscription, and what the reply says of positions."""
        client_id = await connected(self.server)
        return client_id, await self.subscribe(client_id, seq, name)

    async def subscribe(self, client_id: str, seq: str | None, name: str = TODOS) -> dict[str, Any]:
        (reply,) = (await request(self.server, subscribe(client_id, name, ext=since(seq)))).messages
        return dict(reply["ext"]["live"])

    async def heard(self, client_id: str, count: int) -> list[str]:
        """The next so many seqs, by polling."""
        found: list[str] = []
        while len(found) < count:
            found += seqs((await request(self.server, connect(client_id))).messages)
        return found

    async def published(self, seq: str) -> None:
        await wait_until(lambda: self.feed.position() >= seq)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    path = tmp_path / "lessons.db"
    server = Server(timeout=5, policy=Open())
    server.channel("/chat/**", history=MemoryHistory(messages=3))
    live = Live(f"sqlite:///{path}", synchronous="NORMAL", log=Log(changes=KEPT), bayeux=server)
    live.add_resource(TODOS, Todo)
    live.add_resource(TAGS, Tag)
    async with served(live.app) as url, httpx.AsyncClient(base_url=url, trust_env=False) as http:
        yield Site(live, url, http, path)


# --- one tail -----------------------------------------------------------------------------------------------


@lesson("meteor-14453")
async def test_a_crowd_costs_no_more_reading_than_one(site: Site) -> None:
    """One tail serves all subscriptions of a database; one for each query grows worse than linearly. [Meteor #14453]"""
    sessions = [(await site.subscribed())[0] for _ in range(CROWD)]
    before = site.feed.rows_read
    written = [await site.create(str(number)) for number in range(5)]
    assert [await site.heard(session, 5) for session in sessions] == [written] * CROWD
    assert site.feed.rows_read - before == 5


# --- fences -------------------------------------------------------------------------------------------------


@lesson("meteor-14362")
async def test_an_answer_names_the_place_of_its_own_write(site: Site) -> None:
    """Wait for, and tell, the place of the write itself; who waits for "now" waits for all others. [Meteor #14362]"""
    start = await site.live._store.head()

    async def write(number: int) -> tuple[str, str]:
        origin = f"mine.{number}"
        answer = await site.http.post(TODOS, json={"title": "a"}, headers={"Live-Origin": origin})
        return answer.headers["Live-Seq"], origin

    told = dict(await asyncio.gather(*map(write, range(30))))
    entries = (await site.live._store.read(start, 100)).changes
    assert {entry.seq: entry.origin for entry in entries} == told


@lesson("meteor-14362")
async def test_the_answer_to_a_write_that_changed_nothing_waits_for_nothing(site: Site) -> None:
    """No event will come of a write that changes nothing, so nobody may wait for one. [Meteor #14362]"""
    seq = await site.create("a")
    answer = await asyncio.wait_for(site.http.patch(f"{TODOS}/1", json={"title": "a"}), 5)
    assert (answer.status_code, answer.headers["Live-Seq"]) == (200, seq)


@lesson("meteor-14602")
async def test_a_place_is_one_of_a_session_and_a_channel(site: Site) -> None:
    """What one connection waits for on one collection says nothing of another of either. [Meteor #14602]"""
    start = (await site.http.get(TODOS)).headers["Live-Seq"]
    todos = [await site.create(title) for title in "ab"]
    tags = [await site.create(title, TAGS) for title in "cd"]
    await site.published(tags[-1])
    one, _ = await site.subscribed(start)
    await site.subscribe(one, None, TAGS)
    other, _ = await site.subscribed()
    assert await site.heard(one, 2) == todos
    await site.subscribe(one, start)
    last = [await site.create("e"), await site.create("f", TAGS)]
    assert sorted(await site.heard(one, 4)) == [*todos, *last]
    assert await site.heard(other, 1) == last[:1]


# --- where the stream begins --------------------------------------------------------------------------------


@lesson("meteor-14389")
async def test_what_is_written_between_the_list_and_the_stream_is_heard(site: Site) -> None:
    """The stream must begin at a place that was taken before the list was read, or what comes between is lost.
    [Meteor #14389]"""
    answer = await site.http.get(TODOS)
    between = [await site.create(title) for title in "abc"]
    session, told = await site.subscribed(answer.headers["Live-Seq"])
    assert "reset" not in told
    after = await site.create("d")
    assert await site.heard(session, 4) == [*between, after]


@lesson("meteor-14389")
async def test_a_list_never_says_more_than_it_holds(site: Site) -> None:
    """The place and the rows are of one snapshot, whoever writes meanwhile. [Meteor #14389]"""
    stop = asyncio.Event()

    async def write() -> list[str]:
        written = []
        while not stop.is_set():
            written.append(await site.create("a"))
        return written

    writing = asyncio.create_task(write())
    lists = [await site.http.get(TODOS) for _ in range(20)]
    stop.set()
    written = await writing
    for answer in lists:
        assert len(answer.json()) == sum(seq <= answer.headers["Live-Seq"] for seq in written)


@lesson("meteor-14564")
async def test_who_comes_after_the_last_write_waits_for_no_event(site: Site) -> None:
    """A late joiner begins at the known place; on a quiet database no event comes to tell it. [Meteor #14564]"""
    seq = await site.create("a")
    _, told = await site.subscribed(seq)
    assert told == {"seq": seq}
    await site.published(seq)
    _, told = await site.subscribed()
    assert told == {"seq": seq}
    async with LiveClient(site.url) as client, client.collection(TODOS) as todos:
        await asyncio.wait_for(todos.wait_live(), 5)
        assert [todo["title"] for todo in todos] == ["a"]


@lesson("meteor-14564")
async def test_a_server_that_starts_late_begins_at_the_end_of_the_log(site: Site) -> None:
    """A tail that is made after a write knows the place of that write without hearing of it. [Meteor #14564]"""
    seq = await site.create("a")
    late = Live(f"sqlite:///{site.path}", synchronous="NORMAL", log=Log(changes=KEPT))
    late.add_resource(TODOS, Todo)
    async with late:
        assert late.bayeux._exchange.histories.fed[TODOS].position() == seq


# --- loss ---------------------------------------------------------------------------------------------------


async def trim(site: Site) -> list[str]:
    """Write more than the log keeps, and wait until the first is gone."""
    written = [await site.create(str(number)) for number in range(KEPT + 10)]
    await site.published(written[-1])

    def is_gone() -> bool:
        with closing(sqlite3.connect(site.path)) as connection:
            (first,) = connection.execute("SELECT min(seq) FROM live_changes").fetchone()
        return bool(first > place_of(written[1]))

    await wait_until(is_gone)
    return written


@lesson("meteor-14604")
async def test_a_place_that_was_lost_is_given_up_once_and_for_all(site: Site) -> None:
    """Where history is lost the old place is dropped and all is read again; who tries it again and again hangs.
    [Meteor #14604]"""
    written = await trim(site)
    session, told = await site.subscribed(written[0])
    assert told == {"seq": written[-1], "reset": True}
    assert await site.subscribe(session, told["seq"]) == {"seq": written[-1]}
    seq = await site.create("after")
    assert await site.heard(session, 1) == [seq]
    assert site.server.statistics().resets == {Cause.TRIMMED: 1}


@lesson("baserow-retention")
async def test_what_is_trimmed_leaves_a_trace(site: Site) -> None:
    """After retention it must be known what can no longer be told, or an old place looks like a quiet one. [Baserow]"""
    written = await trim(site)
    await site.live._store.maintain(4e9)
    with closing(sqlite3.connect(site.path)) as connection:
        assert connection.execute("SELECT count(*) FROM live_changes").fetchone() == (0,)
    why = site.live._store.why_reset
    assert await why(written[-2], "lesson_todo") is Cause.TRIMMED
    assert await why(written[-1], "lesson_todo") is None
    assert (await site.create("after")) > written[-1]


@lesson("baserow-retention")
async def test_what_one_plain_channel_has_lost_is_no_loss_on_another(site: Site) -> None:
    """An old place is refused only where something that concerns its holder is gone. [Baserow]"""
    session = await connected(site.server)
    ext: dict[str, Any] = {"live": {"since": {}}}
    (reply,) = (await request(site.server, subscribe(session, ["/chat/a", "/chat/b"], ext=ext))).messages
    start = reply["ext"]["live"]["seq"]
    await site.server.publish("/chat/a", "kept")
    for number in range(10):
        await site.server.publish("/chat/b", number)
    late = await connected(site.server)
    ext = {"live": {"since": start}}
    (reply,) = (await request(site.server, subscribe(late, ["/chat/a", "/chat/b"], ext=ext))).messages
    assert reply["ext"]["live"]["reset"] == ["/chat/b"]


@lesson("centrifugo-outbox")
async def test_a_reader_that_is_away_lets_the_log_grow_only_so_far(site: Site) -> None:
    """A log of one's own can be bounded; a slot that waits for its reader fills the disk.
    [Centrifugo, Electric, Supabase]"""
    store = site.live._store
    assert await store.hold_cursor("mail", "away", 1e12, now=0)
    assert await store.move_cursor("mail", "away", await store.head())
    bound = CURSORS_HOLD * KEPT
    with closing(sqlite3.connect(site.path)) as connection, connection:
        connection.executemany("INSERT INTO lesson_tag (title) VALUES (?)", [("a",)] * (bound + 100))
    await store.maintain(0)
    with closing(sqlite3.connect(site.path)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM live_changes").fetchone()
    assert count <= bound


# --- order --------------------------------------------------------------------------------------------------


@lesson("baserow-order")
async def test_a_place_that_was_drawn_is_none_before_the_commit(site: Site) -> None:
    """An id that was allocated is not one that was committed: none may pass it, and none may wait for it for ever. Here
    the one writer sees to it; where there are many it is PostgreSQL's watermark. [Baserow, Centrifugo]"""
    session, told = await site.subscribed()
    drawn = "SELECT max(seq) FROM live_changes"
    with closing(sqlite3.connect(site.path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO lesson_todo (title) VALUES ('undone')")
        (place,) = connection.execute(drawn).fetchone()
        assert place > place_of(told["seq"])
        answer = await site.http.get(TODOS)
        assert (answer.json(), answer.headers["Live-Seq"]) == ([], told["seq"])
        # Another collection's change can't come between: it waits for this one's end.
        waiting = asyncio.create_task(site.create("irrelevant", TAGS))
        assert not (await asyncio.wait({waiting}, timeout=0.1))[0]
        connection.execute("ROLLBACK")
        other = await waiting
        assert place_of(other) == place, "what was undone has left no hole"
        connection.execute("INSERT INTO lesson_todo (title) VALUES ('relevant')")
        (place,) = connection.execute(drawn).fetchone()
    (heard,) = await site.heard(session, 1)
    assert place_of(heard) == place


# --- sessions -----------------------------------------------------------------------------------------------


@lesson("meteor-14527")
async def test_who_is_kicked_between_two_polls_does_not_come_back(site: Site) -> None:
    """To end a session must work also while its client is away and might resume. [Meteor #14527]"""
    session, _ = await site.subscribed()
    await site.published(await site.create("not for this one"))
    assert site.server.sessions[session].link is None
    site.server.kick(session)
    assert session not in site.server.sessions
    (reply,) = (await request(site.server, connect(session))).messages
    assert (reply["successful"], reply["advice"]["reconnect"]) == (False, "none")


@lesson("meteor-14527")
async def test_who_resumes_hears_all_in_order(site: Site) -> None:
    """A session that resumes must not be told newer messages before those that it missed. [Meteor #14527]"""
    session, told = await site.subscribed()
    written = [await site.create(str(number)) for number in range(10)]
    assert await site.heard(session, 10) == written
    later = await site.create("later")
    ext = {"live": {"at": {TODOS: told["seq"]}}}
    answer = await request(site.server, connect(session, ext=ext))
    assert seqs(answer.messages) == [*written, later]


class Turns:
    """The turns of those who are told again. lengths: changes of each.  most: how many there were at once."""

    def __init__(self) -> None:
        self.lengths: list[int] = []
        self.running = self.most = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            yield
        finally:
            self.running -= 1


@lesson("baserow-replay")
async def test_a_crowd_that_comes_back_does_not_keep_live_changes_waiting(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is told again has few workers of its own, and a bounded turn each; else a reconnect storm stops the live
    stream. [Baserow: 2 active and 8 waiting, 3 s]"""
    monkeypatch.setattr(replay, "PAGE", TURN)
    live, _ = await site.subscribed()
    start = (await site.http.get(TODOS)).headers["Live-Seq"]
    places = [start, *[await site.create(str(number)) for number in range(KEPT - 5)]]
    await site.heard(live, KEPT - 5)
    crowd = [await connected(site.server) for _ in range(CROWD)]
    turns, is_free = Turns(), asyncio.Event()
    read, why_reset = site.live._store.read, site.live._store.why_reset

    async def ask(seq: str, source: str) -> Cause | None:
        with turns.one():
            await is_free.wait()
            return await why_reset(seq, source)

    async def slowly(after: str, limit: int, source: str | None = None) -> Batch:
        if source is None:  # the feed itself
            return await read(after, limit)
        with turns.one():
            await is_free.wait()
            batch = await read(after, limit, source)
            turns.lengths.append(len(batch.changes))
            return batch

    async def come_back(number: int, missed: list[str]) -> list[str]:
        await site.subscribe(crowd[number], places[number % len(places)])
        return await site.heard(crowd[number], len(missed))

    monkeypatch.setattr(site.live._store, "read", slowly)
    monkeypatch.setattr(site.live._store, "why_reset", ask)
    site.feed._pages.clear()  # as if it were long ago: the log must be read
    missed = [places[1 + number % len(places) :] for number in range(CROWD)]
    coming = [asyncio.create_task(come_back(number, [*missed[number], "now"])) for number in range(CROWD)]
    await wait_until(lambda: turns.running == WORKERS)
    now = await site.create("now")
    assert await asyncio.wait_for(site.heard(live, 1), 5) == [now], "it never waits behind the crowd"
    is_free.set()
    assert await asyncio.gather(*coming) == [[*one, now] for one in missed]
    assert turns.most == WORKERS
    assert max(turns.lengths) == TURN


# --- the list -----------------------------------------------------------------------------------------------

SOURCES = ("Meteor #", "Baserow", "Centrifugo")
ROOT = Path(__file__).parent.parent


def names_its_source(name: str, told: str) -> bool:
    if name.startswith("meteor-"):
        return f"[Meteor #{name.removeprefix('meteor-')}]" in told
    return any(f"[{source}" in told or f", {source}" in told for source in SOURCES)


def test_each_lesson_has_a_test_that_names_its_source() -> None:
    assert set(LESSONS) == {
        "meteor-14453",
        "meteor-14362",
        "meteor-14389",
        "meteor-14564",
        "meteor-14604",
        "meteor-14602",
        "meteor-14527",
        "baserow-order",
        "baserow-retention",
        "baserow-replay",
        "centrifugo-outbox",
    }
    here = vars(sys.modules[__name__])
    for name, tests in LESSONS.items():
        for test in tests:
            assert here[test.__name__] is test
            assert names_its_source(name, inspect.getdoc(test) or ""), name


@pytest.mark.parametrize("name", ELSEWHERE)
def test_each_lesson_of_another_store_has_a_test_there_that_names_its_source(name: str) -> None:
    assert name in LESSONS
    for place in ELSEWHERE[name]:
        file, _, test = place.partition("::")
        tests = {
            node.name: ast.get_docstring(node) or ""
            for node in ast.parse((ROOT / file).read_text("utf-8")).body
            if isinstance(node, ast.AsyncFunctionDef)
        }
        assert names_its_source(name, tests[test]), place
