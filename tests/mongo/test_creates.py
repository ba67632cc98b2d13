"""A create by itself that names no origin: one write without a mark, whose answer is its own event all the same."""

from __future__ import annotations

import asyncio
import itertools
from math import inf
from typing import Any
from urllib.parse import urlsplit

import pytest
from bson.timestamp import Timestamp

from livecollections import ConstraintViolated, StoreUnavailable
from livecollections.change import Change, Row
from livecollections.query import Query
from livecollections.stores import mongo_write
from livecollections.stores.base import Write, Written
from livecollections.stores.mongo import MongoStore
from livecollections.stores.mongo_echoes import Echoes, Insertion
from livecollections.stores.mongo_events import Entry
from livecollections.stores.mongo_seq import Place
from livecollections.testing import FaultProxy, wait_until

from .server import PATIENCE, Server, client, database_url
from .test_stream import Todo, opened, told

LATE = 0.5
"""Seconds for which the line keeps what it carries, so that something may happen meanwhile."""


def create(store: MongoStore, number: int, title: str = "ours", **options: Any) -> asyncio.Task[Written]:
    write = Write(store.describe(Todo), None, lambda row: {"id": number, "title": title}, **options)
    return asyncio.create_task(store.write(write))


async def marks(store: MongoStore) -> int:
    return int(await store._database["live_writes"].count_documents({}))


def through(proxy: FaultProxy, url: str) -> str:
    parts = urlsplit(url)
    seen = url.replace(f"{parts.hostname}:{parts.port}", f"127.0.0.1:{proxy.port}")
    return f"{seen}{'&' if parts.query else '?'}directConnection=true"


def event(seconds: int, key: int, method: Any = "POST", title: str = "theirs") -> Entry:
    after: Row | None = None if method == "DELETE" else {"id": key, "title": title}
    change = Change(f"seq of {seconds}", "todos", method, (key,), None, after, None, 0.0)
    return Entry(Place(seconds, 1, 0), (change,))


def heard(events: list[Entry], answered: int) -> Insertion:
    echoes = Echoes()
    insertion = echoes.insertion("todos", (7,))
    for each in events:
        echoes.met(each, "")
    insertion.answer(Timestamp(answered, 1))
    return insertion


async def test_of_several_inserts_of_a_key_the_one_of_the_answers_time_is_told() -> None:
    theirs = [event(1, 7), event(2, 7, "DELETE")]
    for after in ([], [event(4, 7, "DELETE"), event(5, 7)]):
        insertion = heard([*theirs, event(3, 7, title="ours"), *after], 3)
        assert await insertion.told() == ("seq of 3", {"id": 7, "title": "ours"})


async def test_an_insert_is_waited_for_until_the_stream_has_passed_the_answers_time() -> None:
    several = [event(1, 7), event(2, 7, "DELETE"), event(3, 7)]
    for events, told_of in ((several, None), (several[:1], ("seq of 1", {"id": 7, "title": "theirs"}))):
        insertion = heard(events, 5)
        waiting = asyncio.create_task(insertion.told())
        for entry in (event(4, 8), event(5, 8)):
            insertion.meet(entry)
            await asyncio.sleep(0)
            assert not waiting.done()
        insertion.meet(event(6, 8))
        assert await waiting == told_of


async def test_at_the_streams_end_the_one_insert_that_was_told_is_the_own() -> None:
    """If it was asked after the answer, and is not behind, as a member that knows nothing of the key as yet."""
    early = asyncio.get_running_loop().time()
    asked_again, several, behind = (
        heard(events, answered=9)
        for events in ([event(5, 7)], [event(5, 7), event(6, 7, "DELETE"), event(7, 7)], [event(6, 8)])
    )
    for insertion, asked in ((asked_again, early), (behind, inf)):
        insertion.end(asked)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await insertion.told()
    for insertion, told_of in ((asked_again, asked_again.only), (several, None)):
        waiting = asyncio.create_task(insertion.told())
        await asyncio.sleep(0)
        insertion.end(inf)
        assert await asyncio.wait_for(waiting, PATIENCE) == told_of


async def test_a_create_leaves_no_mark_unless_it_names_an_origin() -> None:
    async with opened(database_url()) as store:
        start, before = await store.head(), await marks(store)
        plain = await create(store, 1)
        assert await marks(store) == before
        named = await create(store, 2, origin="me")
        assert await marks(store) == before + 1
        changes = await told(store, start)
        assert [(each.key, each.origin) for each in changes] == [((1,), None), ((2,), "me")]
        assert [each.seq for each in changes] == [plain.seq, named.seq]
        assert [each.after for each in changes] == [plain.row, named.row]


