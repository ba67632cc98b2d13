"""Live on MongoDB: REST and push of Pydantic models and Beanie documents, whoever writes them."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
import pytest
from beanie import Document, Indexed, PydanticObjectId
from bson.objectid import ObjectId
from fastapi import Depends, FastAPI
from pydantic import BaseModel, ConfigDict, Field, computed_field, field_validator
from pymongo import AsyncMongoClient

from livecollections import ConfigurationError, Live, LiveClient
from livecollections.testing import wait_until
from tests.serving import served

from .server import PATIENCE, database_url
from .server import client as mongo_client


class Todo(Document):
    """As the original demo has it."""

    title: str
    completed: bool = False
    order: int | None = None
    owner: PydanticObjectId | None = None
    tags: list[str] = Field(default_factory=list)

    class Settings:
        name = "todos"

    @field_validator("title")
    @classmethod
    def check(cls, title: str) -> str:
        assert title != "forbidden"
        return title


class Note(BaseModel):
    """A plain model, whose key is called otherwise than it is stored."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    class Settings:
        name = "notes"

    id: ObjectId | None = None
    text: str

    @computed_field
    def size(self) -> int:
        return len(self.text)


class City(BaseModel):
    class Settings:
        name = "cities"

    name: str = Field(alias="_id")
    people: int = 0


class Counter(BaseModel):
    class Settings:
        name = "counters"

    id: int = Field(alias="_id")
    value: int = 0


def make(url: Any = None, **options: Any) -> Live:
    live = Live(database_url() if url is None else url, **options)
    live.add_resource("/api/todos", Todo)
    live.add_resource("/api/notes", Note)
    live.add_resource("/api/cities", City)
    live.add_resource("/api/counters", Counter)
    return live


@asynccontextmanager
async def client_of(live: Live) -> AsyncIterator[httpx.AsyncClient]:
    async with served(live.app) as address, httpx.AsyncClient(base_url=address) as client:
        yield client


async def test_documents_are_as_mongoose_shows_them() -> None:
    async with client_of(make()) as client:
        created = await client.post("/api/todos", json={"title": "milk", "owner": "5f" * 12})
        assert created.status_code == 201, created.text
        todo = created.json()
        assert ObjectId.is_valid(todo["_id"])
        assert todo == {
            "_id": todo["_id"], "title": "milk", "completed": False, "order": None, "owner": "5f" * 12, "tags": [],
        }  # fmt: skip
        assert created.headers["Location"].endswith(todo["_id"])
        one = await client.get(f"/api/todos/{todo['_id']}")
        assert one.json() == todo
        assert one.headers["Live-Seq"] > created.headers["Live-Seq"]
        put = await client.put(f"/api/todos/{todo['_id']}", json={**todo, "completed": True})
        assert put.json()["completed"] is True
        patched = await client.patch(f"/api/todos/{todo['_id']}", json={"tags": ["a"]})
        assert patched.json()["tags"] == ["a"]
        found = await client.get(
            "/api/todos", params={"conditions": json.dumps({"tags": "a", "_id": {"$in": [todo["_id"]]}})}
        )
        assert found.json() == [patched.json()]
        assert (await client.delete(f"/api/todos/{todo['_id']}")).status_code == 204
        assert (await client.get(f"/api/todos/{todo['_id']}")).status_code == 404


async def test_openapi_tells_what_a_key_is() -> None:
    async with client_of(make()) as client:
        described = (await client.get("/openapi.json")).json()
    todo = described["components"]["schemas"]["Todo"]
    assert "^[0-9a-f]{24}$" in json.dumps(todo["properties"]["_id"])


async def test_bad_input_changes_nothing() -> None:
    async with client_of(make()) as client:
        for body, status in (
            ({"title": "forbidden"}, 422),
            ({}, 422),
            ({"title": "x", "owner": "no id"}, 422),
            ({"title": "x", "_id": "5f" * 12}, 422),
            ({"title": "x", "unknown": 1}, 422),
        ):
            refused = await client.post("/api/todos", json=body)
            assert refused.status_code == status, refused.text
        assert (await client.get("/api/todos")).json() == []
        for path in ("/api/todos/5", "/api/todos/" + "g" * 24):
            assert (await client.get(path)).status_code in (400, 404)


