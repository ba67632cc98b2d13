"""The store for SQLite: rows, and the log that triggers write, in one file.

Three rules. Reads begin a transaction, so that rows and seq are of one snapshot; writes begin it IMMEDIATE and
share it. Own commits wake those who wait at once, others' are seen by ``PRAGMA data_version``. Whatever blocks
runs in a lane: one thread writes, one reads, one lists, one lists what Python judges. It knows no channel, no HTTP.

Who reads the whole log on from where he stopped is given what own writes logged without a second way through a
thread: each is followed, where it ran, by a reading of the log from there (``Ahead``).
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from sqlalchemy.dialects.sqlite import pysqlite

from ..cause import Cause
from ..change import Key, Row
from ..errors import CaptureMissing, ConfigurationError, InvalidDocument, SchemaMismatch
from ..query import Query
from ..source import Source
from .base import Batch, Count, Listing, Log, Run, Snapshot
from .log_state import LogState
from .sql import Field, TableSource, decode_row, describe, table_source
from .sql_query import select_rows
from .sql_write import Job, Outcome, SQLStore
from .sqlite_ahead import AHEAD, IMAGES, Ahead
from .sqlite_answers import made
from .sqlite_capture import Capture, has_log, is_paused, remember_journal
from .sqlite_conditions import SQLiteConditions
from .sqlite_connection import (
    SLICE,
    FileConnection,
    Synchronous,
    connect,
    database_path,
    is_locked,
    reading,
    transaction,
    translated,
    use_wal,
)
from .sqlite_install import install, install_sql, new_epoch, uninstall
from .sqlite_letters import SQLiteLetters
from .sqlite_list import Lists
from .sqlite_log import ChangeLog, Images, layouts
from .sqlite_queue import Queue
from .sqlite_schema import read_table
from .sqlite_session import SQLiteSessions
from .sqlite_tables import make_tables
from .sqlite_write import Shape, Writer
from .threads import Threads

T = TypeVar("T")

logger = logging.getLogger("livecollections.store")

POLL = 0.02
"""Seconds between two looks for commits of others, while somebody waits, if nothing else is said."""
SLOW_BEAT = 20.0
"""Seconds between two heartbeats, and between two rounds of forgetting old answers."""


class SQLiteStore(SQLStore):
    """A SQLite file, or (``sqlite://``, ``:memory:``) a private temporary one.

    database: a URL, an Engine or an AsyncEngine (only its file is used).
    capture: "install" puts missing or old triggers right, "check" raises CaptureMissing.
    synchronous: "NORMAL" loses the last commits in a power cut.  run: where statements run; threads if None.
    clock: gives the seconds since 1970, also to the triggers of what is written here; the machine's if None.
    poll: seconds between two looks for commits of others.
    """

    def __init__(
        self,
        database: Any,
        *,
        log: Log | None = None,
        create_tables: bool = True,
        capture: Literal["install", "check"] = "install",
        synchronous: Synchronous = "FULL",
        run: Run | None = None,
        clock: Callable[[], float] | None = None,
        poll: float = POLL,
    ) -> None:
        self._poll = poll
        self._given_clock = clock
        self._clock = clock or (lambda: time.time())
        self._log = log or Log()
        self.letters = SQLiteLetters(self._log, self._read, self._write)
        if self._log.schema:
            raise ConfigurationError("log: a schema is for PostgreSQL; SQLite has none")
        if not self._log.prefix.isidentifier():
            raise ConfigurationError(f"log: the prefix {self._log.prefix!r} is not a name")
        if capture not in ("install", "check"):
            raise ConfigurationError(f'capture: {capture!r} is neither "install" nor "check"')
        if synchronous not in ("FULL", "NORMAL"):
            raise ConfigurationError(f'synchronous: {synchronous!r} is neither "FULL" nor "NORMAL"')
        self._given_path = database_path(database)
        self._create_tables = create_tables
        self._installs = capture == "install"
        self._synchronous: Synchronous = synchronous
        self._threads = Threads() if run is None else None
        self._run: Run = run or cast(Run, self._threads)
        self._dialect = pysqlite.dialect()
        self._temporary: str | None = None
        self._path = self._given_path or ""
        self._connections: dict[str, FileConnection] = {}
        self._capture = Capture(self._log, {})
        self._shapes: dict[int, Shape] = {}
        self._repairing: asyncio.Task[None] | None = None
        self._missing: Mapping[str, str] = {}
        self._watchers: dict[asyncio.Future[None], None] = {}
        self._next_look, self._looks = 0.0, 0
        self._follow()

    def _follow(self) -> None:
        """Begin with nobody following the log and nothing waiting."""
        self._ahead = Ahead()
        self._queue = Queue(self._run, self._perform, self._ahead, self._committed)

    # --- opening and closing --------------------------------------------------------------------------------

    @property
    def is_shared(self) -> bool:
        return self._given_path is not None

    def describe(self, model: type, exclude: Collection[str] = ()) -> Source:
        return describe(model, exclude, self._dialect)

    async def start(self, sources: Sequence[Source]) -> None:
        if self._started:
            return
        if self._given_path is None:
            self._temporary = tempfile.mkdtemp(prefix="livecollections-")
            self._path = str(Path(self._temporary) / "live.db")
        self._sources = [table_source(source) for source in sources]
        try:
            await self._run("write", self._open)
        except BaseException:
            self._started = True
            await self.stop()
            raise
        self._sessions = SQLiteSessions(
            self._path, self._synchronous, self._log, self._notice, self._given_clock
        )
        self._data_version = self._schema_version = -1
        self._seen_head: str | None = None
        self._slow_beat = self._next_look = 0.0
        self._follow()
        self._started = True

    def _open(self) -> None:
        writer = self._connections["write"] = self._connected(self._synchronous)
        mode = use_wal(writer, self._path)
        if self._create_tables:
            make_tables(writer, self._sources, self._path)
        needed: dict[str, list[str]] = {}
        fields: dict[str, dict[str, list[Field]]] = {}
        keys: dict[str, list[Field]] = {}
        for source in self._sources:
            if read_table(writer, source.name) is None:
                raise ConfigurationError(f"the database has no table {source.name!r}")
            needed.setdefault(source.name, []).extend(found.name for found in source.shown)
            shown = fields.setdefault(source.name, {})
            for found in source.shown:
                shown.setdefault(found.name.lower(), []).append(found)
            keys.setdefault(source.name, source.key_fields)
        self._images = Images(fields)
        self._changes = ChangeLog(self._log, self._images, keys)
        self._capture = Capture(self._log, needed)
        self._shapes = {}
        with transaction(writer, writes=True):
            self._secure(writer, self._clock())
            remember_journal(writer, self._log, mode)
        self._connections["read"] = self._connected()
        # Of the others only this one has the schema now: it is used on the loop.
        poll = self._connections["poll"] = self._connected(self._synchronous)
        poll.execute("PRAGMA busy_timeout = 0")
        writer.execute(f"PRAGMA busy_timeout = {int(SLICE * 1000)}")
        lists = {"list": self._connected(), "judged": self._connected()}
        self._connections |= lists
        self._lists = Lists(lists, self._changes.head, self._changes.version, self._run, self._dialect)
        self._writer = Writer(writer, self._changes, self._images, self._shape, self._dialect, self._clock)

    def _connected(self, synchronous: Synchronous | None = None) -> FileConnection:
        return connect(self._path, synchronous, clock=self._given_clock)

    def _secure(self, writer: sqlite3.Connection, now: float) -> None:
        """Put capture right, or say what is missing; within the caller's transaction."""
        if not self._installs and (stale := self._capture.stale(writer, now)):
            raise CaptureMissing(stale)
        if self._installs and not is_paused(writer, self._log, now) and self._capture.install(writer, now):
            self._shapes = {}
        if has_log(writer, self._log):
            self._capture.beat(writer, now)
        self._images.learn(layouts(writer, self._log))

    def hasten(self) -> None:
        if writer := self._connections.get("write"):
            writer.hasten()

    async def stop(self) -> None:
        if not self._started:
            return
        self.hasten()
        self._started = False
        await self._queue.wait_empty()
        if self._repairing is not None:
            await asyncio.wait({self._repairing})
        self._notice()
        if hasattr(self, "_sessions"):
            await self._sessions.close()
        # What a cancelled caller left running on the other lanes still uses its connection.
        await self._run("judged", lambda: None)
        await self._run("list", lambda: None)
        await self._run("read", lambda: None)
        await self._run("write", self._close)
        if self._threads is not None:
            self._threads.close()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None

    def _close(self) -> None:
        writer = self._connections.get("write")
        try:
            if writer is not None and has_log(writer, self._log):
                self._capture.leave(writer)
        except sqlite3.Error as error:
            logger.warning("the heartbeat could not be taken back: %s", error)
        # The last to be closed may write what is in the log into the file, as synchronously as the writer is to be.
        for connection in reversed(self._connections.values()):
            connection.close()
        self._connections = {}

    # --- reading --------------------------------------------------------------------------------------------

    async def _read(self, function: Callable[[FileConnection], T]) -> T:
        self._require_start()
        return await self._run("read", lambda: reading(self._connections["read"], function))

    async def _write(self, function: Callable[[sqlite3.Connection], T]) -> T:
        self._require_start()

        def run() -> T:
            with transaction(self._connections["write"], writes=True) as connection:
                return function(connection)

        answer = await self._run("write", run)
        self._notice()
        return answer

    async def find(self, source: Source, query: Query) -> Snapshot:
        described = table_source(source)
        shown, statement = described.shown, select_rows(SQLiteConditions(described), query, self._dialect)

        def function(connection: FileConnection) -> Snapshot:
            rows = [decode_row(shown, row) for row in connection.run(statement)]
            return Snapshot(rows, self._changes.head(connection))

        return await self._read(function)

    async def listing(self, source: Source, query: Query) -> Listing:
        return await self._open_lists.rows(table_source(source), query)

    async def count(self, source: Source, query: Query) -> Count:
        return await self._open_lists.count(table_source(source), query)

    async def distinct(self, source: Source, attribute: str, query: Query) -> Listing:
        return await self._open_lists.distinct(table_source(source), attribute, query)

    @property
    def _open_lists(self) -> Lists:
        self._require_start()
        return self._lists

    async def get(self, source: Source, key: Key) -> Snapshot:
        described = table_source(source)
        try:
            stored = described.encode_key(key)
        except InvalidDocument:  # no row can have this key
            return Snapshot([], await self.head())

        def function(connection: sqlite3.Connection) -> Snapshot:
            shape = self._shape(described, connection)
            found = shape.found(connection.execute(shape.select, stored).fetchone())
            return Snapshot([] if found is None else [found.row], self._changes.head(connection))

        return await self._read(function)

    async def made(self, source: Source, keys: Sequence[str]) -> dict[str, Row]:
        return await self._read(lambda each: made(each, self._changes, self._images, source, keys))

    def _shape(self, source: TableSource, connection: sqlite3.Connection) -> Shape:
        shape = self._shapes.get(id(source))
        if shape is None or shape.source is not source:
            table = read_table(connection, source.name)
            if table is None:
                raise SchemaMismatch(f"there is no table {source.name} in the database")
            columns = self._capture.columns(connection, source.name) or [found.name for found in source.shown]
            shape = self._shapes[id(source)] = Shape(source, table, columns)
        return shape

    async def head(self) -> str:
        return await self._read(self._changes.head)

    async def last(self, source: str) -> str | None:
        return await self._read(lambda connection: self._changes.last(connection, source))

    async def read(self, after: str, limit: int, source: str | None = None) -> Batch:
        if source is not None:
            return await self._read(lambda connection: self._changes.read(connection, after, limit, source))
        batch = self._ahead.take(after, limit)
        if batch is None:
            batch = await self._read(lambda connection: self._changes.read(connection, after, limit, None))
        if not self._ahead.follow(batch.upto):
            self._next_look = 0.0
        return batch

    async def why_reset(self, since: str, source: str) -> Cause | None:
        return await self._read(lambda connection: self._changes.why_reset(connection, since, source))

    async def backlog(self, after: str) -> dict[str, int]:
        return await self._read(lambda connection: self._changes.backlog(connection, after))

    async def look(self, after: str) -> LogState:
        seen = await self._read(lambda connection: self._changes.look(connection, after, self._clock()))
        return replace(seen, missing=self._missing)

    # --- writing --------------------------------------------------------------------------------------------

    def _committed(self, is_kept: bool) -> None:
        if not is_kept:
            self._next_look = 0.0
        self._wake()

    def _perform(self, jobs: Sequence[Job], end: str | None) -> tuple[list[Outcome], Batch | None]:
        """Do what waits, and read what the log holds after ``end`` by then."""
        outcomes = self._writer.perform(jobs)
        if end is None:
            return outcomes, None
        try:
            read = partial(self._changes.read, after=end, limit=AHEAD, source=None, images=IMAGES)
            return outcomes, reading(self._connections["write"], read)
        except Exception:  # the writes stand; whoever follows the log meets it too, and says so
            return outcomes, None

    async def reset(self, source: str, cause: Cause = Cause.REQUESTED) -> str:
        return await self._write(lambda connection: self._changes.reset(connection, source, cause))

    async def renew(self, lost: str) -> str:
        return await self._write(lambda connection: self._changes.renew(connection, lost))

    def session(self, origin: str | None = None, committed: Callable[[str], None] | None = None) -> Any:
        self._require_start()
        return self._sessions.session(origin, committed)

    # --- waiting --------------------------------------------------------------------------------------------

    async def wait_changed(self, after: str) -> None:
        loop, seen = asyncio.get_running_loop(), self._looks
        while True:
            self._require_start()
            if self._ahead.has(after):
                return
            if loop.time() >= self._next_look:
                self._next_look = loop.time() + self._poll
                self._look()
            if seen != self._looks and self._seen_head != after:  # an older look may be behind ``after``
                return
            seen = self._looks
            watcher: asyncio.Future[None] = loop.create_future()
            self._watchers[watcher] = None
            timer = loop.call_at(self._next_look, _fulfil, watcher)
            try:
                await watcher
            finally:
                timer.cancel()
                del self._watchers[watcher]

    def _look(self) -> None:
        """Read the head of the log, if somebody committed since the last look, for all who wait.

        It runs on the loop: the pragma looks at shared memory, and never waits for a lock.
        """
        poll = self._connections["poll"]
        try:
            (version,) = poll.execute("PRAGMA data_version").fetchone()
            if version != self._data_version:
                self._seen_head = self._changes.head(poll)
                self._data_version = version
                self._look_at_schema(poll)
        except sqlite3.Error as error:
            if not is_locked(error):  # whoever holds the lock will commit, and be seen then
                raise translated(error) from error
        self._looks += 1
        self._wake()

    def _look_at_schema(self, poll: sqlite3.Connection) -> None:
        (version,) = poll.execute("PRAGMA schema_version").fetchone()
        if version != self._schema_version and (self._repairing is None or self._repairing.done()):
            self._schema_version = version
            self._repairing = asyncio.create_task(self._repair())

    async def _repair(self) -> None:
        """Look at the triggers again, since the schema changed; what is lost is installed, with a RESET.

        Writers are kept waiting only if something is lost.
        """
        try:
            self._missing = await self._read(self._lost)
            if self._missing and self._started:
                stale = await self._write(self._restore)
                self._missing = {}
                if told := "; ".join(f"{source}: {reason}" for source, reason in stale.items()):
                    logger.warning("capture was missing or old, receivers read it all again: %s", told)
        except Exception:
            logger.exception("capture can't be put right")
        self._shapes = {}
        # What changed while this ran was not looked at, and nobody may commit again for long.
        self._data_version = -1
        self._notice()

    def _lost(self, connection: sqlite3.Connection) -> dict[str, str]:
        return self._capture.lost(connection, self._clock())

    def _restore(self, connection: sqlite3.Connection) -> dict[str, str]:
        if stale := self._lost(connection):
            self._secure(connection, self._clock())
        return stale

    def _notice(self) -> None:
        """Something was committed here: those who wait look at once."""
        self._next_look = 0.0
        self._wake()

    def _wake(self) -> None:
        for watcher in self._watchers:
            _fulfil(watcher)

    # --- keeping house --------------------------------------------------------------------------------------

    async def maintain(self, now: float) -> None:
        self._look()  # at the schema too, where nobody waits for changes
        while await self._write(lambda connection: self._changes.trim(connection, now)):
            pass
        if abs(now - self._slow_beat) >= SLOW_BEAT:
            self._slow_beat = now
            if self._missing:
                self._schema_version = self._data_version = -1
            await self._write(lambda connection: self._beat(connection, now))

    def _beat(self, connection: sqlite3.Connection, now: float) -> None:
        self._changes.forget_answers(connection, now)
        self._capture.beat(connection, now)

    async def cursor(self, name: str) -> str | None:
        return await self._read(lambda connection: self._changes.cursor(connection, name))

    async def hold_cursor(self, name: str, owner: str, until: float, now: float) -> bool:
        return await self._write(
            lambda connection: self._changes.hold_cursor(connection, name, owner, until, now)
        )

    async def move_cursor(self, name: str, owner: str, seq: str) -> bool:
        return await self._write(lambda connection: self._changes.move_cursor(connection, name, owner, seq))


def _fulfil(watcher: asyncio.Future[None]) -> None:
    if not watcher.done():
        watcher.set_result(None)


__all__ = ["SQLiteStore", "install", "install_sql", "new_epoch", "uninstall"]
