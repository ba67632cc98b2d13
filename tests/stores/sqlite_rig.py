"""SQLite as the conformance suite has it: a file, and another program that writes to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from livecollections.stores.administration import Administration
from livecollections.stores.base import Store
from livecollections.stores.sqlite import SQLiteStore
from livecollections.stores.sqlite_administration import SQLiteAdministration
from livecollections.testing import StoreRig


class SQLiteRig(StoreRig):
    """A file."""

    own_within = 0.015  # less than the interval in which others are noticed
    others_within = 0.05

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, **options: Any) -> Store:
        return SQLiteStore(f"sqlite:///{self.path}", **options)

    def administration(self) -> Administration:
        return SQLiteAdministration(f"sqlite:///{self.path}")

    def restart(self) -> None:
        """There is no server."""

    @contextmanager
    def sealed(self) -> Iterator[None]:
        """Who may do everything can make no file read-only for himself: SQLite is told to say what it says then."""
        writer = self.store._connections["write"]  # type: ignore[attr-defined]
        writer.execute("PRAGMA query_only = ON")
        try:
            yield
        finally:
            writer.execute("PRAGMA query_only = OFF")

    def execute(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.path, isolation_level=None, timeout=5)) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("BEGIN IMMEDIATE")
            for statement in statements:
                connection.execute(statement)
            connection.execute("COMMIT")
