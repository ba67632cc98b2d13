"""Links of Beanie's documents are relations; what has no form in documents is refused at start."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from beanie import BackLink, Document, Link
from bson.dbref import DBRef
from bson.objectid import ObjectId
from pydantic import BaseModel, Field

from livecollections import ConfigurationError, Live, LiveClient
from livecollections.stores.mongo_models import describe
from tests.serving import served

from .server import PATIENCE, database_url
from .server import client as mongo_client


class Author(Document):
    name: str

    class Settings:
        name = "authors"


class Book(Document):
    title: str
    author: Link[Author]
    editor: Link[Author] | None = None

    class Settings:
        name = "books"


class Shelf(Document):
    books: list[Link[Book]]


class Reader(Document):
    shelf: BackLink[Shelf] = Field(json_schema_extra={"original_field": "reader"})


class Place(BaseModel):
    row: int
    column: int


class Seat(BaseModel):
    class Settings:
        name = "seats"

    place: Place = Field(alias="_id")


class Thing(BaseModel):
    class Settings:
        name = "things"

    id: Any


async def test_a_link_is_shown_as_a_key_and_populated() -> None:
    url = database_url()
    live = Live(url)
    live.add_resource("/api/authors", Author)
    live.add_resource("/api/books", Book)
    async with (
        served(live.app) as address,
        httpx.AsyncClient(base_url=f"{address}/api") as http,
        LiveClient(address) as client,
        client.collection("/api/books", key="_id") as books,
    ):
        ann = (await http.post("/authors", json={"name": "Ann"})).json()
        made = await http.post("/books", json={"title": "Milk", "author": ann["_id"]})
        assert made.status_code == 201, made.text
        book = made.json()
        assert (book["author"], book["editor"]) == (ann["_id"], None)
        whole = (await http.get("/books", params={"populate": "author,editor"})).json()
        assert [(each["author"], each["editor"]) for each in whole] == [(ann, None)]
        key = ObjectId()
        with mongo_client(url) as connected:
            stored = connected.get_default_database()["books"]
            assert (stored.find_one({}) or {})["author"] == DBRef("authors", ObjectId(ann["_id"]))
            # As Beanie stores it, and as Mongoose does.
            stored.insert_one({"title": "Eggs", "author": DBRef("authors", key), "editor": key})
        await books.wait_until(lambda held: len(held) == 2, timeout=PATIENCE)
        assert {(each["title"], each["author"], each["editor"]) for each in books} == {
            ("Milk", ann["_id"], None),
            ("Eggs", str(key), str(key)),
        }
        found = await http.get("/books", params={"conditions": json.dumps({"author": ann["_id"]})})
        assert [each["title"] for each in found.json()] == ["Milk"]
        changed = await http.patch(f"/books/{book['_id']}", json={"editor": ann["_id"]})
        assert changed.json()["editor"] == ann["_id"]
        assert (await http.patch(f"/books/{book['_id']}", json={"editor": "Ann"})).status_code == 422


async def test_a_change_of_a_document_inside_is_heard() -> None:
    url = database_url()
    live = Live(url)
    live.add_resource("/api/authors", Author)
    live.add_resource("/api/books", Book)
    async with served(live.app) as address, LiveClient(address) as client:
        with mongo_client(url) as connected:
            stored = connected.get_default_database()
            ann, bea = (stored["authors"].insert_one({"name": name}).inserted_id for name in ("Ann", "Bea"))
            stored["books"].insert_one({"title": "Milk", "author": DBRef("authors", ann)})
            asked = "/api/books?populate=author"
            async with client.collection(asked, key="_id") as books:

                def names() -> list[str | None]:
                    return [(book["author"] or {}).get("name") for book in books]

                assert names() == ["Ann"]
                stored["authors"].update_one({"_id": ann}, {"$set": {"name": "Eve"}})
                await books.wait_until(lambda held: names() == ["Eve"], timeout=PATIENCE)
                stored["books"].update_one({}, {"$set": {"author": DBRef("authors", bea)}})
                await books.wait_until(lambda held: names() == ["Bea"], timeout=PATIENCE)
                stored["authors"].delete_one({"_id": bea})
                await books.wait_until(lambda held: names() == [None], timeout=PATIENCE)
                assert books.live == "live"


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (Shelf, "books: of Beanie's links only"),
        (Reader, "shelf: of Beanie's links only"),
        (Seat, r"Seat\.place: a key of several fields"),
        (Thing, r"Thing\.id: a key of several fields"),
    ],
)
def test_what_has_no_form_in_documents_is_refused(model: type, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        describe(model, ())


def test_it_may_be_excluded() -> None:
    assert [column.attribute for column in describe(Shelf, ("books",)).columns] == ["id", "revision_id"]
