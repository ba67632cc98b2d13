"""MongoDB as the conformance suite has it: a database, and another program that writes to it.

The suite's other programs speak SQL; what they say is said here in MongoDB's words.
"""

from __future__ import annotations

import datetime
import decimal
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, Field

from livecollections.stores.administration import Administration
from livecollections.stores.base import Store
from livecollections.stores.mongo import MongoStore
from livecollections.stores.mongo_administration import MongoAdministration
from livecollections.testing import StoreRig
from livecollections.testing.stores import models as sql

from .server import client, database_url, restart

_numbers: Callable[[], int] = lambda: 0  # noqa: E731


def next_number() -> int:
    """The key of the next todo of this rig."""
    return _numbers()


class Todo(BaseModel):
    class Settings:
        name = "store_todo"

    id: int = Field(alias="_id", default_factory=next_number)
    title: str
    completed: bool = False
    order: int | None = None


class Tag(BaseModel):
    class Settings:
        name = "store_tag"

    name: str = Field(alias="_id")
    weight: float = 1.0


class Ticket(BaseModel):
    class Settings:
        name = "store_ticket"

    id: uuid.UUID = Field(default_factory=uuid.uuid4)
    note: str = "none"


class Everything(BaseModel):
    class Settings:
        name = "store everything"

    place: int = Field(alias="_id", default_factory=next_number)
    text: str | None = Field(None, alias='te"xt')
    number: float | None = None
    price: decimal.Decimal | None = None
    flag: bool | None = None
    day: datetime.date | None = None
    moment: datetime.datetime | None = None
    colour: sql.Colour | None = None
    blob: bytes | None = None
    data: Any = None
    ticket: uuid.UUID | None = None
    changed: int = 0
    secret: str | None = None


MODELS: dict[type, type[BaseModel]] = {
    sql.Todo: Todo,
    sql.Tag: Tag,
    sql.Ticket: Ticket,
    sql.Everything: Everything,
}


class MongoRig(StoreRig):
    """A database, known to the suite by its own models."""

    own_within = 0.5
    others_within = 0.5
    harm: Mapping[str, tuple[str, ...]] = {"lost": ("ALTER TABLE store_todo DISABLE TRIGGER ALL",)}

    def __init__(self, url: str | None = None) -> None:
        global _numbers
        self.url = url or database_url()
        self.last = 0
        _numbers = self._number
        with client(self.url) as connected:
            connected.get_default_database()["store_todo"].create_index("title", unique=True)

    def _number(self) -> int:
        self.last += 1
        return self.last

    def open(self, **options: Any) -> Store:
        return MongoStore(self.url, **options)

    def administration(self) -> Administration:
        return MongoAdministration(self.url)

    def restart(self) -> None:
        restart()

    async def start(self, store: Store | None = None) -> None:
        if store is None:
            store = self.store = self.open()
        self.sources = {
            model: store.describe(own, exclude=("secret",) if own is Everything else ())
            for model, own in MODELS.items()
        }
        await store.start(list(self.sources.values()))

    async def settle(self) -> None:
        """Write a mark, and wait until the stream has told it."""
        async with self.store.session(committed=lambda seq: None):
            pass

    def execute(self, *statements: str) -> None:
        with client(self.url) as connected:
            database = connected.get_default_database()
            for statement in statements:
                self._one(database, statement)

    def _one(self, database: Any, statement: str) -> None:
        if found := re.fullmatch(r"DROP TABLE (\w+)", statement):
            database[found[1]].drop()
        elif found := re.fullmatch(r"ALTER TABLE (\w+) DISABLE TRIGGER ALL", statement):
            database.command("collMod", found[1], changeStreamPreAndPostImages={"enabled": False})
        elif found := re.fullmatch(r"INSERT INTO (\w+) \(([\w, ]+)\) VALUES \((.+)\)", statement):
            values = dict(zip(found[2].split(", "), map(_value, found[3].split(", ")), strict=True))
            database[found[1]].insert_one({"_id": self._number(), **values})
        elif found := re.fullmatch(r'UPDATE "?([\w ]+?)"? SET "?(\w+)"? = (\S+)(?: WHERE (.+))?', statement):
            database[found[1]].update_many(_where(found[4]), {"$set": {found[2]: _value(found[3])}})
        elif found := re.fullmatch(r"DELETE FROM (\w+)(?: WHERE (.+))?", statement):
            database[found[1]].delete_many(_where(found[2]))
        else:
            raise ValueError(f"MongoDB has no word for {statement}")


def _value(text: str) -> Any:
    if text in ("TRUE", "FALSE"):
        return text == "TRUE"
    return text[1:-1] if text.startswith("'") else int(text)


def _where(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    if found := re.fullmatch(r"id % (\d+) = (\d+)", text):
        return {"_id": {"$mod": [int(found[1]), int(found[2])]}}
    if found := re.fullmatch(r"id = (\d+)", text):
        return {"_id": int(found[1])}
    raise ValueError(f"MongoDB has no word for {text}")