@pytest.mark.parametrize(
    ("path", "body", "key", "name"),
    [
        ("/api/notes", {"text": "hi"}, None, "id"),
        ("/api/cities", {"_id": "Graz/a,b", "people": 3}, "Graz%2Fa%2Cb", "_id"),
        ("/api/counters", {"_id": 2**53 + 1}, str(2**53 + 1), "_id"),
    ],
)
async def test_keys_of_every_kind(path: str, body: dict[str, Any], key: str | None, name: str) -> None:
    async with client_of(make()) as client:
        created = await client.post(path, json=body)
        assert created.status_code == 201, created.text
        key = key or created.json()[name]
        one = await client.get(f"{path}/{key}")
        assert one.json() == created.json()
        if path == "/api/notes":
            assert one.json()["size"] == 2
        else:
            assert (await client.post(path, json=body)).status_code == 409
        assert (await client.delete(f"{path}/{key}")).status_code == 204


async def test_a_collection_follows_whoever_writes() -> None:
    url = database_url()
    async with (
        served(make(url).app) as address,
        LiveClient(address) as client,
        client.collection("/api/todos", key="_id") as todos,
    ):

        async def shows(*titles: str) -> None:
            await wait_until(lambda: sorted(todo["title"] for todo in todos) == sorted(titles), PATIENCE)

        with mongo_client(url) as connected:
            stored = connected.get_default_database()["todos"]
            stored.insert_many([{"title": "a"}, {"title": "b"}, {"title": "c"}])
            await shows("a", "b", "c")
            stored.update_many({"title": {"$ne": "a"}}, {"$set": {"title": "z"}})
            await shows("a", "z", "z")
            stored.delete_many({"title": "z"})
            await shows("a")
            stored.drop()
            await shows()
            stored.insert_one({"title": "again"})
            await shows("again")


async def test_a_create_knows_itself_by_its_origin() -> None:
    """Finding 16: an event of MongoDB's has no place for an origin."""
    live = make()
    heard: list[Any] = []
    async with served(live.app) as address, httpx.AsyncClient(base_url=address) as client:
        local = live.bayeux.local_client()
        await local.subscribe("/api/todos", heard.append)
        created = await client.post("/api/todos", json={"title": "milk"}, headers={"Live-Origin": "mine-1"})
        await wait_until(lambda: len(heard) == 1, PATIENCE)
    (message,) = heard
    assert message["origin"] == "mine-1"
    assert message["seq"] == created.headers["Live-Seq"]
    assert message["body"] == created.json()
    assert message["method"] == "POST"


def test_a_url_without_a_database_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="names no database"):
        Live("mongodb://localhost:27017")


class Message(Document):
    """Of a room, which is its partition."""

    room: str
    text: str
    slug: Annotated[str, Indexed(unique=True)]

    class Settings:
        name = "messages"


def rooms(url: str) -> Live:
    live = Live(url)
    live.add_resource("/api/rooms/{room}/messages", Message)
    live.add_resource("/api/messages", Message, find_by="slug", filters=["room"])
    return live


@pytest.mark.parametrize("images", [True, False])
async def test_a_delete_is_told_to_its_partition_or_to_all_of_them_as_reset(images: bool) -> None:
    """Without images nobody can say whose document it was: who has one reads again, and learns no key of another's."""
    url = database_url()
    live = rooms(url)
    heard: dict[str, list[Any]] = {"a": [], "b": []}
    async with served(live.app):
        local = live.bayeux.local_client()
        for room, told in heard.items():
            await local.subscribe(f"/api/rooms/{room}/messages", told.append)
        with mongo_client(url) as connected:
            database = connected.get_default_database()
            database.command("collMod", "messages", changeStreamPreAndPostImages={"enabled": images})
            key = database["messages"].insert_one({"room": "a", "text": "hi", "slug": "hi"}).inserted_id
            await wait_until(lambda: len(heard["a"]) == 1, PATIENCE)
            whole: list[Any] = []
            await local.subscribe("/api/messages", whole.append)
            database["messages"].delete_one({"_id": key})
        await wait_until(lambda: len(heard["a"]) == 2 and whole, PATIENCE)
        methods = {room: [message["method"] for message in told] for room, told in heard.items()}
        assert methods == (
            {"a": ["POST", "DELETE"], "b": []} if images else {"a": ["POST", "RESET"], "b": ["RESET"]}
        )
        assert whole[0]["method"] == "DELETE"
        assert whole[0]["body"] == (
            {"_id": str(key), "room": "a", "text": "hi", "slug": "hi"} if images else {"_id": str(key)}
        )


