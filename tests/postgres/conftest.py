"""The servers that tests of stores share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from livecollections.stores.postgres_triggers import SETTINGS

from .reading import connected, fresh_schema
from .server import PostgresServer, server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, for as long as tests run."""
    with server() as running:
        yield running


@pytest.fixture(scope="session")
def shared(postgres: PostgresServer) -> str:
    """A database that tests share: to make one takes a while."""
    return postgres.database()


@pytest.fixture
async def url(shared: str) -> str:
    """A schema of its own in that, the first of the search path."""
    return await fresh_schema(shared)


@pytest.fixture
async def connection(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody's connection to it."""
    async with connected(url, **SETTINGS) as found:
        yield found
