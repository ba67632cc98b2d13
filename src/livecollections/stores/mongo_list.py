"""Lists of MongoDB's store: the documents of a query, as of one time of the database, and the seq of that time.

Two rules. The time is asked for first, and all is read as of it, so that the list holds every change up to it. What the
server's filter leaves open is judged here, before anything is skipped or cut off.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import bson
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import OperationFailure

from ..change import Row
from ..errors import MalformedRequest
from ..query import Order, Query, meets
from .base import Listing, too_long
from .mongo_conditions import compile_all, field_of
from .mongo_connection import PATIENCE, Database, translated
from .mongo_models import KEY, DocumentSource
from .mongo_replay import now
from .mongo_values import CODEC, RAW, decoded
from .spool import Spool

PIECE = 256 * 1024
"""Bytes of stored documents that are given out at once."""
TURN = 0.005
"""Seconds of judging rows between two turns of others."""
PILE = 100
"""Documents that are put aside at a time."""
TRIES = 5
"""Times that a snapshot is asked for: while collections are made there is none."""
UNAVAILABLE = frozenset({239, 246})
"""SnapshotTooOld, SnapshotUnavailable."""


@dataclass(slots=True)
class Cut:
    """What was read: the documents, whether a limit left some out, and the last that it kept."""

    spool: Spool = field(default_factory=Spool)
    more: bool = False
    last: Mapping[str, Any] | None = None


class Lists:
    """Those of one database. label: gives the seq of a time."""

    def __init__(self, database: Database, label: Callable[[Timestamp], str]) -> None:
        self._database = database
        self._label = label

    async def rows(self, source: DocumentSource, query: Query) -> SpooledList:
        """The documents of a query. Raises StoreUnavailable."""

        async def read(time: Timestamp) -> Cut:
            return await self._cut(source, query, time)

        cut, time = await self._at_a_time(read)
        places = [field_of(source, order.field).name for order in sorted_by(source, query)]
        return SpooledList(self._label(time), cut, places if query.limit is not None else (), source.row)

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

    async def count(self, source: DocumentSource, query: Query) -> tuple[int, str]:
        """How many they are, and the seq. Raises StoreUnavailable."""

        async def read(time: Timestamp) -> int:
            counted = 0
            async for _ in self.found(source, query, time, names={KEY: 1}):
                counted += 1
            return counted

        bounds = compile_all(source, query.where)
        if not bounds.is_exact:
            number, time = await self._at_a_time(read)
            return number, self._label(time)

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

        number, time = await self._at_a_time(ask)
        return number, self._label(time)

    async def distinct(self, source: DocumentSource, attribute: str, query: Query) -> SpooledList:
        """The values of a field in them. Raises StoreUnavailable."""
        found = field_of(source, attribute)

        async def read(time: Timestamp) -> Cut:
            cut, known = Cut(), set()
            async for stored in self.found(source, query, time):
                value = bson.encode({found.name: stored.get(found.name)}, codec_options=CODEC)
                if value not in known:
                    known.add(value)
                    cut.spool.put([(value,)])
            return cut

        cut, time = await self._at_a_time(read)
        return SpooledList(
            self._label(time), cut, (), lambda stored: {attribute: found.codec.decode(stored[found.name])}
        )

    async def _at_a_time(self, read: Callable[[Timestamp], Any]) -> tuple[Any, Timestamp]:
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

    async def _cut(self, source: DocumentSource, query: Query, time: Timestamp) -> Cut:
        cut = Cut()
        pile: list[tuple[bytes]] = []
        number = 0
        # One more than is given out tells whether there is more.
        wanted = query if query.limit is None else _limited(query, query.limit + 1)
        try:
            async for stored in self.found(source, wanted, time):
                number += 1
                if query.limit is not None and number > query.limit:
                    cut.more = True
                    break
                cut.last = stored
                pile.append((bytes(stored.raw),))
                if len(pile) == PILE:
                    cut.spool.put(pile)
                    pile = []
        except BaseException:
            cut.spool.close()
            raise
        cut.spool.put(pile)
        return cut

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
        cursor: Any = await self._database.cursor_command(command, codec_options=RAW, session=session)
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


class SpooledList(Listing):
    """A list that was read. places: the names of what tells where a document stands.  row: of a stored document."""

    def __init__(
        self, seq: str, cut: Cut, places: Sequence[str], row: Callable[[Mapping[str, Any]], Row]
    ) -> None:
        place = None
        if cut.more and cut.last is not None and places:
            place = tuple(bson.encode({"": cut.last.get(name)}, codec_options=CODEC) for name in places)
        super().__init__(seq, cut.spool.count, more=cut.more, place=place)
        self._spool = cut.spool
        self._row = row
        self._first = self._next()
        self._is_short = len(self._first) == self.count
        if self._is_short:
            self.close()

    @property
    def is_short(self) -> bool:
        return self._is_short

    async def piece(self) -> list[Row]:
        first, self._first = self._first, []
        return first or ([] if self._is_short else self._next())

    def _next(self) -> list[Row]:
        return [self._row(decoded(raw)) for (raw,) in self._spool.get(PIECE)]

    def close(self) -> None:
        self._spool.close()


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
