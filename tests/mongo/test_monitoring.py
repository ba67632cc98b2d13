"""What is told of MongoDB's log: its stream, the window of its oplog, and a server that is gone."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from bson.timestamp import Timestamp
from pydantic import BaseModel, Field
from pymongo import AsyncMongoClient

from livecollections import Live
from livecollections.stores.mongo_replay import oplog_size, size_of
from livecollections.testing import wait_until
from tests.serving import served

from .server import PATIENCE, REAL, Server, database_url


class Todo(BaseModel):
    class Settings:
        name = "todos"

    id: int = Field(alias="_id")
    title: str | None = None


async def test_health_is_of_the_stream_and_of_the_server() -> None:
    server = Server()
    try:
        live = Live(f"{server.url}/monitored?serverSelectionTimeoutMS=500")
        live.add_resource("/api/todos", Todo)
        async with served(live.app) as address, httpx.AsyncClient(base_url=address) as client:

            async def problems() -> list[str]:
                answer = await client.get("/live/health")
                found: list[str] = answer.json()["problems"]
                assert answer.status_code == (503 if found else 200)
                return found

            async def is_well() -> bool:
                return await problems() == []

            async def is_gone() -> bool:
                return "database" in await problems()

            await wait_until(is_well)
            assert (await client.post("/api/todos", json={"_id": 1, "title": "a"})).status_code == 201
            await wait_until(lambda: live.statistics().changes == {"/api/todos": 1}, PATIENCE)
            await wait_until(
                lambda: (log := live.statistics().log) is not None and log.head == live.statistics().seq
            )
            told = (await client.get("/live/health")).json()
            # The server of the tests counts no bytes of its oplog.
            assert (told["log"]["entries"], told["log"]["bytes"], told["log"]["uncaptured"]) == (
                None,
                None,
                0,
            )
            await asyncio.to_thread(server.stop)
            await wait_until(is_gone, PATIENCE)
            await asyncio.to_thread(server.start)
            await wait_until(is_well, PATIENCE)
    finally:
        await asyncio.to_thread(server.close)


@pytest.mark.parametrize(
    ("told", "size"),
    [
        ([{"storageStats": {"size": 1_048_576, "count": 7_000, "maxSize": 990_000_000}}], 1_048_576),
        ([{"storageStats": {"size": 5}}, {"storageStats": {"size": 6}}], 11),
        ([{"storageStats": {"size": 0, "count": 2}}], None),
        ([{}], None),
        ([], None),
    ],
)
def test_the_size_of_the_log_is_what_the_server_counts(told: list[dict[str, Any]], size: int | None) -> None:
    assert size_of(told) == size


async def test_the_size_of_the_log_is_told_where_the_server_counts_it() -> None:
    """SecantusDB answers in MongoDB's form, and counts the entries, but says 0 of their bytes."""
    url = database_url()
    async with AsyncMongoClient[dict[str, Any]](url) as client:
        database = client.get_default_database()
        try:
            await database.todos.insert_one({"title": "a"})
            answers = await client.local["oplog.rs"].aggregate([{"$collStats": {"storageStats": {}}}])
            [told] = await answers.to_list()
            assert told["storageStats"]["count"] > 0
            counted = told["storageStats"]["size"]
            assert (counted > 0) is bool(REAL)
            size = await oplog_size(database)
            assert size is None if not REAL else size is not None and size >= counted
        finally:
            await client.drop_database(database)


async def test_a_stream_is_late_until_it_tells_what_there_was() -> None:
    """It is asked about once at a time, so that one that tells nothing grows later and later."""
    server = Server()
    try:
        live: Any = Live(f"{server.url}/late")
        live.add_resource("/api/todos", Todo)
        async with live:
            await live._started.standing._watch.stop()  # it asks, too, by another clock
            tail = live._store._stream
            future = Timestamp(2**32 - 1, 1)
            tail._asked = None
            assert tail.late(future, 100.0) == 0.0
            assert tail.late(future, 105.0) == 4.0
            await wait_until(lambda: tail._asked is None, PATIENCE)
            assert tail.late(future, 106.0) == 0.0
    finally:
        await asyncio.to_thread(server.close)
