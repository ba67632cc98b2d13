"""Writes to MongoDB over a slow line: they take their time, and are done once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pymongo
import pytest
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from livecollections import StoreUnavailable
from livecollections.change import Row
from livecollections.query import Query
from livecollections.stores import mongo_write
from livecollections.stores.base import Idempotency, Write
from livecollections.stores.mongo import MongoStore
from livecollections.testing import FaultProxy

from .server import client, database_url
from .test_creates import through
from .test_stream import Todo, create, opened, todos


class Listener(CommandListener):
    """Calls a function when a command is about to be sent: with its name, and that of the collection."""

    def __init__(self) -> None:
        self.told: Callable[[str, Any], None] = lambda name, collection: None

    def started(self, event: CommandStartedEvent) -> None:
        self.told(event.command_name, event.command[event.command_name])

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass


@asynccontextmanager
async def behind(proxy: FaultProxy, listener: Listener) -> AsyncIterator[MongoStore]:
    """A store whose server is behind a proxy."""
    url = database_url()
    proxy.aim(url)
    options: dict[str, Any] = {
        "event_listeners": [listener],
        "tz_aware": True,
        "uuidRepresentation": "standard",
    }
    async with pymongo.AsyncMongoClient[dict[str, Any]](through(proxy, url), **options) as connected:
        store = MongoStore(connected.get_default_database())
        await store.start([store.describe(Todo)])
        try:
            yield store
        finally:
            proxy.heal()
            await store.stop()


async def numbers(store: MongoStore) -> list[int]:
    return [row["id"] for row in (await store.find(store.describe(Todo), Query())).rows]


async def test_writes_that_take_longer_together_than_they_may_are_not_in_the_way_of_themselves() -> None:
    """What was given up would hold the documents for a minute."""
    listener, late = Listener(), [0.6]
    async with FaultProxy() as proxy, behind(proxy, listener) as store:

        def slow(name: str, collection: Any) -> None:
            proxy.delay(late.pop() if late and (name, collection) == ("insert", "todos") else 0)

        listener.told = slow
        await asyncio.gather(create(store, 1), create(store, 2))
        assert await numbers(store) == [1, 2]


async def test_a_commit_that_is_answered_late_is_not_done_again() -> None:
    listener = Listener()
    async with FaultProxy() as proxy, behind(proxy, listener) as store:
        await create(store, 1)

        def slow(name: str, collection: Any) -> None:
            if name == "commitTransaction":
                proxy.delay(0.6)

        listener.told = slow
        counted = Write(store.describe(Todo), (1,), lambda row: {"title": f"{(row or {})['title']}+"})
        await store.write(counted)
        proxy.heal()
        assert (await store.get(store.describe(Todo), (1,))).rows == [{"id": 1, "title": "t+"}]


async def test_what_is_given_up_holds_no_document(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener()
    async with FaultProxy() as proxy, behind(proxy, listener) as store:
        await create(store, 1)
        monkeypatch.setattr(mongo_write, "LONGEST", 1.0)
        ours = Write(store.describe(Todo), (1,), lambda row: {"title": "ours"})

        def slow(name: str, collection: Any) -> None:
            proxy.delay(1.2 if (name, collection) == ("update", "todos") else 0)

        listener.told = slow
        with pytest.raises(StoreUnavailable, match="too long"):
            await store.write(ours)
        listener.told = lambda name, collection: None
        proxy.heal()
        await asyncio.wait_for(todos(store).update_one({"_id": 1}, {"$set": {"title": "theirs"}}), 10)
        assert (await store.get(store.describe(Todo), (1,))).rows == [{"id": 1, "title": "theirs"}]


async def test_a_repeat_has_the_seq_that_was_kept_after_it_had_looked() -> None:
    url = database_url()
    async with opened(url) as store:
        source = store.describe(Todo)
        once = Idempotency("key", "digest")
        ours = Write(source, None, lambda row: {"id": 1, "title": "t"}, idempotency=once)
        first = await store.write(ours)
        with client(url) as connected:
            answers = connected.get_default_database()["live_idempotency"]
            answers.update_one({}, {"$unset": {"seq": ""}})

            def meanwhile(row: Row | None) -> dict[str, Any]:
                answers.update_one({}, {"$set": {"seq": first.seq}})
                return {"id": 2, "title": "t"}

            beside = Write(source, None, meanwhile, blocks=True)
            second, _ = await asyncio.gather(store.write(ours), store.write(beside))
        assert (second.seq, second.repeated) == (first.seq, True)
