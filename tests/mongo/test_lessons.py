"""Lessons that others paid for, of MongoDB: the docstring of each test says the lesson, and in brackets who paid.

Which there must be is said in ``tests/test_lessons.py``.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pymongo
import pytest
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from livecollections import Live, LiveClient
from livecollections.cause import Cause
from livecollections.query import Query
from livecollections.stores.base import Write
from livecollections.stores.mongo_replay import now, open_at
from livecollections.stores.mongo_seq import place_of
from livecollections.testing import FaultProxy, wait_until
from tests.serving import served

from .server import PATIENCE, Server, client, database_url
from .test_creates import through
from .test_stream import Tag, Todo, create, opened, told

CROWD = 100
TODOS, TAGS = "/api/todos", "/api/tags"


class Streams(CommandListener):
    """Counts the change streams that are opened."""

    def __init__(self) -> None:
        self.opened = 0

    def started(self, event: CommandStartedEvent) -> None:
        pipeline = event.command.get("pipeline") or [{}]
        self.opened += "$changeStream" in pipeline[0]

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass


def serving(database: Any) -> Live:
    live = Live(database)
    live.add_resource(TODOS, Todo)
    live.add_resource(TAGS, Tag)
    return live


# --- one tail -----------------------------------------------------------------------------------------------


async def test_a_crowd_on_several_collections_has_one_change_stream() -> None:
    """One change stream serves all subscriptions of a database; one for each query grows worse than linearly.
    [Meteor #14453]"""
    streams, heard, url = Streams(), list[Any](), database_url()
    options: dict[str, Any] = {
        "event_listeners": [streams],
        "tz_aware": True,
        "uuidRepresentation": "standard",
    }
    async with pymongo.AsyncMongoClient[dict[str, Any]](url, **options) as connected:
        live = serving(connected.get_default_database())
        async with live:
            seq = await live._store.head()
            for number in range(CROWD):
                reader = live.bayeux.local_client()
                await reader.subscribe((TODOS, TAGS)[number % 2], heard.append)
                assert await live._store.why_reset(seq, "todos") is None
            with client(url) as other:
                database = other.get_default_database()
                database["todos"].insert_many([{"_id": number, "title": "a"} for number in range(5)])
                database["live_tags"].insert_one({"_id": 1})
            await wait_until(lambda: len(heard) == CROWD // 2 * 6, PATIENCE)
    assert streams.opened == 1


# --- fences -------------------------------------------------------------------------------------------------


async def test_answers_name_the_places_of_their_own_events() -> None:
    """Wait for, and tell, the event of the write itself; who waits for "now" waits for all others. [Meteor #14362]"""
    url = database_url()
    async with opened(url) as store:
        start, is_over = await store.head(), asyncio.Event()

        def disturb() -> None:
            with client(url) as other:
                tags, number = other.get_default_database()["live_tags"], 0
                while not is_over.is_set():
                    tags.insert_one({"_id": number})
                    number += 1

        async def write(number: int) -> tuple[str | None, str]:
            origin = f"mine.{number}"
            job = Write(store.describe(Todo), None, lambda row: {"id": number, "title": "t"}, origin=origin)
            return (await store.write(job)).seq, origin

        others = asyncio.create_task(asyncio.to_thread(disturb))
        try:
            answers = dict([await write(number) for number in range(5)])
            answers |= dict(await asyncio.gather(*map(write, range(5, 30))))
        finally:
            is_over.set()
            await others
        entries = await told(store, start, 100_000)
        assert {entry.seq: entry.origin for entry in entries if entry.source == "todos"} == answers


async def test_an_answer_that_changed_nothing_waits_for_no_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """No event will come of a write that changes nothing, and the time of its answer may be somebody else's event: it
    is a read's, whose document is as new as its place (finding 8). [Meteor #14362]"""
    url = database_url()
    async with opened(url) as store:
        created, read = await create(store, 1), store._writer._read

        async def after_theirs(*arguments: Any) -> Any:
            with client(url) as other:
                other.get_default_database()["todos"].update_one({"_id": 1}, {"$set": {"title": "theirs"}})
            return await read(*arguments)

        monkeypatch.setattr(store._writer, "_read", after_theirs)
        writing = store.write(Write(store.describe(Todo), (1,), lambda row: {}))
        answer = await asyncio.wait_for(writing, PATIENCE)
        (theirs,) = await told(store, created)
        assert answer.row == theirs.after
        assert (answer.seq or "") >= theirs.seq
        later = await create(store, 2)
        assert [change.seq for change in await told(store, answer.seq or "")] == [later]


# --- where the stream begins --------------------------------------------------------------------------------


async def test_a_list_has_all_that_its_place_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream must begin at a time that was taken before the documents were read, or what comes between is
    lost (finding 5). [Meteor #14389]"""
    url = database_url()
    async with opened(url) as store:
        with client(url) as other:
            stored = other.get_default_database()["todos"]

            async def amid_writes(database: Any) -> Any:
                if stored.count_documents({}):
                    return await now(database)
                stored.insert_one({"_id": 1, "title": "before"})
                time = await now(database)
                stored.insert_one({"_id": 2, "title": "between"})
                return time

            start = await store.head()
            with monkeypatch.context() as patched:
                patched.setattr("livecollections.stores.mongo_list.now", amid_writes)
                found = await store.find(store.describe(Todo), Query())
        before, between = await told(store, start)
        assert before.seq <= found.seq < between.seq
        assert before.after in found.rows
        assert await told(store, found.seq) == [between], "it is heard, whether the list has it or not"


async def test_a_stream_that_is_opened_late_begins_at_the_pinned_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stream must be given the time from which it tells: what is written before it is open would be lost.
    [Meteor #14564]"""
    url = database_url()
    async with opened(url) as early:
        pinned = await early.head()

        async def late(*arguments: Any) -> Any:
            with client(url) as other:
                other.get_default_database()["todos"].insert_one({"_id": 7, "title": "between"})
            return await open_at(*arguments)

        with monkeypatch.context() as patched:
            patched.setattr("livecollections.stores.mongo_tail.open_at", late)
            async with opened(url) as store:
                assert [change.key for change in await told(store, pinned)] == [(7,)]


async def test_who_comes_after_the_last_write_waits_for_no_event() -> None:
    """A late joiner begins at the known time, and goes on from an older one; on a quiet database no event comes to tell
    it. [Meteor #14564]"""
    url = database_url()
    async with opened(url) as store:
        first = await create(store, 1)
        last = await create(store, 2)
    live = serving(url)
    async with served(live.app) as address, LiveClient(address) as reader:
        batch = await asyncio.wait_for(live._store.read(first, 10), PATIENCE)
        assert [change.seq for change in batch.changes] == [last]
        async with reader.collection(TODOS, key="_id") as found:
            await asyncio.wait_for(found.wait_live(), PATIENCE)
            assert [todo["_id"] for todo in found] == [1, 2]


# --- loss ---------------------------------------------------------------------------------------------------


async def test_a_stream_that_the_oplog_has_rolled_past_begins_anew_and_everyone_reads_again() -> None:
    """Where history is lost the old place is dropped and all is read again; who tries it again and again hangs.
    [Meteor #14604]"""
    server = Server("--oplog-max-entries", "40")
    try:
        url = f"{server.url}/rolled"
        async with FaultProxy(url) as proxy, opened(through(proxy, url)) as store:
            lost = await create(store, 0)
            proxy.offline()
            await wait_until(lambda: store._stream.is_failing, PATIENCE)
            with client(url) as other:
                database = other.get_default_database()
                database["todos"].insert_one({"_id": 1, "title": "missed"})
                database["live_tags"].insert_many([{"_id": number} for number in range(1_100)])
            proxy.heal()
            await wait_until(
                lambda: not store._stream.is_failing and not store._stream.covers(place_of(lost)), PATIENCE
            )
            assert await store.why_reset(lost, "todos") is Cause.TRIMMED
            assert (await store.read(lost, 10)).lost is Cause.TRIMMED
            head = await store.head()
            found = await store.find(store.describe(Todo), Query())
            assert [row["id"] for row in found.rows] == [0, 1]
            assert await store.why_reset(head, "todos") is None
            after = await create(store, 2)
            assert [change.seq for change in await told(store, head)] == [after]
    finally:
        server.close()
