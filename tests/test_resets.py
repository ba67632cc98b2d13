"""Each reset that a client is told has a cause: it is counted, and a record of the log tells whom it befell, and where.

One provocation for each cause, through a whole ``Live`` on a real file.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from livecollections import Live
from livecollections import feed as feed_module
from livecollections.bayeux import Limits, MemoryHistory, Server
from livecollections.cause import Cause
from livecollections.stores.base import Log
from livecollections.stores.sql_log import place_of

from .bayeux.wire import Open, connect, connected, request, since, subscribe
from .command import ROOT
from .models import Todo
from .serving import wait_until

TODOS, PARTS = "/api/todos", "/parts"
INSERT = "INSERT INTO rest_todo (title, completed) VALUES ('milk', 0)"


class Site:
    """A Live that runs, and one client of its Bayeux server."""

    def __init__(self, live: Live, path: Path, client: str) -> None:
        self.live, self.path, self.client = live, path, client
        self.server = live.bayeux

    def shell(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    async def write(self) -> str:
        """Write one document; the answer is the seq that the feed has published then."""
        feed = self.server._exchange.histories.fed[TODOS]
        before = feed.position()
        self.shell(INSERT)
        await wait_until(lambda: feed.position() != before)
        return feed.position()

    async def ask(self, name: str, seq: Any) -> dict[str, Any]:
        """Subscribe from a place; what the reply says under ``ext.live``."""
        ext = since(seq) if name == TODOS or seq is None else {"live": {"since": {name: seq}}}
        (reply,) = (await request(self.server, subscribe(self.client, name, ext=ext))).messages
        return dict(reply["ext"]["live"])

    async def poll(self, **ext: Any) -> list[Any]:
        return (await request(self.server, connect(self.client, ext={"live": ext}))).messages[1:]


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setattr(feed_module, "BATCH", 10)
    monkeypatch.setattr(feed_module, "BACKLOG", 30)
    server = Server(timeout=5, policy=Open(), limits=Limits(positions=2))
    server.channel("/chat/**", history=MemoryHistory(channels=3))
    path = tmp_path / "resets.db"
    live = Live(f"sqlite:///{path}", synchronous="NORMAL", log=Log(changes=40), bayeux=server)
    live.add_resource(TODOS, Todo)
    live.add_resource(PARTS, Todo, hidden={"order": lambda user: user is None})
    async with live:
        yield Site(live, path, await connected(server))


Provoke = Callable[[Site], Awaitable[None]]
ASKED: dict[Cause, Provoke] = {}
HEARD: dict[Cause, Provoke] = {}
ELSEWHERE = {
    Cause.TRUNCATED: "tests/postgres/test_capture.py",
    Cause.CAPTURE_FAILED: "tests/postgres/test_capture.py",
    Cause.FILLED_LATE: "tests/postgres/test_gaps.py",
}
"""What SQLite has no cause to say."""


def asked(cause: Cause) -> Callable[[Provoke], Provoke]:
    """A provocation that a subscribe is answered with."""
    return lambda provoke: ASKED.setdefault(cause, provoke)


def heard(cause: Cause) -> Callable[[Provoke], Provoke]:
    """A provocation of which one hears who has subscribed."""
    return lambda provoke: HEARD.setdefault(cause, provoke)


@asked(Cause.NOT_A_SEQ)
async def says_nonsense(site: Site) -> None:
    await site.ask(TODOS, "nonsense")


@asked(Cause.NO_HISTORY)
async def asks_of_a_channel_that_keeps_nothing(site: Site) -> None:
    await site.ask("/plain", await site.write())


@asked(Cause.OTHER_EPOCH)
async def is_of_another_log(site: Site) -> None:
    await site.ask(TODOS, "0" * 28)


@asked(Cause.OTHER_CHECK)
async def has_another_entry_in_its_place(site: Site) -> None:
    seq = await site.write()
    await site.ask(TODOS, seq[:-4] + ("0000" if seq[-4:] != "0000" else "0001"))


@asked(Cause.BEYOND_END)
async def is_further_than_the_log(site: Site) -> None:
    seq = await site.write()
    await site.ask(TODOS, f"{seq[:8]}{place_of(seq) + 1:016x}0000")


@asked(Cause.NO_ENTRY)
async def names_an_entry_that_somebody_deleted(site: Site) -> None:
    seq = await site.write()
    await site.write()
    site.shell(f"DELETE FROM live_changes WHERE seq = {place_of(seq)}")
    await site.ask(TODOS, seq)


async def trim(site: Site) -> str:
    """Write so much that the first entry goes, and no more at once than the log keeps; its seq."""
    seq = await site.write()
    feed = site.server._exchange.histories.fed[TODOS]
    for _ in range(2):
        written = place_of(feed.position()) + 25
        site.shell(*[INSERT] * 25)
        await wait_until(lambda: place_of(feed.position()) == written)  # noqa: B023
    rows = "SELECT count(*) FROM live_changes WHERE seq <= ?"

    def is_gone() -> bool:
        with closing(sqlite3.connect(site.path)) as connection:
            return bool(connection.execute(rows, (place_of(seq),)).fetchone() == (0,))

    await wait_until(is_gone)
    return seq


@asked(Cause.TRIMMED)
async def was_away_too_long(site: Site) -> None:
    await site.ask(TODOS, await trim(site))


@asked(Cause.CHANNEL_FORGOTTEN)
async def hears_of_a_pattern_below_which_a_channel_has_gone(site: Site) -> None:
    start = site.server._exchange.histories.keeper("/chat/a")
    assert start is not None
    seq = start.position()
    for name in "abcd":
        await site.server.publish(f"/chat/{name}", 1)
    await site.ask("/chat/**", seq)


@asked(Cause.VIEW_CHANGED)
async def goes_on_where_others_hear_more(site: Site) -> None:
    await site.ask(PARTS, await site.write())


@asked(Cause.TOO_MANY_CHANNELS)
async def would_be_behind_in_too_many(site: Site) -> None:
    keeper = site.server._exchange.histories.keeper("/chat/a")
    assert keeper is not None
    seq = keeper.position()
    for name in "abc":
        await site.server.publish(f"/chat/{name}", 1)
    await site.ask("/chat/**", seq)


@heard(Cause.TRIMMED_IN_REPLAY)
async def lost_an_answer_and_the_log_has_gone_on(site: Site) -> None:
    seq = await trim(site)
    assert len(await site.poll()) == 51
    assert [message["data"]["method"] for message in await site.poll(at={TODOS: seq})] == ["RESET"]


@heard(Cause.BACKLOG)
async def is_told_that_too_much_happened_at_once(site: Site) -> None:
    site.shell(*[INSERT] * 38)


@heard(Cause.CAPTURE_REINSTALLED)
async def had_a_trigger_dropped(site: Site) -> None:
    site.shell("DROP TRIGGER live_rest_todo_insert")


@heard(Cause.COLUMNS_CHANGED)
async def had_a_column_that_was_not_kept(site: Site) -> None:
    with closing(sqlite3.connect(site.path)) as connection, connection:
        where = "live_meta WHERE name = 'source:rest_todo'"
        told = json.loads(connection.execute(f"SELECT value FROM {where}").fetchone()[0])
        told["columns"].remove("order")
        connection.execute(
            "UPDATE live_meta SET value = ? WHERE name = 'source:rest_todo'", (json.dumps(told),)
        )
        connection.execute("CREATE TABLE other (id)")


@heard(Cause.TABLE_GONE)
async def had_its_table_dropped(site: Site) -> None:
    site.shell("DROP TABLE rest_todo")


@heard(Cause.TABLE_REBUILT)
async def had_its_table_made_again(site: Site) -> None:
    with closing(sqlite3.connect(site.path)) as connection:
        (schema,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'rest_todo'").fetchone()
    site.shell("DROP TABLE rest_todo")
    await wait_until(lambda: site.server.statistics().resets)
    site.shell(schema)


@heard(Cause.UNDECODABLE)
async def meets_an_entry_that_nobody_can_read(site: Site) -> None:
    site.shell(INSERT, "UPDATE live_changes SET after = 'nonsense;'")


@heard(Cause.REQUESTED)
async def has_a_program_that_wants_it(site: Site) -> None:
    await site.live._store.reset("rest_todo")


@heard(Cause.UNKNOWN)
async def meets_the_entry_of_another_version(site: Site) -> None:
    site.shell(
        "INSERT INTO live_changes (check_digits, source, method, key, at) "
        "VALUES ('c0de', 'rest_todo', 'RESET', '', strftime('%s', 'now'))"
    )


def test_every_cause_is_provoked() -> None:
    assert {*ASKED, *HEARD, *ELSEWHERE} == {*Cause}
    for cause, file in ELSEWHERE.items():
        assert f"Cause.{cause.name}" in (ROOT / file).read_text("utf-8")


@pytest.mark.parametrize("cause", ASKED, ids=str)
async def test_a_subscribe_is_answered_with_it(
    site: Site, cause: Cause, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "livecollections.bayeux")
    await ASKED[cause](site)
    assert site.server.statistics().resets == {cause: 1}
    (record,) = [record for record in caplog.records if hasattr(record, "cause")]
    assert (record.cause, record.session) == (cause.value, site.client[-6:])  # type: ignore[attr-defined]
    assert record.channel in (TODOS, PARTS, "/plain", "/chat/**")  # type: ignore[attr-defined]
    assert record.seq  # type: ignore[attr-defined]
    assert site.client not in caplog.text


@pytest.mark.parametrize("cause", HEARD, ids=str)
async def test_who_has_subscribed_hears_of_it(
    site: Site, cause: Cause, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "livecollections.bayeux")
    seq = (await site.ask(TODOS, None))["seq"]
    await HEARD[cause](site)
    expected = {cause: 1} | ({Cause.TABLE_GONE: 1} if cause is Cause.TABLE_REBUILT else {})
    await wait_until(lambda: site.server.statistics().resets == expected)
    records = [record for record in caplog.records if hasattr(record, "cause") and hasattr(record, "session")]
    assert [record.cause for record in records][-1] == cause.value
    assert {record.channel for record in records} == {TODOS}  # type: ignore[attr-defined]
    if cause not in (Cause.TRIMMED_IN_REPLAY, Cause.UNDECODABLE):
        # It is an entry of the log, so who comes later with a place before it hears the same.
        assert "reset" in await site.ask(TODOS, seq)
        assert site.server.statistics().resets[cause] == 2


async def test_one_that_nobody_hears_is_not_counted(site: Site) -> None:
    await site.live._store.reset("rest_todo")
    await site.write()
    assert site.server.statistics().resets == {}


async def test_a_plain_channel_that_has_gone_on_too_far_says_so_on_connect(site: Site) -> None:
    server = site.server
    server.channel("/short/*", history=MemoryHistory(messages=2))
    await site.ask("/short/a", None)
    for number in range(4):
        await server.publish("/short/a", number)
    first, *_ = await site.poll()
    (told,) = await site.poll(at={"/short/a": first["ext"]["live"]["seq"]})
    assert told["ext"]["live"]["reset"] is True
    assert server.statistics().resets == {Cause.TRIMMED_IN_REPLAY: 1}
    await site.poll(at={"/short/a": "0" * 28})
    assert server.statistics().resets == {Cause.TRIMMED_IN_REPLAY: 1, Cause.OTHER_EPOCH: 1}


async def test_a_pattern_below_which_a_channel_has_gone_says_so_on_connect(site: Site) -> None:
    seq = (await site.ask("/chat/**", None))["seq"]["/chat/**"]
    for name in "abcd":
        await site.server.publish(f"/chat/{name}", 1)
    asked = connect(site.client, ext={"live": {"at": {"/chat/**": seq}}})
    reply = (await request(site.server, asked)).messages[0]
    assert reply["ext"]["live"]["reset"] == ["/chat/**"]
    assert site.server.statistics().resets == {Cause.CHANNEL_FORGOTTEN: 1}
