"""The stores that the port's suite runs on. Another store joins by another rig."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from livecollections.source import Source
from livecollections.stores.base import Log, Store
from livecollections.stores.sqlite import SQLiteStore

from .models import Everything, Line, Tag, Ticket, Todo

MODELS = (Todo, Tag, Ticket, Everything, Line)


class SQLiteRig:
    """A store on a file, and a way to write past it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = self.another()
        self.sources: dict[type, Source] = {}

    def another(self, **options: Any) -> SQLiteStore:
        """Another store on the same database."""
        return SQLiteStore(f"sqlite:///{self.path}", **options)

    async def start(self, store: Store | None = None) -> None:
        """Start a store with all models."""
        store = store or self.store
        self.sources = {
            model: store.describe(model, exclude=("secret",) if model is Everything else ())
            for model in MODELS
        }
        await store.start(list(self.sources.values()))

    def foreign(self, *statements: str, pragmas: tuple[str, ...] = ()) -> None:
        """Write as another program does, in one transaction."""
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=5)
        try:
            for pragma in pragmas:
                connection.execute(pragma)
            connection.execute("BEGIN IMMEDIATE")
            for statement in statements:
                connection.execute(statement)
            connection.execute("COMMIT")
        finally:
            connection.close()


RIGS: dict[str, Callable[[Path], SQLiteRig]] = {"sqlite": lambda path: SQLiteRig(path / "live.db")}


@pytest.fixture(params=RIGS)
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SQLiteRig]:
    """A started store."""
    found = RIGS[request.param](tmp_path)
    await found.start()
    yield found
    await found.store.stop()


@pytest.fixture
def short_log() -> Log:
    """A log that keeps three entries."""
    return Log(changes=3)
