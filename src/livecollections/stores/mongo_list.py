"""Lists of MongoDB's store: the documents of a query, as of one time of the database, and the seq of that time.

Two rules. The time is asked for first, and all is read as of it, so that the list holds every change up to it. What the
server's filter leaves open is judged here, before anything is skipped or cut off.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import bson
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import OperationFailure

from ..change import Row
from ..errors import MalformedRequest
from ..query import Order, Query, meets
from .base import Count, Distinct, too_long
from .mongo_conditions import compile_all, field_of
from .mongo_connection import PATIENCE, Database, translated
from .mongo_models import KEY, DocumentSource
from .mongo_replay import now
from .mongo_values import CODEC, RAW, decoded
from .spool import Spool
from .spooled_list import Cut, SpooledList

TURN = 0.005
"""Seconds of judging rows between two turns of others."""
T = TypeVar("T")

PILE = 100
"""Documents that are put aside at a time."""
TRIES = 5
"""Times that a snapshot is asked for: while collections are made there is none."""
UNAVAILABLE = frozenset({239, 246})
"""SnapshotTooOld, SnapshotUnavailable."""


class Lists:
    """Those of one database. label: gives the seq of a time."""

    def __init__(self, database: Database, label: Callable[[Timestamp], str]) -> None:
        self._database = database
        self._label = label

    async def rows(self, source: DocumentSource, query: Query) -> SpooledList:
        """The documents of a query. Raises StoreUnavailable."""

        names = [field_of(source, order.field).name for order in sorted_by(source, query)]

        def place(row: tuple[bytes]) -> tuple[bytes, ...]:
            stored = decoded(row[0])
            return tuple(bson.encode({"": stored.get(name)}, codec_options=CODEC) for name in names)

        async def read(time: Timestamp) -> SpooledList:
            cut, spool = Cut(self._label(time)), Spool()
            try:
                await self._fill(spool, cut, source, query, time)
                goes_on = place if query.limit is not None else None
                return SpooledList(cut, spool, lambda row: source.row(decoded(row[0])), goes_on)
            except BaseException:
                spool.close()
                raise

        return (await self._at_a_time(read))[0]

    async def one(self, source: DocumentSource, key: Any) -> tuple[list[Row], Timestamp]:
        """The document with a key, as it is stored, and the time that it was read at. Raises StoreUnavailable."""

        async def read(time: Timestamp) -> list[Row]:
            command = {
                "find": source.name,
                "filter": {KEY: {"$eq": key}},
                "limit": 1,
                "singleBatch": True,
                "readConcern": {"level": "snapshot", "atClusterTime": time},
            }
            told = await self._database.command(command, codec_options=CODEC)
            return [source.row(stored) for stored in told["cursor"]["firstBatch"]]

        return await self._at_a_time(read)

    async def count(self, source: DocumentSource, query: Query) -> Count:
        """How many they are. Raises StoreUnavailable."""
        bounds = compile_all(source, query.where)

        async def read(time: Timestamp) -> Count:
            return Count(await (ask(time) if bounds.is_exact else judge(time)), self._label(time))

        async def judge(time: Timestamp) -> int:
            counted = 0
            async for _ in self.found(source, query, time, names={KEY: 1}):
                counted += 1
            return counted

        async def ask(time: Timestamp) -> int:
            stages: list[dict[str, Any]] = [{"$match": bounds.maybe}]
            stages += [{"$skip": query.skip}] if query.skip else []
            if query.limit == 0:
                return 0
            stages += [] if query.limit is None else [{"$limit": query.limit}]
            stages.append({"$count": "number"})
            async for told in await self._aggregated(source, stages, time):
                return int(told["number"])
            return 0

        return (await self._at_a_time(read))[0]

    async def distinct(self, source: DocumentSource, attribute: str, query: Query) -> SpooledList:
        """The values of a field in them. Raises StoreUnavailable."""
        found = field_of(source, attribute)

        def row(stored: tuple[bytes]) -> Row:
            return {attribute: found.codec.decode(decoded(stored[0])[found.name])}

        async def read(time: Timestamp) -> SpooledList:
            cut, spool, distinct = Cut(self._label(time)), Spool(), Distinct()
            try:
                async for stored in self.found(source, query, time, names={found.name: 1}):
                    value = bson.encode({found.name: stored.get(found.name)}, codec_options=CODEC)
                    if distinct.is_new(value):
                        spool.put([(value,)])
                return SpooledList(cut, spool, row)
            except BaseException:
                spool.close()
                raise

        return (await self._at_a_time(read))[0]

    async def _at_a_time(self, read: Callable[[Timestamp], Awaitable[T]]) -> tuple[T, Timestamp]:
        """What a function reads at a time of the database, and that time."""
        for left in reversed(range(TRIES)):
            time = await now(self._database)
            try:
                with translated():
                    return await read(time), time
            except Exception as error:
                cause = error.__cause__
                if not left or not isinstance(cause, OperationFailure) or cause.code not in UNAVAILABLE:
                    raise
        raise AssertionError("the last try answers or raises")

    async def _fill(
        self, spool: Spool, cut: Cut, source: DocumentSource, query: Query, time: Timestamp
    ) -> None:
        pile: list[tuple[bytes]] = []
        number = 0
        # One more than is given out tells whether there is more.
        wanted = query if query.limit is None else _limited(query, query.limit + 1)
        async for stored in self.found(source, wanted, time):
            number += 1
            if query.limit is not None and number > query.limit:
                cut.more = True
                break
            cut.last = (bytes(stored.raw),)
            pile.append(cut.last)
            if len(pile) == PILE:
                spool.put(pile)
                pile = []
        spool.put(pile)

    async def found(
        self,
        source: DocumentSource,
        query: Query,
        time: Timestamp | None,
        session: AsyncClientSession | None = None,
        names: Mapping[str, int] | None = None,
    ) -> AsyncIterator[RawBSONDocument]:
        """The stored documents of a query; as of a time, or as a transaction sees them."""
        bounds = compile_all(source, query.where)
        sort = sorted_by(source, query)
        if query.limit == 0:
            return
        command: dict[str, Any] = {
            "find": source.name,
            "filter": bounds.maybe
            if query.after is None
            else _after(source, sort, query.after, bounds.maybe),
            "projection": dict(names) if names and bounds.is_exact else {one.name: 1 for one in source.shown},
            "sort": {field_of(source, order.field).name: -1 if order.descending else 1 for order in sort},
            "collation": {"locale": "simple"},
            "maxTimeMS": int(PATIENCE * 1000),
        }
        if KEY not in command["projection"]:
            command["projection"][KEY] = 0
        if session is None:
            command["allowDiskUse"] = True
            command["readConcern"] = {"level": "snapshot", "atClusterTime": time}
        if bounds.is_exact:
            command["skip"] = query.skip
            if query.limit is not None:
                command["limit"] = query.limit
        judge = Judge(query)
        skip, left = (0, None) if bounds.is_exact else (query.skip, query.limit)
        # What comes after the first batch is decoded as the database's own options say.
        raw = self._database.with_options(codec_options=RAW)
        cursor: Any = await raw.cursor_command(command, codec_options=RAW, session=session)
        async with cursor:
            async for stored in cursor:
                if not bounds.is_exact and not await judge.meets(source.row(decoded(stored.raw))):
                    continue
                if skip:
                    skip -= 1
                    continue
                yield stored
                if left is not None:
                    left -= 1
                    if not left:
                        return

    async def _aggregated(self, source: DocumentSource, stages: list[dict[str, Any]], time: Timestamp) -> Any:
        return await self._database.cursor_command(
            {
                "aggregate": source.name,
                "pipeline": stages,
                "cursor": {},
                "collation": {"locale": "simple"},
                "maxTimeMS": int(PATIENCE * 1000),
                "readConcern": {"level": "snapshot", "atClusterTime": time},
            }
        )


class Judge:
    """Says of rows whether they meet a query, and lets others have their turn meanwhile."""

    def __init__(self, query: Query, clock: Callable[[], float] = lambda: time.monotonic()) -> None:
        self._query = query
        self._clock = clock
        self._deadline = clock() + PATIENCE
        self._turn = clock() + TURN

    async def meets(self, row: Row) -> bool:
        """Whether a row does. Raises StoreUnavailable if all this takes too long."""
        if self._clock() > self._turn:
            await asyncio.sleep(0)
            self._turn = self._clock() + TURN
        return all(meets(row, condition, self._look) for condition in self._query.where)

    def _look(self) -> None:
        if self._clock() > self._deadline:
            raise too_long(PATIENCE)


def sorted_by(source: DocumentSource, query: Query) -> tuple[Order, ...]:
    """The whole sort of a list: with the key, so that no two documents are alike."""
    is_keyed = any(order.field in source.key for order in query.sort)
    return query.sort if is_keyed else (*query.sort, Order(source.key[0]))


def _limited(query: Query, limit: int) -> Query:
    return Query(query.where, query.sort, query.skip, limit, query.after)


def _after(
    source: DocumentSource, sort: Sequence[Order], place: Sequence[Any], met: Mapping[str, Any]
) -> dict[str, Any]:
    """Documents that come after a place, in BSON's order, where nothing and null are one."""
    clauses: list[dict[str, Any]] = []
    alike: list[dict[str, Any]] = []
    for order, encoded in zip(sort, place, strict=True):
        stored = {"$ifNull": [f"${field_of(source, order.field).name}", None]}
        value = {"$literal": _value(encoded)}
        clauses.append({"$and": [*alike, {"$lt" if order.descending else "$gt": [stored, value]}]})
        alike.append({"$eq": [stored, value]})
    return {"$and": [dict(met), {"$expr": {"$or": clauses}}]}


def _value(encoded: Any) -> Any:
    try:
        return bson.decode(encoded, CODEC)[""]
    except (BSONError, KeyError, TypeError) as error:
        raise MalformedRequest("this is no place in this list") from error
