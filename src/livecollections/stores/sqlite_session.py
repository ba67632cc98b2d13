"""Sessions of SQLAlchemy on the store's file, whose commits carry an origin and are heard at once.

What a transaction reads before it writes is one snapshot, and holds no lock; with its first write it begins anew,
IMMEDIATE, and sees what was committed meanwhile. A deferred transaction that went on to write would fail as soon as
somebody else had written, whatever the busy timeout; one that began IMMEDIATE for a read would keep all others from
writing. Reading ``with_for_update`` begins IMMEDIATE too. This module knows the log's tables, and no source.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from .base import Log, Logged, tells_commits
from .sql_session import Sessions, ticket_of
from .sqlite_connection import BUSY, Synchronous, keep_time, prepare
from .sqlite_log import Names

READS = ("SELECT", "VALUES", "PRAGMA", "EXPLAIN")
"""How statements begin that need no lock."""


class SQLiteSessions(Sessions):
    """Makes sessions. committed: called after each commit of any of them.  clock: as of the store."""

    def __init__(
        self,
        path: str,
        synchronous: Synchronous,
        log: Log,
        committed: Callable[[], None],
        clock: Callable[[], float] | None,
    ) -> None:
        super().__init__(committed)
        self._path = path
        self._clock = clock
        self._synchronous: Synchronous = synchronous
        names = Names(log.prefix)
        self._top = f"SELECT coalesce(max(seq), 0) FROM {names.changes}"
        self._stamp = (
            f"UPDATE {names.changes} SET origin = ? "
            f"WHERE seq = (SELECT min(seq) FROM {names.changes} WHERE seq > ? AND method <> 'RESET')"
        )
        self._logged = (
            f"SELECT (SELECT value FROM {names.meta} WHERE name = 'epoch') || printf('%016x', seq) || check_digits, "
            f"source FROM {names.changes} WHERE seq > ? ORDER BY seq"
        )
        self._head = (
            f"SELECT (SELECT value FROM {names.meta} WHERE name = 'epoch') || coalesce("
            f"(SELECT printf('%016x', seq) || check_digits FROM {names.changes} ORDER BY seq DESC LIMIT 1), "
            f"(SELECT value FROM {names.meta} WHERE name = 'trimmed_to'))"
        )

    def _open(self) -> AsyncEngine:
        url = sa.URL.create(
            "sqlite+aiosqlite",
            database=self._path,
            query={"uri": "true"} if self._path.startswith("file:") else {},
        )
        engine = create_async_engine(url, connect_args={"timeout": BUSY, "isolation_level": None})
        sync = engine.sync_engine
        sa.event.listen(sync, "connect", self._connected)
        sa.event.listen(sync, "begin", self._begun)
        sa.event.listen(sync, "before_cursor_execute", self._executing)
        sa.event.listen(sync, "commit", self._committing)
        return engine

    def _connected(self, connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        prepare(cursor.execute, self._synchronous)
        keep_time(connection, self._clock)
        cursor.close()

    def _begun(self, connection: sa.Connection) -> None:
        connection.info["is_writing"] = True
        connection.exec_driver_sql("BEGIN")
        connection.info["is_writing"] = False
        if ticket := ticket_of(connection):
            ticket.head = None

    def _executing(self, connection: sa.Connection, cursor: Any, statement: str, *rest: Any) -> None:
        if connection.info.get("is_writing") or _is_read(statement, rest[1]):
            return
        connection.info["is_writing"] = True
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        if ticket := ticket_of(connection):
            ticket.start = connection.exec_driver_sql(self._top).scalar_one()

    def _committing(self, connection: sa.Connection) -> None:
        ticket = ticket_of(connection)
        if ticket is None or not connection.info["is_writing"]:
            return
        if ticket.origin is not None:
            connection.exec_driver_sql(self._stamp, (ticket.origin, ticket.start))
        ticket.head = connection.exec_driver_sql(self._head).scalar_one()
        if tells_commits():
            rows = connection.exec_driver_sql(self._logged, (ticket.start,))
            ticket.logged = [Logged(seq, source) for seq, source in rows]


def _is_read(statement: str, context: Any) -> bool:
    """Whether a statement needs no lock; one that reads FOR UPDATE asks for it."""
    selected = getattr(getattr(context, "compiled", None), "statement", None)
    if getattr(selected, "is_select", False):
        return getattr(selected, "_for_update_arg", None) is None
    return statement.lstrip().upper().startswith(READS)
