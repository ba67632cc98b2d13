"""The change stream of the database, and replays: streams from a place on that the tail does not remember.

Two rules. A place that names an event is one only if that event is met there. What the server can tell no more (the
oplog has rolled past) is lost, and said so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from bson.timestamp import Timestamp
from pymongo.asynchronous.change_stream import AsyncDatabaseChangeStream
from pymongo.errors import OperationFailure

from ..cause import Cause
from ..change import Change
from ..errors import StoreError, StoreUnavailable
from .base import Batch
from .mongo_connection import HISTORY_LOST, PATIENCE, Database, translated
from .mongo_events import Entry, Event, Reader
from .mongo_images import AFTER, BEFORE, updated
from .mongo_models import KEY
from .mongo_seq import LAST, Place, seq

BATCH = 1_000
"""Events that the server gives at a time."""
AWAITED = 1_000
"""Milliseconds that the server waits for the next event before it says that there is none."""

Stream = AsyncDatabaseChangeStream[dict[str, Any]]


async def now(database: Database) -> Timestamp:
    """The time of the database: all that is committed is at it, or before."""
    with translated():
        told = await database.command("ping")
    time: Timestamp = told["operationTime"]
    return time


async def open_at(database: Database, time: Timestamp, end: Any = None) -> Stream:
    """The database's stream from a time on, which is included. end: of the one before, if that came to its end."""
    return await database.watch(
        full_document="whenAvailable",
        full_document_before_change="whenAvailable",
        start_at_operation_time=None if end else time,
        start_after=end,
        batch_size=BATCH,
        max_await_time_ms=AWAITED,
    )


async def oldest(database: Database) -> Timestamp | None:
    """The time of the oldest entry of the oplog; None where it may not be read."""
    try:
        found = await database.client.local["oplog.rs"].find_one(sort=[("$natural", 1)])
    except OperationFailure:
        return None
    return None if found is None else found["ts"]


async def oplog_size(database: Database) -> int | None:
    """The bytes of the oplog's entries, as the server counts them; None where it does not, or may not be asked."""
    try:
        told = await database.client.local["oplog.rs"].aggregate([{"$collStats": {"storageStats": {}}}])
        return size_of(await told.to_list())
    except OperationFailure:
        return None


def size_of(told: Sequence[Mapping[str, Any]]) -> int | None:
    """The bytes of a collection. told: by ``$collStats``, of each shard."""
    sizes = [int(one.get("storageStats", {}).get("size", 0)) for one in told]
    return sum(sizes) or None


async def completed(database: Database, event: Event) -> Event:
    """An event with the document as it is now, where nobody has kept it as it was."""
    if event["operationType"] not in ("update", "replace") or event.get(AFTER) is not None:
        return event
    before = event.get(BEFORE)
    if before is not None and updated(before, event.get("updateDescription") or {}) is not None:
        return event
    found = await database[event["ns"]["coll"]].find_one({KEY: event["documentKey"][KEY]})
    return {**event, AFTER: found}


class Replay:
    """A stream from an older place on."""

    def __init__(self, database: Database, reader: Reader, after: Place) -> None:
        self._database = database
        self._reader = reader
        self._stream: Stream | None = None
        self._has_begun = False
        self.place = after
        self.is_ended = False

    async def close(self) -> None:
        """Let it go."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.close()

    async def begin(self) -> Cause | None:
        """Go to the place; why it is none, if it is."""
        self._has_begun = True
        first = await oldest(self._database)
        if first is not None and self.place.time < first:
            return Cause.TRIMMED
        try:
            self._stream = await open_at(self._database, self.place.time)
            return None if self.place.number == LAST else await self._go_to()
        except OperationFailure as error:
            if error.code in HISTORY_LOST:
                return Cause.TRIMMED
            raise

    async def _go_to(self) -> Cause | None:
        """Meet the event that the place names."""
        while True:
            entry = await self._next()
            if entry.place == self.place:
                return None
            if entry.place > self.place:
                return Cause.NO_ENTRY if entry.place[:2] == self.place[:2] else Cause.TRIMMED

    async def _next(self) -> Entry:
        """The next event; there is one, since the tail has begun after it."""
        assert self._stream is not None, "it has begun"
        async with asyncio.timeout(PATIENCE):
            return self._reader.read(await completed(self._database, await self._stream.next()))

    async def read(self, limit: int, source: str | None, until: Place) -> Batch:
        """The next changes; to a place, at most, after which the tail remembers all."""
        try:
            with translated():
                return await self._read(limit, source, until)
        except TimeoutError as error:
            raise StoreUnavailable("MongoDB takes too long to tell what was changed") from error
        except StoreError as error:
            if getattr(error.__cause__, "code", None) not in HISTORY_LOST:
                raise
            return Batch([], self._text(self.place), lost=Cause.TRIMMED)

    async def _read(self, limit: int, source: str | None, until: Place) -> Batch:
        if not self._has_begun and (lost := await self.begin()) is not None:
            return Batch([], self._text(self.place), lost=lost)
        found: list[Change] = []
        start = self.place
        while True:
            entry = await self._next()
            if entry.place > until:
                self.is_ended = True
                self.place = max(self.place, until)
                return Batch(found, self._text(self.place))
            if entry.place <= start:
                continue
            if entry.epoch is not None:
                self.is_ended = True
                return Batch(found, self._text(self.place), lost=Cause.OTHER_EPOCH)
            self.place = entry.place
            found += [change for change in entry.changes if source in (None, change.source)]
            if len(found) >= limit:
                return Batch(found, self._text(self.place), more=True)

    def _text(self, place: Place) -> str:
        return seq(self._reader.epoch, place)
