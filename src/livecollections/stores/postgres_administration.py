"""Administration of a database of PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql.ranges import AbstractRange

from ..change import Change
from ..errors import ConfigurationError, StoreUnavailable
from ..source import Source
from . import postgres_examination as examination
from .administration import Administration, Finding, Found, Plan, without
from .base import Log
from .postgres_capture import Capture, captured, remove
from .postgres_catalog import Target, targets_of
from .postgres_connection import connect, dsn_of, open_pool, shown, snapshot, transaction
from .postgres_entries import entries
from .postgres_errors import translated
from .postgres_ownership import additions, refuse_additions, strangers
from .postgres_schema import TABLES, check_format, has_log, is_whole, schema_of
from .postgres_session import engine_of
from .postgres_triggers import SETTINGS, Names
from .postgres_values import dialect, underlying
from .sql import table_source
from .sql_examination import NO_LOG
from .sql_installed import ALIVE
from .sql_log import new_epoch
from .sql_reflection import UNSHOWN, reflect

LOCKED = "5s"
"""How long a lock is waited for."""
UNCAPTURED = {
    "is_part": "its rows are those of another table, which it is a part of: serve that",
    "is_unlogged": "it is unlogged: a crash would empty it, and nothing would tell",
    "is_hidden": "row security hides rows of it from this role",
}
"""What keeps a table from being captured."""

_KINDS = """
SELECT CASE WHEN n.nspname = current_schema() THEN c.relname ELSE n.nspname || '.' || c.relname END AS name,
  n.nspname AS schema, c.relname AS table, n.nspname = current_schema() AS is_usual,
  EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid) AS is_part,
  c.relpersistence <> 'p' AS is_unlogged, row_security_active(c.oid) AS is_hidden,
  ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
    ORDER BY attnum) AS columns,
  ARRAY(SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
    WHERE i.indrelid = c.oid AND i.indisprimary) AS key
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p')
"""
_SHAPE = """
SELECT md5(coalesce(string_agg(told, ';' ORDER BY told), '')) FROM (
  SELECT format('%s %s %s %s %s %s', c.oid, c.relname, c.relkind, a.attname, a.atttypid, a.attnotnull) AS told
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  UNION ALL
  SELECT format('%s %s %s', conrelid, contype, conkey) FROM pg_constraint WHERE contype IN ('p', 'f', 'u')
) AS t
"""


class PostgresAdministration(Administration):
    """That of one database, by its URL or its engine."""

    def __init__(self, database: Any, log: Log | None = None) -> None:
        self._dsn = dsn_of(database)
        self._log = log or Log()

    @property
    def database(self) -> str:
        return shown(self._dsn)

    async def reflect(self, names: Collection[str] = ()) -> list[Found]:
        async with self._opened() as connection:
            kinds = {row["name"]: row for row in await connection.fetch(_KINDS)}
            log = await self._named(connection)
        ours = {
            name
            for name, row in kinds.items()
            if row["schema"] == log.schema and row["table"] in _tables(log)
        }
        types = dialect()

        def check(table: sa.Table) -> str:
            for column in table.columns:
                if isinstance(column.type, postgresql.DOMAIN):
                    column.type = column.type.data_type
                if isinstance(underlying(column.type, types), AbstractRange):
                    column.info[UNSHOWN] = True
            found = kinds.get(table.fullname, {})
            return next((reason for kind, reason in UNCAPTURED.items() if found.get(kind)), "")

        engine = engine_of(self._dsn)
        try:
            async with engine.connect() as reading:
                return await reading.run_sync(lambda one: reflect(one, names, ours.__contains__, check))
        except sa.exc.DBAPIError as error:
            cause = getattr(error.orig, "__cause__", None) or error
            raise translated(cause, f"the database {self.database}") from error
        finally:
            await engine.dispose()

    async def shape(self) -> str:
        async with self._opened() as connection:
            return str(await connection.fetchval(_SHAPE))

    async def plan(self, tables: Sequence[str] = (), exclude: Sequence[str] = ()) -> Plan:
        async with self._opened() as connection, transaction(connection):
            log, now = await self._named(connection), time.time()
            capture = await self._capture(connection, tables, exclude)
            statements = await capture.plan(connection, now)
            stale = await capture.stale(connection, now)
            fresh, whole = not await has_log(connection, log), await is_whole(connection, log)
        if not statements:
            return Plan((), "-- nothing is missing")
        additions = [f"a function, and triggers on {name}" for name in stale if name != f"{log.prefix}meta"]
        own = ", ".join(_tables(log))
        if fresh:
            additions.insert(0, f"the change log, in the schema {log.schema}: tables {own}")
        elif not whole:
            additions.insert(0, f"what the change log lacks: tables {own}, where they are missing")
        script = "\n".join(f"{statement};" for statement in ("BEGIN", *statements, "COMMIT"))
        return Plan(tuple(additions), script)

    async def install(self, tables: Sequence[str] = (), exclude: Sequence[str] = ()) -> bool:
        async with self._opened() as connection, connection.transaction():
            capture = await self._capture(connection, tables, exclude)
            return await capture.install(connection, time.time())

    async def uninstall(self) -> list[str]:
        async with self._opened() as connection, transaction(connection):
            await connection.execute(f"SET LOCAL lock_timeout = '{LOCKED}'")
            log = await self._named(connection)
            await refuse_additions(connection, log)
            await check_format(connection, log)
            if await has_log(connection, log) and await connection.fetchval(
                f"SELECT bool_or((value::json ->> 'at')::float8 > $1) FROM {log.meta} WHERE name LIKE 'heartbeat:%'",
                time.time() - ALIVE,
            ):
                raise StoreUnavailable(
                    f"the database {self.database} is in use, or was {ALIVE:.0f} seconds ago: stop what uses it first"
                )
            return await remove(connection, self._log)

    async def new_epoch(self) -> str:
        epoch = new_epoch()
        async with self._opened() as connection, transaction(connection):
            log = await self._named(connection)
            await refuse_additions(connection, log)
            if not await has_log(connection, log):
                raise ConfigurationError(f"{self.database} has no change log")
            await check_format(connection, log)
            await connection.execute(f"UPDATE {log.meta} SET value = $1 WHERE name = 'epoch'", epoch)
        return epoch

    async def examine(self, sources: Sequence[Source] | None = None) -> list[Finding]:
        async with self._opened() as connection, self._opened() as other:
            found = [*await examination.server(connection), await examination.pooler(connection, other)]
            async with snapshot(connection):
                log = await self._named(connection)
                # Before anything is read: a view in the place of a table would run what its owner likes.
                if told := await additions(connection, log):
                    return [*found, examination.strangers(told)]
                whole = await has_log(connection, log)
                targets = await self._targets(connection, sources) if whole or sources else []
                if told := await strangers(connection, log, targets, installs=not whole):
                    return [*found, examination.strangers(told)]
                if not whole:
                    return [*found, NO_LOG]
                return [
                    *found,
                    *await examination.log_of(connection, log, self._log, targets, time.time()),
                ]

    async def changes(self, since: str | None = None, *, follow: bool = False) -> AsyncIterator[Change]:
        async with self._opened() as connection:
            log = await self._named(connection)
            await refuse_additions(connection, log)
            if not await has_log(connection, log):
                raise ConfigurationError(f"{self.database} has no change log")
        pool = await open_pool(self._dsn)
        try:
            async for change in entries(pool, self._log, since, follow):
                yield change
        finally:
            await pool.close()

    async def _targets(self, connection: Any, sources: Sequence[Source] | None) -> list[Target]:
        """The tables of sources, or all that the log captures, with the columns that it keeps of them."""
        if sources is not None:
            return targets_of(map(table_source, sources))
        kept = await captured(connection, self._log)
        rows = {row["name"]: row for row in await connection.fetch(_KINDS)}
        return [
            Target(name, None if row["is_usual"] else row["schema"], row["table"], kept[name])
            for name, row in rows.items()
            if kept.get(name)
        ]

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Any]:
        """A connection; the driver's errors become ours."""
        connection = await connect(self._dsn, SETTINGS)
        try:
            yield connection
        except Exception as error:
            if (found := translated(error, f"the database {self.database}")) is error:
                raise
            raise found from error
        finally:
            await connection.close()

    async def _named(self, connection: Any) -> Names:
        return Names(self._log, await schema_of(connection, self._log))

    async def _capture(self, connection: Any, tables: Sequence[str], exclude: Sequence[str]) -> Capture:
        log = await self._named(connection)
        rows = {row["name"]: row for row in await connection.fetch(_KINDS)}
        if missing := set(tables) - rows.keys():
            raise ConfigurationError(f"the database has no table {', '.join(sorted(missing))}")
        usual = sorted(
            name
            for name, row in rows.items()
            if row["is_usual"] and row["key"] and not any(row[kind] for kind in UNCAPTURED)
            if row["schema"] != log.schema or row["table"] not in _tables(log)
        )
        captured = tables or usual
        columns = {name: rows[name]["columns"] for name in captured}
        needed = without(columns, {name: rows[name]["key"] for name in captured}, exclude)
        targets = [
            Target(name, None if row["is_usual"] else row["schema"], row["table"], tuple(needed[name]))
            for name, row in rows.items()
            if name in needed
        ]
        return Capture(self._log, targets)


def _tables(log: Names) -> list[str]:
    return [f"{log.prefix}{name}" for name in TABLES]


__all__ = ["PostgresAdministration"]
