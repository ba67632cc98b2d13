"""LiveClient against a real server: how it opens and closes, what it is given, and which error says what is wrong."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from livecollections import errors
from livecollections.bayeux import State
from livecollections.collection import LiveClient

from .conftest import Site


async def test_a_client_that_is_left_closes_its_collections(site: Site) -> None:
    async with site.client() as client:
        todos = await client.collection("/api/todos").__aenter__()
        await todos.create({"title": "milk"})
        changes = todos.changes()
    assert todos.live == "off"
    assert [change async for change in changes] == []
    assert [todo["title"] for todo in todos] == ["milk"]


@pytest.mark.parametrize("steps", range(1, 6))
async def test_a_client_whose_closing_is_cancelled_leaves_nothing(
    site: Site, transport: str, steps: int
) -> None:
    client = await site.client(transport).__aenter__()
    todos = await client.collection("/api/todos").__aenter__()
    others = await client.collection("/api/todos?completed=true").__aenter__()
    changes = todos.changes()
    reading = [asyncio.ensure_future(each.read()) for each in (todos, others)]
    closing = asyncio.ensure_future(client.close())
    for _ in range(steps):
        await asyncio.sleep(0)
    closing.cancel()
    await asyncio.gather(closing, *reading, return_exceptions=True)
    assert (todos.live, others.live) == ("off", "off")
    assert [change async for change in changes] == []
    assert client.bayeux.state is State.ENDED


async def test_certificates_that_cant_be_read_leave_nothing_that_connects(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nothing.pem"))
    client = LiveClient("https://127.0.0.1:1")
    with pytest.raises(FileNotFoundError):
        await client.__aenter__()
    assert client.bayeux.state is State.NEW


async def test_entering_says_that_bayeux_is_not_where_it_was_looked_for(site: Site) -> None:
    async with site.client(faye="/api/todos", timeout=1) as client:
        with pytest.raises(errors.Unreachable, match="websocket: HTTP 403"):
            await client.collection("/api/todos").__aenter__()


async def test_entering_says_what_is_wrong(site: Site) -> None:
    async with site.client(timeout=1) as client:
        with pytest.raises(errors.DocumentNotFound):
            await client.collection("/api/nothing").__aenter__()
        site.proxy.refuse()
        site.proxy.cut()
        missing = client.collection("/api/todos")
        with pytest.raises(errors.ClientError):
            await missing.__aenter__()
        assert missing.live == "off"
        with pytest.raises(errors.ClientClosed, match="once"):
            await missing.__aenter__()
        with pytest.raises(errors.ClientClosed, match="not open"):
            await missing.create({"title": "milk"})
        with pytest.raises(errors.NotLive):
            await missing.wait_live(1)
        assert [change async for change in missing.changes()] == []


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"url": "127.0.0.1:8000"}, "url"),
        ({"url": "http://x", "timeout": 0}, "timeout"),
        ({"url": "http://x", "transports": ["pigeon"]}, "transports"),
        ({"url": "http://x", "faye": 5}, "faye"),
        ({"url": "http://x", "faye": "faye"}, "faye"),
    ],
)
def test_a_wrong_option_of_the_client_is_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=named):
        LiveClient(**options)


async def test_a_wrong_option_of_a_collection_is_named(site: Site) -> None:
    with pytest.raises(errors.ClientClosed):
        site.client().collection("/api/todos")
    async with site.client() as client:
        for wrong in (
            {"path": "api"},
            {"path": "/"},
            {"path": "/a", "model": dict},
            {"path": "/a", "key": ()},
            {"path": "/a", "key": 5},
            {"path": "/a", "query": "a=b"},
            {"path": "/a", "optimistic": "yes"},
        ):
            with pytest.raises(errors.ConfigurationError, match=list(wrong)[-1]):
                client.collection(**wrong)
        with pytest.raises(errors.ConfigurationError, match="buffer"):
            client.collection("/api/todos").changes(buffer=0)
    with pytest.raises(errors.ClientClosed):
        client.collection("/api/todos")


async def test_documents_without_the_key_are_no_empty_collection(site: Site) -> None:
    site.sql("INSERT INTO rest_seat (row, place, taken) VALUES ('A', 7, 0)")
    async with site.client() as client:
        with pytest.raises(errors.NotLive, match="without id: say with `key`"):
            await client.collection("/api/seats").__aenter__()
        async with client.collection("/api/seats", key=("row", "place")) as seats:
            assert seats["A", 7] == {"row": "A", "place": 7, "taken": False}


async def test_headers_are_asked_for_at_each_request(site: Site) -> None:
    asked = []

    async def headers() -> dict[str, str]:
        asked.append(1)
        return {"X-Program": "test"}

    async with site.client(headers=headers) as client, client.collection("/api/todos") as todos:
        before = len(asked)
        await todos.create({"title": "milk"})
        assert len(asked) == before + 1


async def test_headers_that_cant_be_had_are_asked_for_again(site: Site) -> None:
    given: list[Any] = [{}]

    def headers() -> Any:
        return given[0]

    async with site.client(headers=headers, timeout=1) as client, client.collection("/api/todos") as todos:
        given[0] = {"X-Program": 7}
        with pytest.raises(errors.Unreachable, match="X-Program"):
            await todos.create({"title": "milk"})
        with pytest.raises(errors.Unreachable, match="X-Program"):
            await todos.read()
        given[0] = {}
        await todos.create({"title": "bread"})
        assert [todo["title"] for todo in todos] == ["bread"]
