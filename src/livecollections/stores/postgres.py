"""The store for PostgreSQL: rows, and the log that triggers write, in one database that others use as well.

Three rules. A read's seq is the watermark, taken before its snapshot; what its rows hold beyond it is told beside it.
Writes share transactions, but for those that somebody else's lock is in the way of. Several processes serve one
database, and nothing is known here that was not read from it. It knows no channel and no HTTP.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeVar

import sqlalchemy as sa

from ..cause import Cause
from ..change import Change, Key, Row
from ..errors import CaptureMissing, ConfigurationError, InvalidDocument, SchemaMismatch, StoreUnavailable
from ..query import Query
from ..source import Source
from .base import Batch, Count, Listing, Log, Snapshot
from .log_state import LogState
from .postgres_answers import made
from .postgres_capture import Capture
from .postgres_catalog import targets_of
from .postgres_connection import acquired, answering, close, dsn_of, open_pool, shown, transaction
from .postgres_errors import is_lost, translated
from .postgres_images import PostgresImages
from .postgres_list import Lists
from .postgres_log import PostgresLog
from .postgres_queue import Queue
from .postgres_schema import OLDEST
from .postgres_session import PostgresSessions, engine_of
from .postgres_shape import Shape, quoted
from .postgres_table import read_table
from .postgres_values import described, dialect
from .postgres_wakeup import WakeUp
from .postgres_write import Writer
from .sql import Field, TableSource, make_missing, table_source
from .sql_write import SQLStore

T = TypeVar("T")

logger = logging.getLogger("livecollections.store")

LOOK = 2.0
"""Seconds between two looks at the triggers."""
SLOW_BEAT = 20.0
"""Seconds between two heartbeats, and between two rounds of forgetting old answers."""
_MAKING = 0x6C69_7665_7461_626C
"""The advisory lock of whoever makes tables."""


class PostgresStore(SQLStore):
    """A database of PostgreSQL 13 or newer.

    database: a URL, an Engine or an AsyncEngine (only its URL is used).
    capture: "install" puts missing or old triggers right, "check" raises CaptureMissing.
    notify: commits wake all processes by NOTIFY, which has them wait for one another.
    clock: gives the seconds since 1970; the machine's if None.
    """

    def __init__(
        self,
        database: Any,
        *,
        log: Log | None = None,
        create_tables: bool = True,
        capture: Literal["install", "check"] = "install",
        notify: bool = False,
        clock: Callable[[], float] | None = None,
    ) -> None:
        if capture not in ("install", "check"):
            raise ConfigurationError(f'capture: {capture!r} is neither "install" nor "check"')
        if not isinstance(notify, bool):
            raise ConfigurationError(f"notify: True or False is needed, not {notify!r}")
        self._dsn = dsn_of(database)
        self._kept = log or Log()
        self._create_tables = create_tables
        self._installs = capture == "install"
        self._notify = notify
        self._clock = clock or (lambda: time.time())
        self._dialect = dialect()
        self._pool: Any = None
        self._sources: list[TableSource] = []
        self._shapes: dict[int, Shape] = {}

    # --- opening and closing --------------------------------------------------------------------------------

    @property
    def is_shared(self) -> bool:
        return True

    def describe(self, model: type, exclude: Collection[str] = ()) -> Source:
        return described(model, exclude, self._dialect)

    async def start(self, sources: Sequence[Source]) -> None:
        if self._started:
            return
        self._sources = [table_source(source) for source in sources]
        self._shapes = {}
        self._pool = await open_pool(self._dsn)
        try:
            await self._open()
        except BaseException as error:
            await self._pool.close()
            raise (translated(error) if isinstance(error, Exception) else error) from error
        self._started = True

    async def _open(self) -> None:
        if self._create_tables:
            await self._make_tables()
        fields: dict[str, dict[str, list[Field]]] = {}
        async with acquired(self._pool) as connection:
            await self._check_server(connection)
            for source in self._sources:
                await self._shape(source, connection)
                shown = fields.setdefault(source.name, {})
                for found in source.shown:
                    shown.setdefault(found.name, []).append(found)
            self._capture = Capture(self._kept, targets_of(self._sources), notifies=self._notify)
            async with transaction(connection):
                await self._secure(connection, self._clock())
        keys = {source.name: source.key_fields for source in self._sources}
        self._log = PostgresLog(self._pool, self._kept, PostgresImages(fields), keys)
        await self._log.start()
        self.letters = self._log.letters
        self._lookout = self._log.lookout(self._dsn)
        self._missing: Mapping[str, str] = {}
        self._lists = Lists(self._pool, self._log, self._shape, self._dialect)
        writer = Writer(self._pool, self._log, self._shape, self._dialect, self._clock)
        self._queue = Queue(writer, self._log.notice)
        self._sessions = PostgresSessions(self._dsn, self._log, self._log.notice)
        self._looked = self._slow_beat = 0.0
        self._wakeup = WakeUp(self._dsn, f"{self._kept.prefix}changes", self._log.notice)
        if self._notify:
            await self._wakeup.open()

    async def _check_server(self, connection: Any) -> None:
        if int(await connection.fetchval("SHOW server_version_num")) < OLDEST:
            version = await connection.fetchval("SHOW server_version")
            raise StoreUnavailable(f"{shown(self._dsn)} is PostgreSQL {version}; 13 or newer is needed")

    async def _make_tables(self) -> None:
        engine = engine_of(self._dsn)
        try:
            async with engine.begin() as connection:
                await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MAKING)))
                await connection.run_sync(make_missing, self._sources)
        except sa.exc.DBAPIError as error:
            cause = getattr(error.orig, "__cause__", None) or error
            raise translated(cause, f"the database {shown(self._dsn)}") from error
        finally:
            await engine.dispose()

    async def _secure(self, connection: Any, now: float) -> None:
        """Put capture right, or say what is missing; within the caller's transaction."""
        if not self._installs:
            if stale := await self._capture.stale(connection, now):
                raise CaptureMissing(stale)
        elif await self._capture.install(connection, now):
            self._shapes = {}
        await self._capture.beat(connection, now)

    def hasten(self) -> None:
        if self._started:
            self._queue.hasten()

    async def stop(self) -> None:
        if not self._started:
            return
        self.hasten()
        self._started = False
        await self._queue.wait_empty()
        await self._wakeup.close()
        self._lookout.close()
        await self._log.stop()
        await self._sessions.close()
        try:
            async with answering(self._pool) as connection, transaction(connection):
                await self._capture.leave(connection)
        except Exception as error:
            logger.warning("the heartbeat could not be taken back: %s", error)
        await close(self._pool)

    # --- reading --------------------------------------------------------------------------------------------

    async def _shape(self, source: TableSource, connection: Any, *, afresh: bool = False) -> Shape:
        shape = self._shapes.get(id(source))
        if shape is None or shape.source is not source or afresh:
            if connection is None:
                raise SchemaMismatch(f"what the table {source.name} is like is to be read again")
            table = await read_table(connection, quoted(source.table))
            if table is None and not self._started:
                raise ConfigurationError(f"the database has no table {source.name!r}")
            if table is None:
                raise SchemaMismatch(f"there is no table {source.name} in the database")
            shape = self._shapes[id(source)] = Shape(source, table, self._dialect)
        return shape

    async def _read(self, read: Callable[[], Awaitable[T]]) -> T:
        """Read; once more if the connection turns out to be gone, or to remember a table as it was."""
        self._require_start()
        try:
            return await read()
        except StoreUnavailable as error:
            if not (isinstance(error, SchemaMismatch) or (error.__cause__ and is_lost(error.__cause__))):
                raise
        self._shapes = {}
        await self._pool.expire_connections()
        return await read()

    async def find(self, source: Source, query: Query) -> Snapshot:
        return await self._read(lambda: self._lists.find(table_source(source), query))

    async def listing(self, source: Source, query: Query) -> Listing:
        return await self._read(lambda: self._lists.rows(table_source(source), query))

    async def count(self, source: Source, query: Query) -> Count:
        return await self._read(lambda: self._lists.count(table_source(source), query))

    async def distinct(self, source: Source, attribute: str, query: Query) -> Listing:
        return await self._read(lambda: self._lists.distinct(table_source(source), attribute, query))

    async def get(self, source: Source, key: Key) -> Snapshot:
        try:
            stored = table_source(source).encode_key(key)
            return await self._read(lambda: self._lists.get(table_source(source), stored))
        except InvalidDocument:  # no row can have this key
            return Snapshot([], await self.head())

    async def made(self, source: Source, keys: Sequence[str]) -> dict[str, Row]:
        return await self._read(lambda: made(self._pool, self._log, source, keys))

    async def head(self) -> str:
        return await self._read(self._log_of().head)

    def _log_of(self) -> PostgresLog:
        self._require_start()
        return self._log

    async def last(self, source: str) -> str | None:
        return await self._read(lambda: self._log.last(source))

    async def read(self, after: str, limit: int, source: str | None = None) -> Batch:
        return await self._read(lambda: self._log.read(after, limit, source))

    async def last_seen(
        self, source: str, after: str, until: str, sees: Callable[[Change], object]
    ) -> str | None:
        return await self._read(lambda: self._log.last_seen(source, after, until, sees))

    async def why_reset(self, since: str, source: str) -> Cause | None:
        return await self._read(lambda: self._log.why_reset(since, source))

    async def backlog(self, after: str) -> dict[str, int]:
        return await self._read(lambda: self._log.backlog(after))

    async def look(self, after: str) -> LogState:
        self._require_start()
        return replace(await self._lookout.look(after), missing=self._missing)

    # --- writing --------------------------------------------------------------------------------------------

    async def reset(self, source: str, cause: Cause = Cause.REQUESTED) -> str:
        return await self._log_of().reset(source, cause)

    async def renew(self, lost: str) -> str:
        return await self._log_of().renew(lost)

    def session(self, origin: str | None = None, committed: Callable[[str], None] | None = None) -> Any:
        self._require_start()
        return self._sessions.session(origin, committed)

    # --- waiting and keeping house --------------------------------------------------------------------------

    async def wait_changed(self, after: str) -> None:
        await self._log_of().wait_changed(after)

    async def maintain(self, now: float) -> None:
        self._require_start()
        while await self._read(lambda: self._log.trim(now)):
            pass
        if abs(now - self._looked) >= LOOK:
            self._looked = now
            await self._look(now)
            if self._notify:
                await self._wakeup.keep()
        if abs(now - self._slow_beat) >= SLOW_BEAT:
            self._slow_beat = now
            await self._log.forget(now)
            async with acquired(self._pool) as connection, transaction(connection):
                await self._capture.beat(connection, now)

    async def _look(self, now: float) -> None:
        """Look at the triggers; what is lost is installed, with a RESET in the same transaction."""
        async with acquired(self._pool) as connection:
            self._missing = await self._capture.stale(connection, now)
            if not self._missing:
                return
            self._shapes = {}
            async with transaction(connection):
                stale = await self._capture.stale(connection, now)
                if stale:
                    await self._secure(connection, now)
        self._missing = {}
        if told := "; ".join(f"{source}: {reason}" for source, reason in stale.items()):
            logger.warning("capture was missing or old, receivers read it all again: %s", told)
        self._log.notice()

    async def cursor(self, name: str) -> str | None:
        return await self._read(lambda: self._log.cursor(name))

    async def hold_cursor(self, name: str, owner: str, until: float, now: float) -> bool:
        return await self._log_of().hold_cursor(name, owner, until, now)

    async def move_cursor(self, name: str, owner: str, seq: str) -> bool:
        return await self._log_of().move_cursor(name, owner, seq)
