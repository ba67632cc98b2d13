"""Alembic beside livecollections: keeps autogenerate off our tables, and takes capture off and on round a migration.

Why: batch mode drops all triggers of a table silently; so they come back with the migration, and not some time after.
In ``env.py``::

    from livecollections.alembic import capture_off, include_name

    with connectable.connect() as connection, capture_off(connection):
        context.configure(connection=connection, target_metadata=target_metadata, include_name=include_name)
        with context.begin_transaction():
            context.run_migrations()
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from .stores import sqlite_capture
from .stores.base import Log
from .stores.postgres_schema import TABLES as POSTGRES_TABLES
from .stores.sqlite_log import TABLES


def include_name(
    name: str | None, type_: str, parent_names: Mapping[str, Any] | None = None, prefix: str = "live_"
) -> bool:
    """Alembic's ``include_name``: False for our tables and triggers, so that autogenerate leaves them alone."""
    return not (type_ == "table" and name in {f"{prefix}{table}" for table in (*TABLES, *POSTGRES_TABLES)})


def include_object(
    object_: Any,
    name: str | None,
    type_: str,
    reflected: bool,
    compare_to: Any,
    prefix: str = "live_",
) -> bool:
    """Alembic's ``include_object``: the same for configurations that filter objects."""
    return include_name(name, type_, None, prefix)


@contextmanager
def capture_off(connection: sa.Connection, prefix: str = "live_", seconds: float = 600) -> Iterator[None]:
    """Take capture off, and on again at the end, also of a failed migration; receivers then read it all again.

    connection: the one that migrates.  seconds: how long running servers wait before they install it themselves.
    On databases other than SQLite it does nothing. Commits what it does itself, unless a transaction is open.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    log = Log(prefix=prefix)
    thin = _Coat(connection)
    needed: dict[str, Sequence[str]] = {}
    with _own_transaction(connection):
        if sqlite_capture.has_log(thin, log):
            needed = sqlite_capture.captured(thin, log)
            sqlite_capture.pause(thin, log, time.time() + seconds)
            sqlite_capture.drop_triggers(thin, log)
    try:
        yield
    finally:
        with _own_transaction(connection):
            if sqlite_capture.has_log(thin, log):
                sqlite_capture.Capture(log, needed).install(thin, time.time())
                sqlite_capture.resume(thin, log)


class _Coat:
    """A connection of SQLAlchemy that runs SQL as a driver's does."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Any:
        return self._connection.exec_driver_sql(sql, tuple(parameters))


@contextmanager
def _own_transaction(connection: sa.Connection) -> Iterator[None]:
    # An open transaction would make Alembic leave the commit to whoever opened it.
    inside = connection.in_transaction()
    yield
    if not inside:
        connection.commit()
