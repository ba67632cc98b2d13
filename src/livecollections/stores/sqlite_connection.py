"""Connections to a SQLite file: where it lies, how it is opened, and what its errors mean.

Every connection of ours begins its transactions explicitly (the driver issues no BEGIN before a SELECT).
This module knows no log and no source.
"""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from math import inf
from typing import Any, Literal, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from ..errors import (
    ConfigurationError,
    ConstraintViolated,
    InvalidDocument,
    SchemaMismatch,
    StoreError,
    StoreUnavailable,
)
from .sql_conditions import Predicate
from .sql_query import Statement
from .sql_write import Theirs

T = TypeVar("T")

BUSY = 5.0
"""Seconds to wait for another process's lock."""
SLICE = 0.1
"""Seconds after which such a wait looks whether it has been hastened."""
HASTE = 0.5
"""Seconds that it then lasts."""

Synchronous = Literal["FULL", "NORMAL"]


def database_path(database: Any) -> str | None:
    """The file (or ``file:`` URI) that a URL or an engine of SQLAlchemy names; None for one in memory.

    Raises ConfigurationError.
    """
    url = getattr(database, "url", database)
    try:
        url = sa.make_url(url)
    except ArgumentError as error:
        raise ConfigurationError(
            f"database: {database!r} is no URL; write one such as sqlite:///todos.db"
        ) from error
    if url.get_backend_name() != "sqlite":
        raise ConfigurationError(f"database: {url.get_backend_name()!r} is not SQLite")
    path = url.database or ":memory:"
    if path == ":memory:" or "mode=memory" in path:
        if database is not url and not isinstance(database, str):
            raise ConfigurationError(
                "database: an engine in memory can't be shared; give the URL sqlite:// or a file"
            )
        return None
    if path.startswith("file:"):
        query = "&".join(f"{name}={value}" for name, value in url.query.items() if name != "uri")
        return f"{path}?{query}" if query and "?" not in path else path
    return os.path.abspath(path)  # whatever the process's directory will be when it is opened


class FileConnection(sqlite3.Connection):
    """A connection that runs statements of queries, and whose wait for another process's lock can be hastened, from
    another thread."""

    _until = inf
    _predicates: Sequence[Predicate] = ()
    _is_past: Callable[[], bool] | None = None
    was_stopped = False
    """Whether ``live_holds`` has ended a statement whose time was past."""

    def run(self, statement: Statement) -> sqlite3.Cursor:
        """Execute a statement; until the next one, ``live_holds`` calls its predicates."""
        self._predicates = statement.predicates
        return self.execute(statement.text, statement.values)

    def bound(self, is_past: Callable[[], bool] | None, instructions: int = 0) -> None:
        """End statements once their time is past. instructions: of SQLite's machine, between two looks."""
        self._is_past, self.was_stopped = is_past, False
        self.set_progress_handler(is_past, instructions)

    def holds(self, number: int, stored: Any) -> bool:
        """SQL's ``live_holds``: SQLite's machine looks at no clock while Python judges."""
        self._look()
        return self._predicates[number](stored, self._look)

    def _look(self) -> None:
        if self._is_past is not None and self._is_past():
            self.was_stopped = True
            raise TimeoutError

    def hasten(self) -> None:
        """Wait half a second more at most."""
        self._until = time.monotonic() + HASTE

    def begin_immediate(self) -> None:
        """Take the lock that writers need. SQLite's own wait can't be ended, so it is taken in slices."""
        deadline = time.monotonic() + BUSY
        while True:
            try:
                self.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if not is_locked(error) or time.monotonic() >= min(deadline, self._until):
                    raise


def connect(
    path: str,
    synchronous: Synchronous | None = "FULL",
    *,
    create: bool = True,
    clock: Callable[[], float] | None = None,
) -> FileConnection:
    """Open a file. synchronous: None for one that only reads. Raises StoreUnavailable, naming it."""
    try:
        if not create and not path.startswith("file:"):
            sqlite3.connect(f"file:{_escaped(path)}?mode=rw", uri=True).close()
        connection = sqlite3.connect(
            path,
            isolation_level=None,
            check_same_thread=False,
            timeout=BUSY,
            factory=FileConnection,
            cached_statements=512,
            uri=path.startswith("file:"),
        )
    except sqlite3.Error as error:
        raise StoreUnavailable(f"the database {path} can't be opened", str(error)) from error
    try:
        prepare(connection.execute, synchronous)
        connection.create_function("live_holds", 2, connection.holds, deterministic=True)
        keep_time(connection, clock)
    except sqlite3.Error as error:
        connection.close()
        raise translated(error, path) from error
    return connection


def prepare(execute: Callable[[str], Any], synchronous: Synchronous | None) -> None:
    """The settings of a connection of ours. synchronous: None for one that only reads."""
    execute("PRAGMA foreign_keys = ON")
    if synchronous is not None:  # it has SQLite read the whole schema
        execute(f"PRAGMA synchronous = {synchronous}")


