"""The application whose databases are kept, one for each version: its models, and what was done there.

It runs under earlier versions, too: it uses nothing but what they had, and learns all from what REST answers.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx
import sqlalchemy as sa
from pydantic import BaseModel
from pydantic import Field as PydanticField
from sqlmodel import Field, SQLModel

from livecollections import Live

PATH = "/api/products"
LISTENER = "stock"
"""The durable listener."""
STRANGER = {"id": 4, "name": "by hand", "price": 2.5, "stock": 1, "note": "a; b % c"}
"""What another program writes once the application has ended, under the next key."""


class Product(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    price: float = 0.1
    stock: int = Field(default=0, sa_type=sa.BigInteger)
    made: datetime | None = None
    note: str | None = None


class Ware(BaseModel):
    """The same in MongoDB."""

    class Settings:
        name = "product"

    id: int = PydanticField(alias="_id")
    name: str
    price: float = 0.1
    stock: int = 0
    made: datetime | None = None
    note: str | None = None


class Shop:
    """The application on a database. heard: by its durable listener, oldest first."""

    def __init__(self, url: str, **options: Any) -> None:
        self.is_mongo = url.startswith("mongodb")
        self.model = Ware if self.is_mongo else Product
        self.live = Live(url, **options)
        self.live.add_resource(PATH, self.model)
        self.heard: list[Any] = []

    def listen(self) -> None:
        """Have the durable listener hear each change, and the RESET that stands for those that it can't be told."""
        self.live.on(self.model, "create", "update", "delete", "reset", durable=LISTENER)(self.heard.append)

    async def play(self) -> list[dict[str, Any]]:
        """Write through REST; the answer is what a client was told of it, in order: method, body and seq."""
        transport = httpx.ASGITransport(app=self.live.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            author = Author(client, "_id" if self.is_mongo else None)
            await author.write("POST", 1, {"name": "milk", "price": 0.1, "stock": 3})
            await author.write(
                "POST", 2, {"name": "bread; %3b", "price": 1e-7, "made": "2026-01-02T03:04:05Z"}
            )
            await author.write("PATCH", 2, {"stock": 2**60, "note": "ünï\ncode"})
            await author.write("POST", 3, {"name": "", "price": 3.0000000000000004})
            await author.write("DELETE", 1)
            await author.write("PATCH", 3, {"note": None, "price": -0.5})
        return author.told


class Author:
    """Writes, and keeps what it was told. key: where it gives a new document's; None: the database makes it."""

    def __init__(self, client: httpx.AsyncClient, key: str | None) -> None:
        self.told: list[dict[str, Any]] = []
        self._client = client
        self._key = key
        self._shown: dict[int, Any] = {}

    async def write(self, verb: str, place: int, body: dict[str, Any] | None = None) -> None:
        """Write the document of that key."""
        path = PATH if verb == "POST" else f"{PATH}/{place}"
        if verb == "POST" and self._key and body is not None:
            body = {self._key: place, **body}
        answer = await self._client.request(verb, path, json=body)
        assert answer.status_code in (200, 201, 204), answer.text
        if verb != "DELETE":
            self._shown[place] = answer.json()
        method = "PUT" if verb == "PATCH" else verb
        self.told.append({"method": method, "body": self._shown[place], "seq": answer.headers["Live-Seq"]})