async def test_a_unique_field_of_beanies_names_documents() -> None:
    async with client_of(rooms(database_url())) as client:
        await client.post("/api/messages", json={"room": "a", "text": "hi", "slug": "first"})
        assert (await client.get("/api/messages/first")).json()["text"] == "hi"
        assert (await client.get("/api/rooms/a/messages")).json()[0]["slug"] == "first"
        assert (await client.get("/api/rooms/b/messages")).json() == []
        found = await client.get("/api/messages", params={"conditions": '{"room": {"$in": ["a", "b"]}}'})
        assert len(found.json()) == 1


async def test_a_session_of_a_request_stamps_what_it_commits(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "livecollections.store")
    url = database_url()
    connected: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(url)
    live = make(connected.get_default_database())
    app = FastAPI()
    live.mount(app)
    heard: list[Any] = []
    listened: list[str] = []

    @app.post("/import")
    async def bring(session: Any = Depends(live.session)) -> None:
        todos = connected.get_default_database()["todos"]
        await todos.insert_many([{"title": "a"}, {"title": "b"}], session=session)

    @live.on(Todo, "create")
    async def hear(change: Any) -> None:
        listened.append(change.after["title"])

    async with served(app) as address, httpx.AsyncClient(base_url=address) as client:
        await live.bayeux.local_client().subscribe("/api/todos", heard.append)
        done = await client.post("/import", headers={"Live-Origin": "mine"})
        assert done.status_code == 200, done.text
        await wait_until(lambda: len(heard) == 2 and len(listened) == 2, PATIENCE)
        documents, seq = await live.snapshot(Todo)
    assert [message.get("origin") for message in heard] == ["mine", None]
    assert seq > heard[1]["seq"]
    told = [record.__dict__ for record in caplog.records if record.getMessage().startswith("committed seq=")]
    assert [(one["seq"], one["by"]) for one in told] == [(message["seq"], "session") for message in heard]
    assert [one["title"] for one in documents] == listened == ["a", "b"]
    assert (await connected.admin.command("ping"))["ok"], "a client of the user's stays open"
    await connected.close()


async def test_lists_go_on_in_pages_and_hear_what_changes_between() -> None:
    live = Live(database_url())
    live.add_resource("/api/counters", Counter, limit=(3, 10), sort="-value")
    async with client_of(live) as client:
        bodies = [{"_id": number, "value": number // 2} for number in range(8)]
        created = await client.post("/api/counters", json=bodies)
        assert created.status_code == 201, created.text
        keys, url = [], "/api/counters"
        while url:
            page = await client.get(url)
            assert page.status_code == 200, (url, page.text)
            keys += [one["_id"] for one in page.json()]
            following = page.links.get("next")
            url = str(page.url.join(following["url"])) if following else ""
        assert keys == [6, 7, 4, 5, 2, 3, 0, 1]
        assert (await client.get("/api/counters", params={"count": "true"})).json() == 8
        assert sorted((await client.get("/api/counters", params={"distinct": "value"})).json()) == [
            0,
            1,
            2,
            3,
        ]


async def test_the_last_changes_are_read_from_the_log() -> None:
    live = make()
    async with client_of(live) as client:
        written = [await client.post("/api/notes", json={"text": text}) for text in "abc"]
        feed = live._require_start().feed
        await wait_until(lambda: len(feed.recent) == 3, PATIENCE)
        found = await feed.last_changes()
        assert [change.seq for change in found] == [answer.headers["live-seq"] for answer in written]
        assert await feed.last_changes(found[0].seq) == found[1:]
