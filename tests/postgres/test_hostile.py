"""Whatever applications do: the log, replayed, is the table, and they see no difference (finding 7, and G8)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest

from livecollections.cause import Cause
from livecollections.stores.base import Log
from livecollections.stores.postgres_triggers import Capture, image, of

from ..scale import scaled
from .hostile import CAPTURED, History
from .reading import connected, install, target
from .server import PostgresServer

HISTORIES = scaled(12, 250)
EACH = 10
"""Played on one connection: for as long as it lasts PostgreSQL keeps the plans of functions that are gone, and goes
through all of them whenever a schema changes."""

Table = dict[tuple[str, ...], tuple[str | None, ...]]


async def made(connection: asyncpg.Connection, schema: str, history: History) -> None:
    await connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}")
    await connection.execute(f"SET search_path = {schema}")
    for statement in history.schema:
        await connection.execute(statement)


async def table(
    connection: asyncpg.Connection, name: str, columns: Sequence[str]
) -> list[tuple[str | None, ...]]:
    texts = ", ".join(f"{column}::text" for column in columns)
    return sorted((tuple(row) for row in await connection.fetch(f"SELECT {texts} FROM {name}")), key=repr)


async def replayed(connection: asyncpg.Connection, name: str) -> list[tuple[str | None, ...]]:
    """What the log says that a table holds."""
    rows: Table = {}
    for entry in await connection.fetch(
        "SELECT method, key, after FROM live_changes WHERE source = $1 ORDER BY seq", name
    ):
        key = tuple(entry["key"])
        if entry["method"] == "RESET":
            assert key == (Cause.TRUNCATED.value,)
            rows = {}
        elif entry["method"] == "DELETE":
            rows.pop(key, None)
        else:
            rows[key] = tuple(entry["after"])
    return sorted(rows.values(), key=repr)


async def columns_of(connection: asyncpg.Connection, name: str) -> list[str]:
    rows = await connection.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 ORDER BY attnum",
        name,
    )
    return [row["attname"] for row in rows]


async def divergence(postgres: PostgresServer, histories: int) -> str | None:
    """Where a log is not its table, or an application saw a difference."""
    url = await asyncio.to_thread(postgres.database)
    for first in range(0, histories, EACH):
        async with connected(url) as ours, connected(url) as plain:
            for connection in (ours, plain):
                await connection.execute("SET timezone = 'UTC'; SET extra_float_digits = 1")
            for seed in range(first, min(first + EACH, histories)):
                if found := await difference(ours, plain, seed):
                    return f"seed {seed}: {found}"
    return None


async def difference(ours: asyncpg.Connection, plain: asyncpg.Connection, seed: int) -> str | None:
    """The same of one history."""
    history = History(seed)
    await made(plain, "plain", history)
    await made(ours, "ours", history)
    declared = {name: await columns_of(ours, name) for name in CAPTURED}
    await install(ours, *(target(name, schema="ours") for name in CAPTURED), log=Log(schema="ours"))
    if (seen := await history.play(ours)) != (without := await history.play(plain)):
        return f"{seen} is not {without}"
    for name, columns in declared.items():
        but_time = [column for column in columns if column != "at"]
        if await table(ours, name, but_time) != await table(plain, name, but_time):
            return f"{name} is another with capture"
        if await replayed(ours, name) != await table(ours, name, columns):
            return f"the log of {name} is not the table"
    return None


async def test_the_log_replayed_is_the_table_and_applications_see_no_difference(
    postgres: PostgresServer,
) -> None:
    """Findings 7 and 12: a log of NEW is not the table."""
    assert await divergence(postgres, HISTORIES) is None


def as_new(self: Capture, row: str, key: str, into: str) -> str:
    """What a trigger finds if it believes NEW."""
    image_of_new = image(of("NEW"), self._columns)
    if row == "NEW":
        return f"{into} := {image_of_new};"
    same = f"TG_OP = 'UPDATE' AND {image(of('NEW'), self._table.key_names)} = {key}"
    return f"IF {same} THEN {into} := {image_of_new}; END IF;"


async def test_a_log_of_new_is_not_the_table(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Capture, "_reread", as_new)
    assert "the log of" in (await divergence(postgres, 100) or "")
