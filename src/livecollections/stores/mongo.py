"""The store for MongoDB: the documents of Pydantic models, and the change stream of their database as the log.

Three rules. The stream is the log: what it tells is in the order of the database, and kept for as long as the oplog is.
A read is as of a time of the database, and that is its seq. An own write is answered when the stream has told it.

What a collection lacks is put right at start: pre- and post-images, by which the stream can tell what was and is.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

from bson.objectid import ObjectId
from bson.timestamp import Timestamp
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from ..cause import Cause
from ..change import EPOCH_WIDTH, Key, Row
from ..errors import ConfigurationError, InvalidDocument, LiveError, StoreUnavailable
from ..query import Query
from ..source import Source
from .base import (
    Batch,
    Bulk,
    Count,
    Listing,
    Log,
    Logged,
    Snapshot,
    Store,
    Sweep,
    Write,
    Written,
    not_started,
    tell_committed,
    tells_commits,
    told,
)
from .log_state import LogState
from .mongo_connection import Connection, Database, translated
from .mongo_echoes import Echoes
from .mongo_events import names_of
from .mongo_install import Installation
from .mongo_list import Lists
from .mongo_log import LogCollections, MongoLetters
from .mongo_models import KEY, DocumentSource, describe, document_source
from .mongo_replay import now, oldest, oplog_size
from .mongo_seq import after_all, is_seq, place_of, seq
from .mongo_tail import Tail
from .mongo_transaction import Job
from .mongo_write import Writer

logger = logging.getLogger("livecollections.store")

MANY = 10_000
"""Changes of which nobody needs to know how many more there are."""
TIDY = 20.0
"""Seconds between two rounds of forgetting what is old."""


class MongoStore(Store):
    """A database of a MongoDB replica set.

    database: a URL that names it, or an AsyncDatabase of PyMongo.  log: its prefix; it is kept as long as the oplog is.
    create_tables: make missing collections.  capture: "install" has images kept where they are not, "check" raises
    CaptureMissing.
    """

    def __init__(
        self,
        database: Any,
        *,
        log: Log | None = None,
        create_tables: bool = True,
        capture: Literal["install", "check"] = "install",
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._log = log or Log()
        if self._log.schema:
            raise ConfigurationError("log: a schema is for PostgreSQL; MongoDB has none")
        if capture not in ("install", "check"):
            raise ConfigurationError(f'capture: {capture!r} is neither "install" nor "check"')
        self._connection = Connection(database)
        self._create = create_tables
        self._installs = capture == "install"
        self._clock = clock or (lambda: time.time())
        self._names = names_of(self._log)
        self._opened: Database | None = None
        self._tail: Tail | None = None
        self._tidied = 0.0
        self._measured = -TIDY
        self._begin: Timestamp | None = None
        self._size: int | None = None
        self._repairing: asyncio.Task[None] | None = None
        self.letters = MongoLetters(self._log, lambda: self._database)

    @property
    def is_shared(self) -> bool:
        return True

    def describe(self, model: type, exclude: Collection[str] = ()) -> Source:
        return describe(model, exclude)

    # --- opening and closing --------------------------------------------------------------------------------

    async def start(self, sources: Sequence[Source]) -> None:
        if self._tail is not None:
            return
        self._opened = database = await self._connection.open()
        try:
            described = _merged([document_source(source) for source in sources])
            self._installation = Installation(database, self._log, self._clock)
            self._kept = LogCollections(database, self._log)
            await self._kept.check_format()
            await self._installation.secure(described.values(), creates=self._create, installs=self._installs)
            epoch = await self._kept.epoch()
            self._lists = Lists(database, self._label)
            self._echoes = Echoes()
            self._writer = Writer(database, self._log, self._lists, self._echoes, self.get)
            self._described = described
            echoes, begin = self._echoes, await now(database)
            tail = Tail(database, self._log, described, epoch, begin, echoes.met, echoes.end, self._gone)
            await tail.start()
            self._tail = tail
        except BaseException:
            await self._close()
            raise

    def hasten(self) -> None:
        if self._tail is not None:
            self._writer.hasten()

    async def stop(self) -> None:
        if self._tail is not None:
            if self._repairing is not None:
                await asyncio.wait({self._repairing})
            await self._writer.wait_empty()
            tail, self._tail = self._tail, None
            await tail.stop()
        await self._close()

    async def _close(self) -> None:
        self._opened = None
        await self._connection.close()

    @property
    def _database(self) -> Database:
        if self._opened is None:
            raise not_started()
        return self._opened

    def _require_start(self) -> None:
        if self._tail is None:
            raise not_started()

    @property
    def _stream(self) -> Tail:
        self._require_start()
        assert self._tail is not None
        return self._tail

    def _label(self, at: Timestamp) -> str:
        """The seq of a read at a time."""
        return seq(self._stream.epoch, self._stream.reach(at))

    def _gone(self) -> None:
        """A collection has gone: what comes in its place has no images as yet, nor the log its epoch."""
        if self._repairing is None or self._repairing.done():
            self._repairing = asyncio.create_task(self._repair())

    async def _repair(self) -> None:
        try:
            await self._kept.epoch()
            there = [
                source for source in self._described.values() if self._create or await self._is_there(source)
            ]
            if self._installs:
                await self._installation.secure(there, creates=self._create, installs=True)
        except LiveError:
            logger.exception("capture can't be put right")

    async def _is_there(self, source: DocumentSource) -> bool:
        with translated():
            return source.name in await self._database.list_collection_names()

    # --- reading --------------------------------------------------------------------------------------------

    async def find(self, source: Source, query: Query) -> Snapshot:
        found = await self.listing(source, query)
        rows = []
        try:
            while piece := await found.piece():
                rows += piece
        finally:
            found.close()
        return Snapshot(rows, found.seq)

    async def listing(self, source: Source, query: Query) -> Listing:
        return await self._open_lists.rows(document_source(source), query)

    async def count(self, source: Source, query: Query) -> Count:
        return await self._open_lists.count(document_source(source), query)

    async def distinct(self, source: Source, attribute: str, query: Query) -> Listing:
        return await self._open_lists.distinct(document_source(source), attribute, query)

    @property
    def _open_lists(self) -> Lists:
        self._require_start()
        return self._lists

    async def get(self, source: Source, key: Key) -> Snapshot:
        described = document_source(source)
        try:
            stored = described.encode_key(key)
        except InvalidDocument:  # no document can have this key
            return Snapshot([], await self.head())
        rows, at = await self._open_lists.one(described, stored)
        return Snapshot(rows, self._label(at))

    async def made(self, source: Source, keys: Sequence[str]) -> dict[str, Row]:
        self._require_start()
        described = document_source(source)
        stored = await self._kept.answers(described.name, keys)
        return {key: described.row(each) for key, each in stored.items()}

    async def head(self) -> str:
        self._require_start()
        return self._label(await now(self._database))

    async def last(self, source: str) -> str | None:
        return self._stream.last(source)

    async def read(self, after: str, limit: int, source: str | None = None) -> Batch:
        if (lost := await self._why_unknown(after)) is not None:
            return Batch([], await self.head(), lost=lost)
        return await self._stream.read(after, limit, source)

    async def why_reset(self, since: str, source: str) -> Cause | None:
        if (unknown := await self._why_unknown(since)) is not None:
            return unknown
        reset = self._stream.reset_after(source, since)
        return reset or await self._stream.why_lost(place_of(since))

    async def _why_unknown(self, text: str) -> Cause | None:
        """Why a text is no place of this log, as far as can be seen without reading it."""
        if not is_seq(text):
            return Cause.NOT_A_SEQ
        if text[:EPOCH_WIDTH] != self._stream.epoch:
            return Cause.OTHER_EPOCH
        place = place_of(text)
        if place > self._stream.reached and place > self._stream.reach(await now(self._database)):
            return Cause.BEYOND_END
        return None

    async def backlog(self, after: str) -> dict[str, int]:
        await self._stream.wait_quiet(after, 2 * MANY)
        return self._stream.counted(after)

    async def look(self, after: str) -> LogState:
        time, clock = await now(self._database), asyncio.get_running_loop().time()
        if clock - self._measured >= TIDY:
            self._measured, self._begin = clock, await oldest(self._database)
            self._size = await oplog_size(self._database)
        age = None if self._begin is None else max(0.0, float(time.time - self._begin.time))
        stream = self._stream
        return LogState(
            stream.end, stream.count(after), None, self._size, age, None, {}, late=stream.late(time, clock)
        )

    # --- writing --------------------------------------------------------------------------------------------

    async def write(self, write: Write) -> Written:
        (written,) = await self._outcome(write)
        return written

    async def write_all(self, writes: Bulk | Sweep) -> list[Written]:
        return await self._outcome(writes)

    async def _outcome(self, job: Job) -> list[Written]:
        self._require_start()
        return told(await self._writer.outcome(job))

    async def reset(self, source: str, cause: Cause = Cause.REQUESTED) -> str:
        self._require_start()
        mark = ObjectId()
        told = self._echoes.expect(mark)
        try:
            await self._kept.reset(mark, source, cause)
            return (await told)[0]
        finally:
            self._echoes.forget(mark)

    async def renew(self, lost: str) -> str:
        if await self._why_unknown(lost) is Cause.BEYOND_END:
            epoch = await self._kept.renew()
            while self._stream.epoch != epoch:
                await self._stream.wait()
        return await self.head()

    def session(
        self, origin: str | None = None, committed: Callable[[str], None] | None = None
    ) -> AbstractAsyncContextManager[Any]:
        """A transaction, committed at its end: an AsyncClientSession of PyMongo, to be given to each operation."""
        self._require_start()
        return self._session(origin, committed)

    @asynccontextmanager
    async def _session(
        self, origin: str | None, committed: Callable[[str], None] | None
    ) -> AsyncIterator[Any]:
        writes, end = self._database[self._names.writes], ObjectId()
        told, is_told = self._echoes.expect(end), False
        concerns: dict[str, Any] = {
            "read_concern": ReadConcern("snapshot"),
            "write_concern": WriteConcern("majority"),
        }
        try:
            async with (
                self._database.client.start_session() as session,
                await session.start_transaction(**concerns),
            ):
                if origin is not None:
                    await writes.insert_one({"origin": origin, "at": _moment()}, session=session)
                yield session
                if session.in_transaction:
                    await writes.insert_one({KEY: end, "at": _moment()}, session=session)
                    is_told = True
            if is_told and (committed is not None or tells_commits()):
                reached, _ = await told
                if tells_commits():
                    tell_committed(await self._logged(reached), by="session")
                if committed is not None:
                    committed(reached)
        finally:
            self._echoes.forget(end)

    async def _logged(self, end: str) -> list[Logged]:
        """What a transaction has made before its last event, whose seq that is."""
        first = place_of(end)
        before = seq(end[:EPOCH_WIDTH], after_all(Timestamp(first.seconds, max(0, first.increment - 1))))
        made = (await self._stream.read(before, MANY, None)).changes
        return [Logged(each.seq, each.source) for each in made if each.seq < end]

    # --- waiting, keeping house -----------------------------------------------------------------------------

    async def wait_changed(self, after: str) -> None:
        while not self._stream.has_after(after):
            await self._stream.wait()
            if self._stream.is_failing:
                raise StoreUnavailable(
                    "the change stream of MongoDB was lost, and can't be opened again as yet"
                )

    async def maintain(self, now: float) -> None:
        if abs(now - self._tidied) >= TIDY:
            self._tidied = now
            self._require_start()
            await self._kept.tidy(now)

    async def cursor(self, name: str) -> str | None:
        self._require_start()
        return await self._kept.cursor(name)

    async def hold_cursor(self, name: str, owner: str, until: float, now: float) -> bool:
        self._require_start()
        return await self._kept.hold_cursor(name, owner, until, now)

    async def move_cursor(self, name: str, owner: str, seq: str) -> bool:
        self._require_start()
        return await self._kept.move_cursor(name, owner, seq)


def _merged(sources: Sequence[DocumentSource]) -> dict[str, DocumentSource]:
    """By name, with all that any of several shows of one collection."""
    merged: dict[str, DocumentSource] = {}
    for source in sources:
        known = merged.setdefault(source.name, source)
        if known is not source:
            columns = {column.attribute: column for column in (*known.columns, *source.columns)}
            merged[source.name] = replace(
                known, columns=tuple(columns.values()), fields={**known.fields, **source.fields}
            )
    return merged


def _moment() -> datetime:
    return datetime.now(UTC)
