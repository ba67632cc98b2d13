"""What `doctor` and `log` say of a MongoDB database, and that a new epoch ends what was read before."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from bson.objectid import ObjectId
from pydantic import BaseModel, ConfigDict, Field

from livecollections import ConfigurationError, Live
from livecollections.live import examine
from livecollections.stores.administrations import administration_of
from livecollections.testing import wait_until
from tests.serving import served

from .server import client, database_url


class Note(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    class Settings:
        name = "notes"

    id: ObjectId | None = Field(None, alias="_id")
    text: str


@pytest.fixture
def url() -> Iterator[str]:
    url = database_url()
    with client(url) as connected:
        connected.get_default_database().create_collection("notes")
    yield url
    with client(url) as connected:
        connected.drop_database(connected.get_default_database().name)


@pytest.fixture
async def kept(url: str) -> str:
    """A database with a collection that is captured, and three entries."""
    await administration_of(url).install()
    with client(url) as connected:
        notes = connected.get_default_database()["notes"]
        notes.insert_one({"_id": 1, "text": "x"})
        notes.update_one({"_id": 1}, {"$set": {"text": "y"}})
        notes.delete_one({"_id": 1})
    return url


async def test_all_is_well_as_installed_and_nothing_is_changed(kept: str) -> None:
    with client(kept) as connected:
        names = sorted(connected.get_default_database().list_collection_names())
        found = {one.subject: one for one in await administration_of(kept).examine()}
        assert names == sorted(connected.get_default_database().list_collection_names())
    assert not [one for one in found.values() if one.advice]
    assert list(found) == ["MongoDB", "log", "images", "retention", "wake-up"]
    assert found["images"].told == "kept of notes"


async def test_what_is_to_be_done_is_told(url: str) -> None:
    advised = {one.subject for one in await administration_of(url).examine() if one.advice}
    assert advised == {"log", "images"}
    live = Live(url)
    live.add_resource("/api/notes", Note)
    assert "notes: they are not kept" in [one.told for one in await examine(live)]
    with pytest.raises(ConfigurationError, match="no change log"):
        _ = [change async for change in administration_of(url).changes()]


async def test_the_log_is_told_and_followed(kept: str) -> None:
    administration = administration_of(kept)
    found = [change async for change in administration.changes()]
    assert [(one.source, one.method, one.key) for one in found] == [
        ("notes", "POST", (1,)), ("notes", "PUT", (1,)), ("notes", "DELETE", (1,)),
    ]  # fmt: skip
    assert found[1].after == {"_id": 1, "text": "y"}
    assert [one async for one in administration.changes(found[1].seq)] == found[2:]
    following = administration.changes(found[-1].seq, follow=True)
    later = asyncio.ensure_future(anext(following))
    with client(kept) as connected:
        connected.get_default_database()["notes"].insert_one({"_id": 2, "text": "later"})
    assert (await asyncio.wait_for(later, 10)).after == {"_id": 2, "text": "later"}
    await following.aclose()  # type: ignore[attr-defined]


async def test_a_since_that_names_no_entry_is_refused(kept: str) -> None:
    administration = administration_of(kept)
    old, *_ = [change.seq async for change in administration.changes()]
    for since, cause in (
        ("x", "not-a-seq"),
        (f"{old[:8]}{'f' * 22}", "beyond-end"),
        (f"{old[:-6]}00fff0", "no-entry"),
    ):
        with pytest.raises(ConfigurationError, match=f"since: .*{cause}"):
            _ = [change async for change in administration.changes(since)]
    await administration.new_epoch()
    with pytest.raises(ConfigurationError, match="other-epoch"):
        _ = [change async for change in administration.changes(old)]
    assert [change async for change in administration.changes()] == []


async def test_a_write_is_told_on_its_whole_way(kept: str, caplog: pytest.LogCaptureFixture) -> None:
    live = Live(kept)
    live.add_resource("/api/notes", Note)
    caplog.set_level("DEBUG", "livecollections")
    async with served(live.app) as address, httpx.AsyncClient(base_url=address) as http:
        seq = (await http.post("/api/notes", json={"text": "z"})).headers["Live-Seq"]
        steps = [f"{step} seq={seq}" for step in ("committed", "read", "published")]
        await wait_until(lambda: all(step in caplog.text for step in steps), 5)
