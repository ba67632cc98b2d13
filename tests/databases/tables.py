"""SQLite and PostgreSQL, seen from outside: strangers speak SQL by a driver of their own."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from livecollections import Live
from livecollections.cause import Cause
from livecollections.stores.sqlite_connection import FileConnection
from tests.postgres.server import PostgresServer, execute

from .database import Database

OURS = ("live_changes", "live_idempotency")
"""What of the library's own tables no refused request may change."""


class Tables(Database):
    """A database of tables. engine: a stranger's."""

    refusals = (sa.exc.IntegrityError,)

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._shown: list[sa.TextClause] = []

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement as a stranger would. values: for its parameters, as the driver writes these."""
        with self._engine.begin() as connection:
            result = connection.exec_driver_sql(statement, values or None)
            return [tuple(row) for row in result] if result.returns_rows else []

    def script(self, statements: str) -> None:
        """Run several, as a stranger would whom no foreign key holds."""
        raise NotImplementedError

    def trigger(self, event: str, table: str, statement: str) -> None:
        """Have a statement run after each INSERT or UPDATE of a row, which is NEW."""
        raise NotImplementedError

    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The statements that the library asks it from now on."""
        raise NotImplementedError

    def insert(self, model: type[Any], *rows: Mapping[str, Any]) -> None:
        with self._engine.begin() as connection:
            for row in rows:
                connection.execute(sa.insert(model).values(**row))

    def update(self, model: type[Any], values: Mapping[str, Any], **where: Any) -> None:
        with self._engine.begin() as connection:
            connection.execute(sa.update(model).values(**values).filter_by(**where))

    def delete(self, model: type[Any], **where: Any) -> None:
        with self._engine.begin() as connection:
            connection.execute(sa.delete(model).filter_by(**where))

    def rows(self, model: type[Any]) -> list[dict[str, Any]]:
        mapper = sa.inspect(model)
        names = [attribute.key for attribute in mapper.column_attrs]
        columns = [getattr(model, name) for name in names]
        with self._engine.begin() as connection:
            found = connection.execute(sa.select(*columns).order_by(*mapper.primary_key))
            return [dict(zip(names, row, strict=True)) for row in found]

    def version(self) -> int:
        [(place,)] = self.sql("SELECT coalesce(max(seq), 0) FROM live_changes")
        return int(place)

    def held(self) -> Any:
        with self._engine.begin() as connection:
            if not self._shown:
                names = sa.inspect(connection).get_table_names()
                kept = (name for name in names if not name.startswith("live_") or name in OURS)
                self._shown = [sa.text(self._all_of(name, connection)) for name in kept]
            return [[tuple(row) for row in connection.execute(each)] for each in self._shown]

    def _all_of(self, name: str, connection: sa.Connection) -> str:
        """The statement that tells each row of a table, byte for byte."""
        raise NotImplementedError

    def close(self) -> None:
        self._engine.dispose()


class SQLite(Tables):
    """A file, and one connection to it: opening one reads all triggers, which takes longer than what is asked of it."""

    kind = "sqlite"
    part = 1
    _served: ClassVar[dict[str, bytes | None]] = {}
    """The files of empty ones, by what has been served; None: once, which was on nothing, as with users."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"
        super().__init__(
            sa.create_engine(self.url, poolclass=StaticPool, connect_args={"check_same_thread": False})
        )
        # Strangers write so much that the disk would be felt.
        sa.event.listen(self._engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous = OFF"))

    async def prepare(self, options: Mapping[str, Any], resources: Sequence[tuple[Any, ...]]) -> None:
        # To make all triggers takes longer than most tests ask of them.
        if self.path.exists():
            return
        served = repr((options, resources))
        if served not in self._served:
            self._served[served] = None
            return
        if self._served[served] is None:
            self._served[served] = await self._empty(options, resources)
        self.path.write_bytes(self._served[served] or b"")

    async def _empty(self, options: Mapping[str, Any], resources: Sequence[tuple[Any, ...]]) -> bytes:
        live = Live(self.url, **options)
        for path, model, declared in resources:
            live.add_resource(path, model, **declared)
        async with live:
            pass
        found = self.path.read_bytes()
        self.path.unlink()
        return found

    def script(self, statements: str) -> None:
        with closing(sqlite3.connect(self.path)) as shell:
            shell.executescript(f"PRAGMA synchronous = OFF; BEGIN; {statements}; COMMIT")

    def trigger(self, event: str, table: str, statement: str) -> None:
        name = f"own_{event.split()[0].lower()}"
        self.sql(f"CREATE TRIGGER {name} AFTER {event} ON {table} BEGIN {statement}; END")

    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        statements: list[str] = []
        execute = FileConnection.execute

        def noted(self: FileConnection, statement: str, *parameters: Any) -> Any:
            statements.append(statement)
            return execute(self, statement, *parameters)

        monkeypatch.setattr(FileConnection, "execute", noted)
        return statements

    def spoil(self, model: type[Any]) -> Cause:
        self.sql(f"DROP TRIGGER live_{model.__tablename__}_insert")
        return Cause.CAPTURE_REINSTALLED

    def _all_of(self, name: str, connection: sa.Connection) -> str:
        columns = connection.execute(sa.text(f"PRAGMA table_info({name})"))
        return f"SELECT {', '.join(f'quote({chr(34)}{row[1]}{chr(34)})' for row in columns)} FROM {name}"


class Postgres(Tables):
    """A schema in a database that tests share."""

    kind = "postgres"
    nul = ""

    def __init__(self, server: PostgresServer) -> None:
        self.url = server.schema()
        super().__init__(sa.create_engine(_of_psycopg(self.url), poolclass=StaticPool))

    def script(self, statements: str) -> None:
        execute(self.url, f"SET LOCAL session_replication_role = replica; {statements}")

    def trigger(self, event: str, table: str, statement: str) -> None:
        name = f"own_{event.split()[0].lower()}"
        body = f"BEGIN {statement}; RETURN NULL; END"
        self.sql(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $own$ {body} $own$")
        self.sql(f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()")

    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        statements: list[str] = []
        get_statement = asyncpg.Connection._get_statement

        async def noted(self: asyncpg.Connection, query: str, *arguments: Any, **options: Any) -> Any:
            statements.append(query)
            return await get_statement(self, query, *arguments, **options)

        monkeypatch.setattr(asyncpg.Connection, "_get_statement", noted)
        return statements

    def spoil(self, model: type[Any]) -> Cause:
        self.sql(f"TRUNCATE {model.__tablename__}")
        return Cause.TRUNCATED

    def _all_of(self, name: str, connection: sa.Connection) -> str:
        return f'SELECT shown::text FROM "{name}" AS shown ORDER BY 1'


def _of_psycopg(url: str) -> str:
    """The same URL, for the driver that strangers use."""
    url, _, schema = url.partition("&search_path=")
    return f"{url.replace('postgresql:', 'postgresql+psycopg:')}&options=-csearch_path%3D{schema}"
