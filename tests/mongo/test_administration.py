"""A MongoDB database that others made: what is found there, installed, served and taken away again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from bson.objectid import ObjectId
from typer.testing import CliRunner

from livecollections import ConfigurationError, LiveClient
from livecollections.cli import cli
from livecollections.sidecar import Sidecar
from livecollections.stores.administrations import administration_of
from livecollections.stores.choice import open_store
from livecollections.survey import Survey, Wishes
from livecollections.testing import wait_until
from tests.serving import served

from .server import PATIENCE, client, database_url

SINCE = datetime(2024, 1, 2, tzinfo=UTC)
CUSTOMERS = [
    {"name": "Ada", "email": "a@example.org", "password": "hush", "points": 3, "since": SINCE},
    {"name": "Bob", "points": 2.5, "tags": ["x"], "class": "gold", "odd": 1, "a.b": 1},
    {"name": "Eve", "points": 1, "odd": "one"},
]  # fmt: skip


@pytest.fixture
def url() -> Iterator[str]:
    url = database_url()
    with client(url) as connected:
        database = connected.get_default_database()
        database["customers"].insert_many([dict(one) for one in CUSTOMERS])
        database["cities"].insert_one({"_id": "Graz", "people": 3})
        database["mixed"].insert_many([{"_id": 1}, {"_id": "one"}])
        database.command("create", "view", viewOn="customers", pipeline=[])
    yield url
    with client(url) as connected:
        connected.drop_database(connected.get_default_database().name)


@asynccontextmanager
async def serving(url: str, wishes: Wishes) -> AsyncIterator[str]:
    administration = administration_of(url)
    survey = Survey(administration, open_store(url))
    sidecar = Sidecar(url, administration, survey, await survey.choose(wishes), wishes)
    async with served(sidecar) as address:
        yield address


async def test_collections_are_read_from_what_documents_hold(url: str) -> None:
    found = {one.name: one for one in await administration_of(url).reflect()}
    assert list(found) == ["cities", "customers", "mixed", "view"]
    assert found["view"].reason == "it is a view"
    assert "keys" in found["mixed"].reason
    model: Any = found["customers"].model
    types = {info.alias: info.annotation for info in model.model_fields.values()}
    assert types == {
        "_id": ObjectId | None, "name": str | None, "email": str | None, "password": str | None, "points": float | None,
        "since": datetime | None, "tags": Any | None, "class": str | None, "odd": Any | None,
    }  # fmt: skip
    with pytest.raises(ConfigurationError, match="no collection 'nothing'"):
        await administration_of(url).reflect(["nothing"])


async def test_a_database_is_served_with_no_code(url: str) -> None:
    async with serving(url, Wishes(writes=True)) as address, httpx.AsyncClient(base_url=address) as http:
        shown = (await http.get("/api/customers", params={"sort": "name"})).json()
        assert [one["name"] for one in shown] == ["Ada", "Bob", "Eve"]
        assert "password" not in shown[0]
        assert shown[0]["since"] == "2024-01-02T00:00:00Z"
        assert (await http.get("/api/mixed")).status_code == 404
        created = await http.post("/api/cities", json={"_id": "Linz", "people": 4})
        assert created.status_code == 201, created.text
        async with (
            LiveClient(address) as connected,
            connected.collection("/api/cities", key="_id") as cities,
        ):
            with client(url) as stranger:
                stranger.get_default_database()["cities"].update_many({}, {"$inc": {"people": 1}})
            await wait_until(lambda: sorted(one["people"] for one in cities) == [4, 5], PATIENCE)


def command(*words: str) -> str:
    """What a command prints."""
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_it_is_installed_and_taken_away_by_command(url: str) -> None:
    script = command("install", url, "--sql", "--table", "cities")
    assert 'db.createCollection("live_meta")' in script
    assert 'db.runCommand({collMod: "cities", changeStreamPreAndPostImages: {enabled: true}})' in script
    with client(url) as connected:
        names = connected.get_default_database().list_collection_names
        assert not [name for name in names() if name.startswith("live_")]
        assert command("install", url, "--table", "cities") == "installed\n"
        assert "live_meta" in names()
        assert command("install", url, "--sql", "--table", "cities").strip() == ""
        assert len(command("new-epoch", url).strip()) == 8
        command("uninstall", url, "--yes")
        assert not [name for name in names() if name.startswith("live_")]
        assert connected.get_default_database()["cities"].count_documents({}) == 1


def test_no_password_is_told() -> None:
    told = administration_of("mongodb://ann:secret@host:27017/shop?authSource=admin").database
    assert told == "mongodb://host:27017/shop"
