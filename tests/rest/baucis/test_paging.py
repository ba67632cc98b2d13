"""Paging: where ``Link`` leads."""

from __future__ import annotations

import json

import httpx

from tests.databases.database import Database

from .conftest import COLOURS, Open, fill
from .models import Mineral

BY_NUMBER = {"first", "last", "previous", "next"}


def links(answer: httpx.Response) -> dict[str, str]:
    return {name: str(link["url"]) for name, link in answer.links.items() if name}


async def page(garden: httpx.AsyncClient, query: str) -> tuple[list[str], dict[str, str]]:
    answer = await garden.get(f"/api/minerals{query}")
    assert answer.status_code == 200, answer.text
    return [each["color"] for each in answer.json()], links(answer)


async def test_links_of_a_list_and_of_a_document(garden: httpx.AsyncClient) -> None:
    _, found = await page(garden, "?sort=color")
    assert found == {"search": "/api/minerals", "self": "/api/minerals?sort=color"}
    one = links(await garden.get("/api/minerals/1"))
    collection, itself = "/api/minerals", "/api/minerals/1"
    assert one == {"collection": collection, "search": collection, "edit": itself, "self": itself}


async def test_links_of_pages(garden: httpx.AsyncClient) -> None:
    _, whole = await page(garden, "?sort=color")
    assert not BY_NUMBER & whole.keys()
    _, first = await page(garden, "?limit=2")
    assert first.keys() >= {"first", "last", "next"}
    assert "previous" not in first
    _, second = await page(garden, "?limit=2&skip=2")
    assert second.keys() >= BY_NUMBER
    _, last = await page(garden, "?limit=2&skip=6")
    assert "next" not in last
    answer = await garden.get("/api/minerals?sort=color&limit=2&skip=2&select=-id")
    assert answer.json() == [{"color": color} for color in sorted(COLOURS)[2:4]]
    assert links(answer).keys() >= BY_NUMBER


async def test_links_can_be_switched_off(database: Database, opened: Open) -> None:
    live = database.live()
    live.add_resource("/api/minerals", Mineral, links=False)
    live.add_resource("/api/few", Mineral, links=False, limit=2)
    client = await opened(live)
    await fill(client, "/api/minerals", *({"color": color} for color in COLOURS))
    for path in ("/api/minerals", "/api/minerals/1", "/api/minerals?limit=2&skip=2", "/api/few?limit=2"):
        assert "link" not in (await client.get(path)).headers, path
    # Who holds such a list, and not a page of it, must know that there is more.
    assert links(await client.get("/api/few")).keys() == {"next"}


async def test_links_keep_the_query(garden: httpx.AsyncClient) -> None:
    conditions = json.dumps({"color": {"$regex": "e"}})
    answer = await garden.get("/api/minerals", params={"limit": "1", "skip": "0", "conditions": conditions})
    following = httpx.URL("http://test/").join(links(answer)["next"])
    assert following.params["conditions"] == conditions


async def test_links_can_be_followed(garden: httpx.AsyncClient) -> None:
    colours = sorted(COLOURS)
    expected = {"first": colours[:2], "previous": colours[:2], "next": colours[4:6], "last": colours[5:]}
    _, found = await page(garden, "?limit=2&skip=2")
    for name, shown in expected.items():
        url = httpx.URL("http://test/api/minerals").join(found[name])
        assert [each["color"] for each in (await garden.get(url)).json()] == shown, name