async def test_a_create_is_answered_by_its_own_event_whoever_had_its_key_meanwhile() -> None:
    url = database_url()
    async with FaultProxy(url) as proxy, opened(through(proxy, url)) as store:
        start = await store.head()
        with client(url) as connected:
            theirs = connected.get_default_database()["todos"]
            proxy.delay(LATE)
            created = create(store, 1)
            await wait_until(lambda: store._echoes._insertions)
            theirs.insert_one({"_id": 1, "title": "theirs"})
            theirs.delete_one({"_id": 1})
            written = await created
            theirs.update_one({"_id": 1}, {"$set": {"title": "later"}})
        proxy.heal()
        changes = await told(store, start)
        assert [(each.method, each.after and each.after["title"]) for each in changes] == [
            ("POST", "theirs"), ("DELETE", None), ("POST", "ours"), ("PUT", "later"),
        ]  # fmt: skip
        assert (written.seq, written.row) == (changes[2].seq, changes[2].after)


async def test_where_nothing_more_comes_the_one_insert_that_was_told_is_the_own() -> None:
    asked_again = heard([event(5, 7), event(6, 8)], answered=9)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await asked_again.told()
    assert asked_again.only == ("seq of 5", {"id": 7, "title": "theirs"})
    assert heard([event(5, 7), event(6, 7, "DELETE"), event(7, 7)], answered=9).only is None
    assert heard([event(6, 8)], answered=9).only is None


async def test_a_create_whose_answer_says_a_later_time_is_told_by_its_event_though_nobody_writes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = Insertion.answer

    def answer_later(insertion: Insertion, time: Timestamp | None) -> None:
        assert time is not None
        answer(insertion, Timestamp(time.time, time.inc + 1))

    monkeypatch.setattr(Insertion, "answer", answer_later)
    monkeypatch.setattr(mongo_write, "TOLD", PATIENCE)
    async with opened(database_url()) as store:
        start = await store.head()
        written = await asyncio.wait_for(create(store, 1), PATIENCE / 2)
        (own,) = await told(store, start)
        assert (written.seq, written.row) == (own.seq, own.after)


async def test_a_create_whose_answer_is_lost_is_asked_for_again_and_done_once() -> None:
    url = database_url()
    async with FaultProxy(url) as proxy, opened(through(proxy, url)) as store:
        start, others = await store.head(), itertools.count(10)
        proxy.delay(LATE)
        created = create(store, 1)
        with client(url) as connected:
            todos = connected.get_default_database()["todos"]
            await wait_until(lambda: todos.count_documents({}) == 1)
            assert not created.done()
            proxy.cut()
            proxy.heal()
            # What the server says again is of a later time: it is passed when others write.
            while not created.done():
                todos.insert_one({"_id": next(others)})
                await asyncio.sleep(0.01)
        written, changes = await created, await told(store, start)
        (own,) = [each for each in changes if each.key == (1,)]
        assert written.row == own.after
        assert own.seq <= (written.seq or "") < changes[-1].seq


async def test_a_create_that_is_refused_changes_nothing_and_waits_for_nothing() -> None:
    async with opened(database_url()) as store:
        first = await create(store, 1)
        with pytest.raises(ConstraintViolated):
            await create(store, 1, "again")
        assert await told(store, first.seq or "") == []
        assert not store._echoes._insertions


async def test_a_server_that_is_killed_loses_no_create_that_was_answered() -> None:
    server = Server("--sync-on-commit")
    numbers = itertools.count()
    answered: list[Written] = []

    async def creating(store: MongoStore) -> None:
        while True:
            try:
                answered.append(await create(store, next(numbers)))
            except StoreUnavailable:
                return

    try:
        async with opened(f"{server.url}/killed?serverSelectionTimeoutMS=300") as store:
            start = await store.head()
            working = asyncio.create_task(creating(store))
            await wait_until(lambda: len(answered) >= 20)
            await asyncio.to_thread(server.kill)
            await working
            await asyncio.to_thread(server.start)
            await wait_until(lambda: not store._stream.is_failing, PATIENCE)
            last = await create(store, next(numbers))
            changes = await told(store, start)
            keys = [each.key for each in changes]
            assert len(set(keys)) == len(keys), "none is doubled"
            rows = (await store.find(store.describe(Todo), Query())).rows
            assert [each.after for each in changes] == rows
            seqs = {each.seq for each in changes}
            assert all(each.seq in seqs for each in [*answered, last] if each.seq is not None)
            assert all(each.row in rows for each in [*answered, last])
    finally:
        server.close()
