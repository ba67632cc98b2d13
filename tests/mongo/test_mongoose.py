"""The original stack's other half: a program with Mongoose writes, and the live collection hears all of it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from livecollections import LiveClient
from livecollections.testing import wait_until
from tests.node import Node, running
from tests.serving import served

from .server import PATIENCE, database_url
from .server import client as mongo_client
from .test_live import make

WRITER = Path(__file__).parent / "writer.mjs"
STEPS: dict[str, list[dict[str, Any]]] = {
    "create": [{"title": "created", "completed": False, "tags": ["a"]}],
    "save": [{"title": "saved", "tags": ["a", "b"]}],
    "insertMany": [{"title": "saved"}, {"title": "one"}, {"title": "two"}, {"title": "three"}],
    "updateMany": [
        {"title": "saved"},
        {"title": "one", "completed": True, "order": 2},
        {"title": "two", "completed": True},
        {"title": "three"},
    ],
    "bulkWrite": [{"title": "saved"}, {"title": "second"}, {"title": "third"}, {"title": "bulk"}],
    "findOneAndUpdate": [
        {"title": "saved"},
        {"title": "second"},
        {"title": "third"},
        {"title": "bulk"},
        {"title": "upserted", "completed": True},
    ],
    "deleteMany": [{"title": "saved"}, {"title": "bulk"}, {"title": "upserted"}],
    "deleteOne": [{"title": "bulk"}, {"title": "upserted"}],
}
"""What there is after each command, as far as it is told here."""


def is_shown(todos: Iterable[dict[str, Any]], expected: list[dict[str, Any]]) -> bool:
    """Whether these are all that a collection shows."""
    shown = {one["title"]: one for one in todos}
    return shown.keys() == {one["title"] for one in expected} and all(
        one.items() <= shown[one["title"]].items() for one in expected
    )


async def test_the_collection_hears_whatever_mongoose_writes() -> None:
    url = database_url()
    async with (
        served(make(url).app) as address,
        LiveClient(address) as client,
        client.collection("/api/todos", key="_id") as todos,
        running(Node, WRITER, url) as writer,
    ):
        await wait_until(lambda: writer.told("connected"), PATIENCE)
        for name, expected in STEPS.items():
            writer.send({"name": name})
            await wait_until(partial(writer.told, "done", name=name), PATIENCE)
            await wait_until(partial(is_shown, todos, expected), PATIENCE)
        with mongo_client(url) as connected:
            stored = {
                str(one["_id"]): one["title"] for one in connected.get_default_database()["todos"].find()
            }
        assert {one["_id"]: one["title"] for one in todos} == stored
