"""Streams over plain HTTP where not all see alike, and of one document: by a real server, as ``curl -N`` reads them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx
import pytest

from livecollections import Live
from livecollections.rest import stream as streams
from tests.databases.database import Database
from tests.rest.test_stream import Blocks, blocks, following
from tests.serving import served, wait_until

from .conftest import Sheet, User, Users

SHEETS = "/api/sheets"


class Served:
    """A served Live with users, and its database."""

    def __init__(self, live: Live, address: str, database: Database, users: Users) -> None:
        self.live, self.address, self.database, self.users = live, address, database, users

    @asynccontextmanager
    async def listen(self, token: str | None, path: str, **headers: str) -> AsyncIterator[Blocks]:
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        asked = {"Accept": "text/event-stream", **bearer, **headers}
        async with (
            httpx.AsyncClient(base_url=self.address, timeout=10) as client,
            client.stream("GET", path, headers=asked) as answer,
        ):
            assert answer.status_code == 200, await answer.aread()
            async with aclosing(blocks(answer)) as found:
                yield found

    async def status(self, token: str | None, path: str) -> int:
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        async with (
            httpx.AsyncClient(base_url=self.address) as client,
            client.stream("GET", path, headers={"Accept": "text/event-stream", **bearer}) as answer,
        ):
            return answer.status_code

    async def settled(self) -> None:
        """Return when all that is in the log has been published."""
        end = await self.database.end(self.live._store)
        await wait_until(lambda: self.live._require_start().feed.position() >= end)


@pytest.fixture
async def site(database: Database) -> AsyncIterator[Served]:
    users = Users()
    live = database.live(authenticate=users)
    live.add_resource(SHEETS, Sheet, partition="owner", by=lambda user: user.id)
    live.add_resource("/api/plans", Sheet, hidden={"secret": lambda user: not user.is_boss}, policy=is_known)
    live.add_resource("/api/own", Sheet, partition="owner", by=lambda user: user.id, policy=True)
    live.add_resource("/api/quiet", Sheet, policy={"list": True, "read": True, "subscribe": False})
    async with served(live.app) as address:
        yield Served(live, address, database, users)


def is_known(user: Any) -> bool:
    return user is not None


async def test_a_stream_is_of_ones_own_partition(site: Served) -> None:
    async with site.listen("ann", SHEETS) as found:
        await following(found)
        site.database.insert(Sheet, {"title": "his", "owner": 2}, {"title": "hers", "owner": 1})
        assert (await following(found))["data"]["body"]["title"] == "hers"
        site.database.update(Sheet, {"owner": 2})
        assert (await following(found))["data"]["method"] == "DELETE"


async def test_a_stream_of_one_document_tells_of_no_other(
    site: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT", 0.1)
    for id_, title, owner in ((1, "a", 1), (2, "b", 1), (3, "c", 2)):
        site.database.insert(Sheet, {"id": id_, "title": title, "owner": owner})
    await site.settled()
    async with site.listen("ann", f"{SHEETS}/1") as found:
        start = (await following(found))["id"]
        site.database.update(Sheet, {"title": "other"}, id=2)
        passed = await following(found)
        while "id" not in passed:
            passed = await following(found)
        # A place without data: a browser notes it, and goes on from there.
        assert passed == {"id": passed["id"]}
        assert passed["id"] > start
        site.database.update(Sheet, {"title": "new"}, id=1)
        told = await following(found)
        while "data" not in told:
            told = await following(found)
        assert told["data"]["body"]["title"] == "new"
        assert told["data"]["prev"] == passed["id"]
        site.database.delete(Sheet, id=1)
        gone = await following(found)
        while "data" not in gone:
            gone = await following(found)
        assert gone["data"]["method"] == "DELETE"
    async with site.listen("ann", f"{SHEETS}/1", **{"Last-Event-ID": start}) as found:
        await following(found)
        assert (await following(found))["data"]["body"]["title"] == "new"
        assert (await following(found))["data"]["method"] == "DELETE"


async def test_a_stream_needs_its_rights(site: Served) -> None:
    site.database.insert(Sheet, {"id": 3, "owner": 2})
    assert await site.status(None, SHEETS) == 401
    assert await site.status("ann", f"{SHEETS}/3") == 404
    assert await site.status("ann", "/api/quiet") == 403
    assert await site.status("ann", "/api/quiet/3") == 403


@pytest.mark.parametrize("path", [SHEETS, "/api/own"])
async def test_a_stream_ends_with_its_user(site: Served, path: str) -> None:
    async with site.listen("ann", path) as found:
        await following(found)
        site.live.disconnect(User(1))
        assert [block async for block in found] == []


async def test_a_stream_of_one_who_sees_less_ends_with_a_reset(site: Served) -> None:
    async with site.listen("boss", "/api/plans") as found:
        await following(found)
        site.users.by_token["boss"] = User(9)
        await site.live.recheck(User(9))
        last = await following(found)
        assert last["event"] == "reset"
        assert [block async for block in found] == []
    sessions = site.live.bayeux.sessions
    await wait_until(lambda: not sessions)
