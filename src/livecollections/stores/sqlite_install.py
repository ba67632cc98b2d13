"""What the command line does to a database: install capture, print how, remove it, begin a new epoch."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..errors import ConfigurationError, StoreUnavailable
from . import sql_log
from .administration import Plan, without
from .base import Log
from .sqlite_capture import Capture, check_format, earlier_journal, has_log, is_whole, remove
from .sqlite_connection import FileConnection, connect, database_path, transaction
from .sqlite_log import TABLES, Names
from .sqlite_schema import read_table, table_names


def plan(url: Any, tables: Sequence[str] = (), exclude: Sequence[str] = (), log: Log | None = None) -> Plan:
    """What is missing.

    tables: those to capture; all if none is named.  exclude: columns that the log must not keep, ``todo.secret``.
    Raises ConfigurationError, StoreUnavailable.
    """
    log, now = log or Log(), time.time()
    with opened(url) as connection, transaction(connection):
        capture = _capture(connection, tables, exclude, log)
        statements, stale = capture.plan(connection, now), capture.stale(connection, now)
        (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
        fresh, whole = not has_log(connection, log), is_whole(connection, log)
    if not statements:
        return Plan((), "-- nothing is missing")
    names = ", ".join(f"{log.prefix}{name}" for name in TABLES)
    additions = [
        *([f"the change log: tables {names}"] if fresh else []),
        *([] if fresh or whole else [f"what the change log lacks: tables {names}, where they are missing"]),
        *(f"triggers on {name}" for name in stale if name != f"{log.prefix}meta"),
        *(
            [f"a write-ahead log beside the file (journal_mode {journal} until now)"]
            if journal != "wal"
            else []
        ),
    ]
    script = "\n".join(f"{statement};" for statement in ("BEGIN IMMEDIATE", *statements, "COMMIT"))
    return Plan(tuple(additions), script)


def install_sql(
    url: Any, tables: Sequence[str] = (), exclude: Sequence[str] = (), log: Log | None = None
) -> str:
    """The script that installs what is missing, for a DBA to run."""
    return plan(url, tables, exclude, log).script


def install(
    url: Any, tables: Sequence[str] = (), exclude: Sequence[str] = (), log: Log | None = None
) -> bool:
    """Install what is missing, as ``plan`` tells it; whether anything was."""
    with opened(url) as connection, transaction(connection, writes=True):
        return _capture(connection, tables, exclude, log or Log()).install(connection, time.time())


def uninstall(url: Any, log: Log | None = None) -> list[str]:
    """Remove every trace of livecollections; the answer names what was dropped.

    Raises ConfigurationError, and StoreUnavailable while others use the database; then nothing was removed.
    """
    log = log or Log()
    with opened(url) as connection:
        with transaction(connection):
            check_format(connection, log)
            journal = earlier_journal(connection, log)
        if journal is not None:
            try:
                connection.execute(f"PRAGMA journal_mode = {journal}")
            except sqlite3.OperationalError as error:
                message = f"the database {database_path(url)} is in use: stop what uses it first"
                raise StoreUnavailable(message) from error
        with transaction(connection, writes=True):
            return remove(connection, log)


def new_epoch(url: Any, log: Log | None = None) -> str:
    """Begin a new epoch of the log: every receiver then reads again. The answer is the epoch."""
    log = log or Log()
    epoch = sql_log.new_epoch()
    with opened(url) as connection, transaction(connection, writes=True):
        if not has_log(connection, log):
            raise ConfigurationError(f"{database_path(url)} has no change log")
        check_format(connection, log)
        meta = Names(log.prefix).meta
        connection.execute(f"UPDATE {meta} SET value = ? WHERE name = 'epoch'", (epoch,))
    return epoch


@contextmanager
def opened(url: Any) -> Iterator[FileConnection]:
    """A connection to a file that is there. Raises ConfigurationError, StoreUnavailable."""
    path = database_path(url)
    if path is None:
        raise ConfigurationError("database: one in memory holds nothing that others made")
    connection = connect(path, create=False)
    try:
        yield connection
    finally:
        connection.close()


def _capture(
    connection: sqlite3.Connection, tables: Sequence[str], exclude: Sequence[str], log: Log
) -> Capture:
    ours = {f"{log.prefix}{name}" for name in TABLES}
    names = [name for name in table_names(connection) if name not in ours]
    if missing := set(tables) - set(names):
        raise ConfigurationError(f"the database has no table {', '.join(sorted(missing))}")
    found = {name: read_table(connection, name) for name in tables or names}
    captured = [table for table in found.values() if table is not None and table.key]
    columns = {table.name: table.columns for table in captured}
    needed = without(columns, {table.name: table.key for table in captured}, exclude)
    return Capture(log, needed)
