"""A store on PostgreSQL with the tables of ``things``, and what tests of writes say often."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from livecollections.change import Change, Row
from livecollections.query import Query
from livecollections.source import Source
from livecollections.stores.base import Write, Written
from livecollections.stores.postgres import PostgresStore

from .server import run_elsewhere


@dataclass
class Writing:
    """A store that is started."""

    url: str
    store: PostgresStore
    sources: dict[type, Source]

    def creation(self, model: type, values: dict[str, Any], **options: Any) -> Write:
        """The write that inserts a row."""
        return Write(self.sources[model], None, lambda row: values, **options)

    async def create(self, model: type, values: dict[str, Any], **options: Any) -> Written:
        """Insert a row."""
        return await self.store.write(self.creation(model, values, **options))

    async def change(self, model: type, key: Any, values: dict[str, Any] | None, **options: Any) -> Written:
        """Update a row, or delete it."""
        return await self.store.write(Write(self.sources[model], (key,), lambda row: values, **options))

    async def rows(self, model: type, **options: Any) -> list[Row]:
        """The rows of a query."""
        return (await self.store.find(self.sources[model], Query(**options))).rows

    async def changes(self, after: str) -> list[Change]:
        """What the log tells after a seq."""
        return (await self.store.read(after, 1000)).changes

    async def run(self, *statements: str) -> None:
        """Run statements as another program does."""
        await run_elsewhere(self.url, *statements)


@asynccontextmanager
async def writing(url: str, *models: type, **options: Any) -> AsyncIterator[Writing]:
    """Start a store with some models."""
    store = PostgresStore(url, **options)
    sources = {model: store.describe(model) for model in models}
    await store.start(list(sources.values()))
    try:
        yield Writing(url, store, sources)
    finally:
        await store.stop()


@asynccontextmanager
async def stranger(url: str) -> AsyncIterator[Any]:
    """Another program's connection, in a transaction that is undone at the end if it is still open."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("BEGIN")
        yield connection
    finally:
        await connection.close()
