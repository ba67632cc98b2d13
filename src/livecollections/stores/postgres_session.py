"""Sessions on PostgreSQL: before a commit its triggers run, so that the commit can carry an origin and tell its seq.

What the user's own deferred constraints refuse is refused there as at the commit itself. It knows no source.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from ..change import number
from .base import tells_commits
from .postgres_connection import connect
from .postgres_log import PostgresLog
from .sql_session import Sessions, Ticket, ticket_of


class PostgresSessions(Sessions):
    """Makes sessions. dsn: of the database.  committed: called after each commit of any of them that wrote."""

    def __init__(self, dsn: str, log: PostgresLog, committed: Callable[[], None]) -> None:
        super().__init__(committed)
        self._dsn = dsn
        self._log = log

    def _open(self) -> AsyncEngine:
        engine = engine_of(self._dsn)
        sa.event.listen(engine.sync_engine, "commit", self._committing)
        return engine

    def _committing(self, connection: sa.Connection) -> None:
        ticket = ticket_of(connection)
        if ticket is None:
            return
        ticket.head = None
        if connection.exec_driver_sql("SELECT pg_current_xact_id_if_assigned()::text").scalar() is None:
            return
        driver: Any = connection.connection.dbapi_connection
        ticket.start = driver.run_async(self._log.drawn)
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")  # so that its errors are SQLAlchemy's
        driver.run_async(self._log.settle)
        ticket.head = driver.run_async(partial(self._told, ticket))

    async def _told(self, ticket: Ticket, connection: Any) -> str | None:
        """Stamp what the transaction has logged; the answer is its seq, None if it logged nothing."""
        if ticket.origin is not None:
            await self._log.stamp(connection, ticket.origin, ticket.start, None, None)
        ticket.logged = await self._log.logged(connection, ticket.start) if tells_commits() else ()
        seq = await self._log.written(connection, ticket.start)
        return seq if number(seq) > ticket.start else None


def engine_of(dsn: str) -> AsyncEngine:
    """An engine of SQLAlchemy's for a URL that may be of another driver."""
    return create_async_engine("postgresql+asyncpg://", async_creator=partial(connect, dsn, {}))
