"""Live-Until of who has a part of a table: of what his channel tells, and of nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg
import httpx
import pytest
from sqlmodel import Field, SQLModel

from livecollections import Live
from livecollections.stores.postgres_log import PIECE
from livecollections.testing import Site

from .server import PostgresServer, run_elsewhere


class Message(SQLModel, table=True):
    """Of a room, with what not all are shown."""

    __tablename__ = "until_message"
    id: int | None = Field(default=None, primary_key=True)
    room: str | None = None
    text: str
    note: str = ""


A, B, ALL = "/api/rooms/a/messages", "/api/rooms/b/messages", "/api/messages"


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.schema()


@pytest.fixture
def site(url: str) -> Iterator[Site]:
    live = Live(url)
    live.add_resource("/api/rooms/{room}/messages", Message)
    live.add_resource(ALL, Message, hidden=["note"])
    with Site(live.app, database=url) as site:
        yield site


@asynccontextmanager
async def drawn(url: str) -> AsyncIterator[None]:
    """A stranger's transaction has drawn a place, and is open."""
    stranger = await asyncpg.connect(url)
    try:
        async with stranger.transaction():
            await stranger.execute("INSERT INTO until_message (room, text, note) VALUES ('slow', 'slow', '')")
            await stranger.execute("SET CONSTRAINTS ALL IMMEDIATE")
            yield
    finally:
        await stranger.close()


async def until(http: httpx.AsyncClient, path: str) -> str | None:
    """What a list says, and what is said of its parts too."""
    told: set[str | None] = {
        (await http.get(path + asked)).headers.get("live-until")
        for asked in ("", "?limit=1", "?count=true", "?distinct=text", "/1", "/404")
    }
    assert len(told) == 1
    return told.pop()


async def test_who_hears_a_part_does_not_wait_for_what_is_told_in_another(site: Site, url: str) -> None:
    async with httpx.AsyncClient(base_url=site.url) as http, site.client() as client:
        await http.post(B, json={"text": "early"})
        others, own = client.collection(A), client.collection(B)
        async with drawn(url):
            written = (await http.post(A, json={"text": "late"})).headers["live-seq"]
            await run_elsewhere(url, "INSERT INTO until_message (text, note) VALUES ('nowhere', '')")
            assert (await until(http, A), await until(http, B)) == (written, None)
            entering = asyncio.create_task(others.__aenter__())
            async with asyncio.timeout(5), own:
                assert [each["text"] for each in own] == ["early"]
            assert not entering.done()
        async with asyncio.timeout(5):
            await entering
        assert [each["text"] for each in others] == ["late"]
        await others.__aexit__(None, None, None)


async def test_who_sees_not_all_does_not_wait_for_what_he_can_not_see(site: Site, url: str) -> None:
    async with httpx.AsyncClient(base_url=site.url) as http, site.client() as client:
        await http.post(B, json={"text": "early"})
        messages = client.collection(ALL)
        async with drawn(url):
            await run_elsewhere(url, "UPDATE until_message SET note = 'unseen'")
            assert await until(http, ALL) is None
            async with asyncio.timeout(5), messages:
                assert [each["text"] for each in messages] == ["early"]
            changed = await http.patch(f"{ALL}/1", json={"text": "late"})
            assert await until(http, ALL) == changed.headers["live-seq"]


async def test_what_a_part_is_told_is_waited_for_however_much_came_after_it(site: Site, url: str) -> None:
    async with httpx.AsyncClient(base_url=site.url) as http:
        await http.post(B, json={"text": "early"})
        async with drawn(url):
            written = (await http.post(B, json={"text": "late"})).headers["live-seq"]
            more = "INSERT INTO until_message (room, text, note) SELECT 'a', 'more', '' FROM generate_series"
            await run_elsewhere(url, f"{more}(1, {2 * PIECE})")
            assert await until(http, B) == written
            moved = await http.patch(f"{ALL}/1", json={"room": "a"})
            assert await until(http, B) == moved.headers["live-seq"]
            removed = await http.delete(f"{ALL}/1")
            assert await until(http, B) == moved.headers["live-seq"] != await until(http, A)
            assert await until(http, A) == await until(http, ALL) == removed.headers["live-seq"]
            reset = site.run(site.live._store.reset, "until_message")
            assert await until(http, A) == await until(http, B) == reset
