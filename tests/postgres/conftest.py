"""The servers that tests of stores share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .server import PostgresServer, server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, for as long as tests run."""
    with server() as running:
        yield running
