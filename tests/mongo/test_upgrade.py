"""MongoDB databases of earlier versions open with this one, with all that they hold; newer ones are refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from bson import json_util

from livecollections import ConfigurationError
from livecollections.stores.administrations import administration_of
from tests.upgrade.opening import is_reset_once, is_whole, kept, read, resumed
from tests.upgrade.shop import STRANGER, Shop

from .server import REAL, Server, client, database_url


@pytest.fixture
def url() -> Iterator[str]:
    """On a server that has not told much yet: SecantusDB's looks through all of it for a place as old as a dump's."""
    server = None if REAL else Server()
    try:
        url = database_url(server)
        yield url
        with client(url) as connected:
            connected.drop_database(connected.get_default_database().name)
    finally:
        if server is not None:
            server.close()


def restore(url: str, text: str) -> None:
    """Put collections back as ``mongorestore`` does."""
    with client(url) as connected:
        database = connected.get_default_database()
        kept: dict[str, Any] = json_util.loads(text)
        for name, collection in kept.items():
            database.create_collection(name, **collection["options"])
            if collection["documents"]:
                database[name].insert_many(collection["documents"])


@pytest.mark.parametrize("version", kept("mongo"))
async def test_a_restored_database_resets_once_and_loses_nothing(version: str, url: str) -> None:
    """The log is the oplog, which no dump has."""
    text, told = read(version, "mongo", "json")
    restore(url, text)
    assert is_reset_once(await resumed(Shop(url), told, key="_id"))


async def test_a_database_without_a_format_gets_one_and_its_clients_resume(url: str) -> None:
    shop = Shop(url)
    async with shop.live:
        told = await shop.play()
    with client(url) as connected:
        database = connected.get_default_database()
        assert database["live_meta"].delete_one({"_id": "format"}).deleted_count == 1
        database["product"].insert_one(
            {("_id" if name == "id" else name): each for name, each in STRANGER.items()}
        )
        assert is_whole(await resumed(Shop(url), told, key="_id"), told)
        assert database["live_meta"].find_one({"_id": "format"}) == {
            "_id": "format", "format": 1, "since": "0.1.0",
        }  # fmt: skip


async def test_a_log_of_a_newer_version_is_refused_and_left_as_it_is(url: str) -> None:
    async with Shop(url).live:
        pass
    with client(url) as connected:
        meta = connected.get_default_database()["live_meta"]
        meta.update_one({"_id": "format"}, {"$set": {"format": 2, "since": "7.1.0"}})
        before = list(meta.find())
        refused = r"format 2, which livecollections 7\.1\.0 and newer know"
        with pytest.raises(ConfigurationError, match=refused):
            await Shop(url).live.__aenter__()
        administration = administration_of(url)
        for act in (administration.install, administration.uninstall, administration.new_epoch):
            with pytest.raises(ConfigurationError, match=refused):
                await act()
        assert list(meta.find()) == before
