"""PostgreSQL as the conformance suite has it: a database of its own, and another program that writes to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from livecollections.stores.administration import Administration
from livecollections.stores.base import Store
from livecollections.stores.postgres import PostgresStore
from livecollections.stores.postgres_administration import PostgresAdministration
from livecollections.stores.postgres_triggers import digest
from livecollections.testing import StoreRig

from .server import END_ALL, PostgresServer, execute


class PostgresRig(StoreRig):
    """A database."""

    reaction = (
        "CREATE FUNCTION count_todos() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "UPDATE store_tag SET weight = weight + 1; INSERT INTO store_tag VALUES (NEW.title, 0); "
        'UPDATE store_todo SET "order" = 5 WHERE id = NEW.id; RETURN NULL; END $$',
        "CREATE TRIGGER count_todos AFTER INSERT ON store_todo FOR EACH ROW EXECUTE FUNCTION count_todos()",
    )

    harm: Mapping[str, tuple[str, ...]] = {
        "lost": ('DROP TRIGGER "!live_capture" ON store_todo',),
        "old": (
            f"CREATE OR REPLACE FUNCTION live_capture_{digest('store_todo')}() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RETURN NULL; END $$",
        ),
    }

    def __init__(self, url: str, server: PostgresServer) -> None:
        self.url = url
        self._server = server

    def open(self, **options: Any) -> Store:
        return PostgresStore(self.url, **options)

    def administration(self) -> Administration:
        return PostgresAdministration(self.url)

    def restart(self) -> None:
        self._server.stop()
        self._server.start()

    @contextmanager
    def sealed(self) -> Iterator[None]:
        """As hosts do to a database whose disk is full: it is told to take no writes, of new sessions."""
        (name,) = re.findall(r"/(\w+)\?", self.url)
        option = f"ALTER DATABASE {name} SET default_transaction_read_only"
        self.execute(f"{option} = on", END_ALL)
        try:
            yield
        finally:
            execute(f"{self.url}&default_transaction_read_only=off", f"{option} = off", END_ALL)

    def execute(self, *statements: str) -> None:
        execute(self.url, *statements)
