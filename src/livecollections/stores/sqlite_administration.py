"""Administration of a SQLite file."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import base as sqlite_base

from ..change import Change
from ..errors import ConfigurationError
from ..source import Source
from . import sqlite_install
from .administration import Administration, Finding, Found, Plan
from .base import Log
from .sql import table_source
from .sql_reflection import reflect
from .sqlite_capture import has_log
from .sqlite_connection import database_path, transaction, translated
from .sqlite_entries import entries
from .sqlite_examination import examine
from .sqlite_install import opened
from .sqlite_log import TABLES
from .sqlite_schema import Connection, described, kinds, quote

UNCAPTURED = {"virtual": "it is a virtual table", "shadow": "it belongs to a virtual table"}
"""Kinds of tables on which SQLite takes no trigger."""


class SQLiteAdministration(Administration):
    """That of one file, by its URL or its engine. What it is asked raises ConfigurationError for one in memory."""

    def __init__(self, url: Any, log: Log | None = None) -> None:
        self._url = url
        self._log = log or Log()
        self._path = database_path(url)

    @property
    def database(self) -> str:
        return self._path or "a database in memory"

    async def reflect(self, names: Collection[str] = ()) -> list[Found]:
        ours = {f"{self._log.prefix}{name}" for name in TABLES}
        if names and self._path:
            _check_file(self._path, names)
        with opened(self._url) as connection:
            engine = sa.create_engine("sqlite://", creator=lambda: connection, poolclass=sa.pool.StaticPool)
            try:
                # Its end is that of the transaction, too.
                with engine.connect() as reading:
                    connection.execute("BEGIN")
                    return reflect(reading, names, ours.__contains__, Check(connection))
            except sa.exc.DBAPIError as error:
                raise translated(cast(Exception, error.orig), f"the database {self._path}") from error

    async def shape(self) -> str:
        with opened(self._url) as connection:
            (version,) = connection.execute("PRAGMA schema_version").fetchone()
        return str(version)

    async def plan(self, tables: Sequence[str] = (), exclude: Sequence[str] = ()) -> Plan:
        return sqlite_install.plan(self._url, tables, exclude, self._log)

    async def install(self, tables: Sequence[str] = (), exclude: Sequence[str] = ()) -> bool:
        return sqlite_install.install(self._url, tables, exclude, self._log)

    async def uninstall(self) -> list[str]:
        return sqlite_install.uninstall(self._url, self._log)

    async def new_epoch(self) -> str:
        return sqlite_install.new_epoch(self._url, self._log)

    async def examine(self, sources: Sequence[Source] | None = None) -> list[Finding]:
        needed: dict[str, list[str]] | None = None if sources is None else {}
        for source in map(table_source, sources or ()):
            assert needed is not None
            needed.setdefault(source.name, []).extend(found.name for found in source.shown)
        with opened(self._url) as connection, transaction(connection):
            return examine(connection, self._log, needed, time.time())

    async def changes(self, since: str | None = None, *, follow: bool = False) -> AsyncIterator[Change]:
        with opened(self._url) as connection:
            if not has_log(connection, self._log):
                raise ConfigurationError(f"{self._path} has no change log")
            async for change in entries(connection, self._log, since, follow):
                yield change


def _check_file(path: str, names: Collection[str]) -> None:
    """Raise ConfigurationError where tables are asked for of a file that is not there. A URI may mean anything."""
    if not path.startswith("file:") and not os.path.exists(path):
        raise ConfigurationError(
            f"the database has no table {', '.join(sorted(names))}: there is no file {path}"
        )


class Check:
    """What SQLite knows of a table, and SQLAlchemy does not read."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._kinds = kinds(connection)

    def __call__(self, table: sa.Table) -> str:
        """Why a table can't be captured; else its types and its key are put right."""
        if reason := UNCAPTURED.get(self._kinds.get(table.name, "")):
            return reason
        rows = self._connection.execute(f"PRAGMA table_xinfo({quote(table.name)})").fetchall()
        for name, declared in ((row[1], row[2]) for row in rows if row[1] in table.columns):
            column = table.columns[name]
            if not isinstance(column.type, sa.Numeric):
                continue
            if not _is_known(declared):
                # Read as a number, it would be refused where it is a word.
                column.type = sa.String()
            elif column.type.scale is None:
                # As SQLite has it, rather than with ten digits behind the point.
                column.type = sa.Float()
        if not described(self._connection, table.name).rowid_key:
            # Only a row number is made by SQLite; any other integer is NULL where an insert leaves it out.
            for column in table.primary_key.columns:
                column.autoincrement = False
        return ""


def _is_known(declared: str) -> bool:
    """Whether a column's declared type is one of which SQLAlchemy knows the values."""
    return declared.partition("(")[0].strip().upper() in sqlite_base.ischema_names


__all__ = ["SQLiteAdministration"]