def keep_time(connection: Any, clock: Callable[[], float] | None) -> None:
    """Have ``julianday('now')``, by which triggers stamp entries, follow a clock; None: it is the machine's."""
    if clock is None:
        return

    def julianday(moment: Any) -> Any:
        if moment == "now":
            return clock() / 86_400 + 2_440_587.5
        with closing(sqlite3.connect(":memory:")) as other:
            return other.execute("SELECT julianday(?)", (moment,)).fetchone()[0]

    connection.create_function("julianday", 1, julianday)


def use_wal(connection: sqlite3.Connection, path: str) -> str:
    """Switch the file to a write-ahead log; the answer is the mode that it had. Raises StoreError."""
    deadline = time.monotonic() + BUSY
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
            if mode != "wal":
                connection.execute("PRAGMA journal_mode = WAL")
            return str(mode)
        except sqlite3.Error as error:
            # SQLite asks no busy handler here: processes that start together must wait by themselves.
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > deadline:
                raise translated(error, f"the database {path}") from error
            time.sleep(0.01)


def _escaped(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


@contextmanager
def transaction(connection: FileConnection, *, writes: bool = False) -> Iterator[FileConnection]:
    """A transaction, undone if the block raises; errors of the driver become ours."""
    try:
        if writes:
            connection.begin_immediate()
        else:
            connection.execute("BEGIN")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    except sqlite3.Error as error:
        raise translated(error) from error


@contextmanager
def lenient(connection: sqlite3.Connection) -> Iterator[None]:
    """Texts that are not UTF-8 are read with replacement characters."""
    before = connection.text_factory
    connection.text_factory = lambda stored: stored.decode("utf-8", "replace")
    try:
        yield
    finally:
        connection.text_factory = before


def reading(connection: FileConnection, function: Callable[[FileConnection], T]) -> T:
    """Run a function in a transaction that reads; once more, leniently, if a text is broken."""
    try:
        with transaction(connection):
            return function(connection)
    except StoreError as error:
        if not is_broken_text(error.__cause__):
            raise
    with lenient(connection), transaction(connection):
        return function(connection)


def is_locked(error: sqlite3.Error) -> bool:
    """Whether somebody else holds a lock."""
    return getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def is_broken_text(error: BaseException | None) -> bool:
    """Whether the driver met a text that is not UTF-8."""
    return isinstance(error, sqlite3.OperationalError) and "Could not decode to UTF-8" in str(error)


# --- errors -------------------------------------------------------------------------------------------------

_KINDS = {
    "SQLITE_CONSTRAINT_UNIQUE": "unique",
    "SQLITE_CONSTRAINT_PRIMARYKEY": "unique",
    "SQLITE_CONSTRAINT_ROWID": "unique",
    "SQLITE_CONSTRAINT_FOREIGNKEY": "foreign key",
    "SQLITE_CONSTRAINT_NOTNULL": "not null",
    "SQLITE_CONSTRAINT_CHECK": "check",
    "SQLITE_CONSTRAINT_TRIGGER": "check",
}
_UNAVAILABLE = (
    "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN", "SQLITE_PROTOCOL", "SQLITE_FULL", "SQLITE_READONLY",
    "SQLITE_IOERR",
)  # fmt: skip
_MISSING = re.compile(r"no such (column|table): (?:.*\.)?(.+)|table .+ has no (column) named (.+)")
_UNFIT = ("SQLITE_MISMATCH", "SQLITE_CONSTRAINT_DATATYPE", "SQLITE_TOOBIG")


def translated(error: Exception, where: str = "the database") -> Exception:
    """A driver's error as ours; anything else as it is."""
    if isinstance(error, Theirs):
        return error.error
    if isinstance(error, OverflowError | UnicodeError):
        return InvalidDocument("a value is not one that the database can store")
    if not isinstance(error, sqlite3.Error):
        return error
    name = getattr(error, "sqlite_errorname", None) or ""
    if kind := _KINDS.get(name):
        return ConstraintViolated(kind, columns_named(str(error)) if kind in ("unique", "not null") else ())
    if name.startswith(_UNFIT) or isinstance(error, sqlite3.InterfaceError | sqlite3.DataError):
        return InvalidDocument("a value is not one that the database can store")
    if name == "" and isinstance(error, sqlite3.ProgrammingError) and "binding parameter" in str(error):
        return InvalidDocument("a value is not one that the database can store")
    if name.startswith(_UNAVAILABLE):
        return StoreUnavailable(f"{where} is not available", str(error))
    if missing := _MISSING.fullmatch(str(error)):
        # Each statement says it in other words.
        kind, named = missing[1] or missing[3], missing[2] or missing[4]
        return SchemaMismatch(f"there is no {kind} {named} in the database")
    return StoreError(f"{where} refused: {error}")


def columns_named(message: str) -> list[str]:
    """The columns in ``UNIQUE constraint failed: todo.title, todo.list``."""
    _, _, text = message.partition(": ")
    if text.startswith("index "):
        return []
    return [re.sub(r"^[^.]*\.", "", part) for part in text.split(", ")]
