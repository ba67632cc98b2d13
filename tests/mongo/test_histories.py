"""Random histories of writes by every way that MongoDB has; then the log, replayed, is what the database holds."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from pydantic import BaseModel, Field
from pymongo import DeleteMany, InsertOne, ReplaceOne, UpdateMany, UpdateOne
from pymongo.errors import PyMongoError

from livecollections.errors import LiveError
from livecollections.query import Query
from livecollections.stores.base import Bulk, Sweep, Write
from livecollections.stores.mongo import MongoStore
from livecollections.testing.stores.histories import replay
from tests.scale import scaled

from .server import database_url

STEPS = 60
TITLES = "abcdef"


class Item(BaseModel):
    class Settings:
        name = "items"

    id: int = Field(alias="_id")
    title: str | None = None
    count: int | float | None = None
    tags: list[Any] | None = None
    place: dict[str, Any] | None = None


class Other(BaseModel):
    class Settings:
        name = "others"

    id: int = Field(alias="_id")
    title: str | None = None


class History:
    """Draws a write, does it, and draws another."""

    def __init__(self, store: MongoStore, draw: random.Random) -> None:
        self._store = store
        self._draw = draw
        self.source = store.describe(Item)
        self.other = store.describe(Other)
        self._steps: list[Callable[[], Awaitable[Any]]] = [
            self._create, self._update, self._delete, self._bulk, self._sweep, self._stranger, self._stranger,
            self._stranger, self._bulk_write, self._transaction, self._unchanged,
        ]  # fmt: skip

    async def step(self) -> None:
        """One of them, which may be refused."""
        with suppress(LiveError, PyMongoError):
            await self._draw.choice(self._steps)()

    @property
    def _items(self) -> Any:
        return self._store._database["items"]

    def _number(self, most: int = 9) -> int:
        return self._draw.randint(0, most)

    def _key(self) -> dict[str, Any]:
        return {"_id": self._number()}

    def _document(self) -> dict[str, Any]:
        return {
            "title": self._draw.choice(TITLES),
            "count": self._draw.choice((0, 1, 2.5, None)),
            "tags": [self._number() for _ in range(self._number(4))],
            "place": {"x": self._number(), "deep": {"list": [{"n": 1}, {"n": 2}]}},
        }

    async def _create(self) -> None:
        await self._store.write(
            Write(self.source, None, lambda row: {"id": self._number(), **self._document()})
        )

    async def _update(self) -> None:
        values = self._document()
        changed = dict(self._draw.sample(sorted(values.items()), 2))
        await self._store.write(Write(self.source, (self._number(),), lambda row: changed))

    async def _delete(self) -> None:
        await self._store.write(Write(self.source, (self._number(),), lambda row: None))

    async def _bulk(self) -> None:
        number = self._number()
        writes = [
            Write(self.source, None, lambda row: {"id": number, **self._document()}, "o.0"),
            Write(self.source, (number,), lambda row: {"title": "of a bulk"}, "o.1"),
            Write(self.source, (self._number(),), lambda row: {"count": 7}, "o.2"),
        ]
        await self._store.write_all(Bulk(writes[: self._number(2) + 1]))

    async def _sweep(self) -> None:
        to = self._draw.choice([None, {"title": "swept"}])
        await self._store.write_all(Sweep(self.source, Query(limit=3), lambda row: to))

    async def _stranger(self) -> None:
        many = {"_id": {"$gt": self._number()}}
        operator = self._draw.choice(
            (
                {"$inc": {"count": 1}},
                {"$set": {"place.x": self._number(), "place.deep.list.1.n": self._number()}},
                {"$set": {"place.new.er": 1, "foreign": 1}},
                {"$unset": {"title": 1, "place.x": 1}},
                {"$push": {"tags": {"$each": [1, 2], "$slice": -3}}},
                {"$push": {"tags": self._number()}},
                {"$pull": {"tags": 1}},
                {"$pop": {"tags": 1}},
                {"$addToSet": {"tags": {"a": 1}}},
                {"$set": {"tags.0": "first"}},
                {"$set": {"tags.$[]": 0}},
                {"$rename": {"title": "name"}},
                {"$mul": {"count": 2}},
                [{"$set": {"title": {"$concat": [{"$ifNull": ["$title", ""]}, "!"]}}}],
            )
        )
        which = self._number(5)
        if which == 0:
            await self._items.delete_many(many)
        elif which == 1:
            await self._items.replace_one(self._key(), self._document(), upsert=True)
        elif which == 2:
            await self._items.find_one_and_update(self._key(), operator)
        else:
            await self._items.update_many(many, operator)

    async def _bulk_write(self) -> None:
        """One of them may fail, and those after it are not done."""
        operations = [
            InsertOne({**self._key(), "title": "bulk"}),
            UpdateOne(self._key(), {"$set": {"title": "z"}}, upsert=True),
            UpdateMany({}, {"$inc": {"count": 1}}),
            ReplaceOne(self._key(), {"title": "r"}),
            DeleteMany({"_id": self._number()}),
        ]
        self._draw.shuffle(operations)
        await self._items.bulk_write(operations, ordered=self._draw.random() < 0.5)

    async def _transaction(self) -> None:
        """Of another program, which may change its mind; it writes one document several times."""
        key = self._key()
        async with self._store._database.client.start_session() as session:
            await session.start_transaction()
            await self._items.update_one(key, {"$set": {"title": "t"}}, upsert=True, session=session)
            await self._items.update_one(key, {"$push": {"tags": 9}}, session=session)
            await self._store._database["others"].replace_one(
                key, {"title": "t"}, upsert=True, session=session
            )
            if self._draw.random() < 0.5:
                await self._items.delete_one(key, session=session)
            await (session.commit_transaction if self._draw.random() < 0.7 else session.abort_transaction)()

    async def _unchanged(self) -> None:
        await self._items.update_many({}, {"$set": {"foreign": self._number()}})
        await self._items.update_many({"title": "a"}, {"$set": {"title": "a"}})


@pytest.mark.parametrize("seed", range(scaled(3, 40)))
async def test_the_log_replayed_is_the_database_whatever_was_written(seed: int) -> None:
    store = MongoStore(database_url())
    history = History(store, random.Random(seed))
    await store.start([history.source, history.other])
    try:
        start = await store.head()
        for _ in range(STEPS):
            await history.step()
        async with store.session(committed=lambda seq: None):
            pass
        every = (await store.read(start, 10_000)).changes
        assert len(every) > STEPS / 2
        assert [entry.seq for entry in every] == sorted({entry.seq for entry in every})
        for source in (history.source, history.other):
            state = replay([entry for entry in every if entry.source == source.name])
            assert state == {source.key_of(row): row for row in (await store.find(source, Query())).rows}
        again = await replayed(store, start)
        assert again == every, "a stream that is read again tells the same"
    finally:
        await store.stop()


async def replayed(store: MongoStore, start: str) -> list[Any]:
    """The log as a store reads it that was not there."""
    later = MongoStore(store._connection._given)
    await later.start([later.describe(Item), later.describe(Other)])
    try:
        found: list[Any] = []
        position = start
        while True:
            batch = await later.read(position, 17)
            assert batch.lost is None
            found += batch.changes
            position = batch.upto
            if not batch.more:
                return found
    finally:
        await later.stop()
