"""The log's tables in PostgreSQL: what makes them, and what is asked before there are any.

Texts whose order matters are compared byte by byte (``COLLATE "C"``), whatever the database's own order is.
This module knows no trigger and no table of the user's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from ..errors import ConfigurationError
from . import log_format
from .base import Log
from .postgres_triggers import Names, literal, quote
from .sql_log import EMPTY, new_epoch

TABLES = ("changes", "waiting", "passed", "meta", "cursors", "idempotency", "letters")
INDEXES = ("changes_source", "changes_resets", "waiting_resets", "idempotency_at")


def tables(names: Names, creates_schema: bool) -> list[str]:
    """What makes the log's tables, where they are missing. creates_schema: and the schema that they are in."""

    def table(name: str, columns: str, kind: str = "") -> str:
        return f"CREATE {kind}TABLE IF NOT EXISTS {names.of(names.prefix + name)} ({columns})"

    def index(name: str, of: str, columns: str) -> str:
        name = quote(f"{names.prefix}{of}_{name}")
        return f"CREATE INDEX IF NOT EXISTS {name} ON {names.of(names.prefix + of)} {columns}"

    resets = "WHERE method = 'RESET'"
    return [
        *([f"CREATE SCHEMA IF NOT EXISTS {quote(names.schema)}"] if creates_schema else []),
        # Places of a cache would be given out in another order than they were drawn.
        f"CREATE SEQUENCE IF NOT EXISTS {names.seq} CACHE 1",
        table(
            "changes",
            "seq bigint PRIMARY KEY, check_digits text, source text, method text, key text[], before text[], "
            "after text[], origin text, at float8, layout text, xid xid8",
        ),
        index("source", "changes", "(source, seq)"),
        index("resets", "changes", f"(source, seq) {resets}"),
        # What is in it counts in its own transaction only.
        table(
            "waiting",
            "source text, method text, key text[], before text[], after text[], layout text, xid xid8",
            "UNLOGGED ",
        ),
        index("resets", "waiting", f"(xid) {resets}"),
        table("passed", "first bigint, last bigint, bound xid8, PRIMARY KEY (first, last)"),
        table("meta", "name text PRIMARY KEY, value text"),
        table("cursors", "name text PRIMARY KEY, seq text, owner text, until float8"),
        table(
            "idempotency",
            'key text COLLATE "C" PRIMARY KEY, digest text, source text, image text[], layout text, '
            "seq text, at float8",
        ),
        index("at", "idempotency", "(at)"),
        table(
            "letters",
            'webhook text, seq text COLLATE "C", body bytea, state text, attempts integer, reason text, '
            "since float8, due float8, PRIMARY KEY (webhook, seq)",
        ),
    ]


def entries(names: Names, creates_schema: bool) -> list[str]:
    """What writes into them that a log has from the beginning. creates_schema: whether their schema was made for it."""
    return [
        remembered(names, "epoch", new_epoch(), keeps=True),
        remembered(names, "trimmed_to", EMPTY, keeps=True),
        remembered(names, log_format.NAME, log_format.stored()),
        *([remembered(names, "schema", "ours", keeps=True)] if creates_schema else []),
    ]


def remembered(names: Names, name: str, value: str, *, keeps: bool = False) -> str:
    """What writes an entry of the meta table. keeps: what is there already stays."""
    then = "NOTHING" if keeps else "UPDATE SET value = excluded.value"
    return (
        f"INSERT INTO {names.meta} (name, value) VALUES ({literal(name)}, {literal(value)}) "
        f"ON CONFLICT (name) DO {then}"
    )


OLDEST = 130_000
"""The first version of the server that will do, as ``server_version_num`` has it."""


async def schema_of(connection: Any, log: Log) -> str:
    """The schema of a log: what it says, or else the first of the search path. Raises ConfigurationError."""
    if log.schema:
        return log.schema
    schema = await connection.fetchval("SELECT current_schema()")
    if schema is None:
        raise ConfigurationError(
            "log: the search path names no schema that there is; give Log(schema=…) or a search_path"
        )
    return cast(str, schema)


async def has_schema(connection: Any, schema: str) -> bool:
    """Whether there is such a schema."""
    return bool(
        await connection.fetchval("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", schema)
    )


async def has_log(connection: Any, names: Names) -> bool:
    """Whether the database has a log of this name, of whatever format."""
    return await _has_all(connection, names, ("changes", "waiting", "meta", "seq"))


async def is_whole(connection: Any, names: Names) -> bool:
    """Whether it has one with all its tables, of this version's format. Raises ConfigurationError for a newer one."""
    return await check_format(connection, names) and await _has_all(connection, names, (*TABLES, "seq"))


async def check_format(connection: Any, names: Names) -> bool:
    """Whether it has one of this version's format. Raises ConfigurationError for a newer one."""
    if not await has_log(connection, names):
        return False
    told = await connection.fetchval(f"SELECT value FROM {names.meta} WHERE name = $1", log_format.NAME)
    return log_format.is_present(told)


async def _has_all(connection: Any, names: Names, relations: Sequence[str]) -> bool:
    wanted = [names.of(names.prefix + name) for name in relations]
    return bool(
        await connection.fetchval(
            "SELECT bool_and(to_regclass(t) IS NOT NULL) FROM unnest($1::text[]) AS t", wanted
        )
    )
