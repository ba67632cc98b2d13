"""PostgreSQL as the conformance suite has it: a database of its own, and another program that writes to it."""

from __future__ import annotations

from typing import Any

from livecollections.stores.base import Store
from livecollections.stores.postgres import PostgresStore
from livecollections.testing import StoreRig

from .server import execute


class PostgresRig(StoreRig):
    """A database."""

    reaction = (
        "CREATE FUNCTION count_todos() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "UPDATE store_tag SET weight = weight + 1; INSERT INTO store_tag VALUES (NEW.title, 0); "
        'UPDATE store_todo SET "order" = 5 WHERE id = NEW.id; RETURN NULL; END $$',
        "CREATE TRIGGER count_todos AFTER INSERT ON store_todo FOR EACH ROW EXECUTE FUNCTION count_todos()",
    )

    def __init__(self, url: str) -> None:
        self.url = url

    def open(self, **options: Any) -> Store:
        return PostgresStore(self.url, **options)

    def execute(self, *statements: str) -> None:
        execute(self.url, *statements)
