"""A captured database and a reader of its log, as tests of both have them: rows are the texts that the log keeps."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import sqlalchemy as sa

from livecollections.cause import Cause
from livecollections.change import Change
from livecollections.stores.base import Log
from livecollections.stores.gaps import Gaps
from livecollections.stores.postgres_capture import Capture
from livecollections.stores.postgres_catalog import Target
from livecollections.stores.postgres_images import PostgresImages
from livecollections.stores.postgres_log import PostgresLog
from livecollections.stores.postgres_triggers import SETTINGS
from livecollections.stores.sql import Field

NOW = time.time()
WITHIN = 20.0
"""Seconds in which what is waited for happens."""


def as_text(name: str) -> Field:
    """A field that shows what the log keeps."""
    return Field(name, sa.Column(name), lambda value: value, lambda value: value, True)


class Reader:
    """Reads a log from now on. changes: what it was told, in order."""

    def __init__(self, log: PostgresLog, position: str) -> None:
        self.log = log
        self.position = position
        self.changes: list[Change] = []

    async def read(self) -> list[Change]:
        """What has come since."""
        fresh: list[Change] = []
        more = True
        while more:
            batch = await self.log.read(self.position, 1_000)
            assert batch.lost is None, batch.lost
            assert all(change.seq > self.position for change in batch.changes)
            fresh += batch.changes
            self.position, more = batch.upto, batch.more
        self.changes += fresh
        return fresh

    async def follow(self) -> None:
        """Read on for ever."""
        while True:
            await self.log.wait_changed(self.position)
            await self.read()

    async def wait_until(self, is_there: Callable[[], bool]) -> None:
        """Read until what was read is as it should be."""
        async with asyncio.timeout(WITHIN):
            while not is_there():
                await self.log.wait_changed(self.position)
                await self.read()


@asynccontextmanager
async def connected(url: str, **settings: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of somebody else's."""
    connection = await asyncpg.connect(url, server_settings=settings)
    try:
        yield connection
    finally:
        await connection.close()


async def fresh_schema(url: str) -> str:
    """The URL of a schema of its own in a database, the first of the search path."""
    schema = f"s{secrets.token_hex(4)}"
    async with connected(url) as connection:
        await connection.execute(f"CREATE SCHEMA {schema}")
    return f"{url}&search_path={schema}"


def target(table: str, columns: Sequence[str] | None = None, schema: str | None = None) -> Target:
    """A table to capture, under its own name."""
    return Target(table, schema, table, None if columns is None else tuple(columns))


async def install(
    connection: asyncpg.Connection, *targets: Target, log: Log | None = None, **options: Any
) -> Capture:
    """Capture tables."""
    capture = Capture(log or Log(), targets, **options)
    async with connection.transaction():
        await capture.install(connection, time.time())
    return capture


@asynccontextmanager
async def reading(
    url: str,
    columns: Mapping[str, Sequence[str]],
    *,
    gaps: Callable[[int], Gaps] = Gaps,
    log: Log | None = None,
) -> AsyncIterator[Reader]:
    """A reader of tables that are captured. columns: of each, those shown; the first is its key."""
    images = PostgresImages(
        {table: {name: [as_text(name)] for name in names} for table, names in columns.items()}
    )
    keys = {table: [as_text(names[0])] for table, names in columns.items()}
    async with asyncpg.create_pool(url, min_size=1, max_size=3, server_settings=SETTINGS) as pool:
        found = PostgresLog(pool, log or Log(), images, keys, gaps)
        await found.start()
        try:
            yield Reader(found, await found.head())
        finally:
            await found.stop()


# --- what was captured -------------------------------------------------------------------------------------


async def told(
    connection: asyncpg.Connection, source: str = "todo"
) -> list[tuple[str, list[str], list[str] | None]]:
    """What the log says of a source."""
    rows = await connection.fetch(
        "SELECT method, key, after FROM live_changes WHERE source = $1 ORDER BY seq", source
    )
    return [(row["method"], row["key"], row["after"]) for row in rows]


async def methods(connection: asyncpg.Connection, source: str = "todo") -> list[str]:
    """The same, in short: methods, and why there were resets."""
    return [method if method != "RESET" else key[0] for method, key, _ in await told(connection, source)]


async def todo(connection: asyncpg.Connection, columns: str = "id int PRIMARY KEY, title text") -> Capture:
    """A table, captured."""
    await connection.execute(f"CREATE TABLE todo ({columns})")
    return await install(connection, target("todo"))


async def mended(
    connection: asyncpg.Connection, capture: Capture, cause: Cause, source: str = "todo"
) -> None:
    """Something is amiss, is put right with a RESET, and is sound then."""
    assert source in await capture.stale(connection, NOW)
    async with connection.transaction():
        assert await capture.install(connection, NOW)
    assert (await methods(connection, source))[-1] == cause
    assert await capture.stale(connection, NOW) == {}
