"""Reading: documents, lists, HEAD, and what their headers say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
import pytest

from tests.databases.database import Database
from tests.rest.conftest import is_problem

from .conftest import NAMES, Open, fill
from .models import Ripe


async def test_a_document_is_read_by_its_key(garden: httpx.AsyncClient) -> None:
    answer = await garden.get("/api/vegetables/1")
    assert (answer.status_code, answer.json()["name"]) == (200, "Turnip")
    assert "location" not in answer.headers


async def test_what_is_not_there_is_a_404(garden: httpx.AsyncClient) -> None:
    answer = await garden.get("/api/vegetables/666")
    is_problem(answer, 404)
    assert answer.headers["live-seq"]
    head = await garden.head("/api/vegetables/666")
    assert (head.status_code, head.content) == (404, b"")


@pytest.mark.parametrize("key", ["bad", "1.5", "[]", "-", "%20"])
async def test_what_is_no_key_is_a_400(garden: httpx.AsyncClient, key: str) -> None:
    for method in ("GET", "DELETE"):
        is_problem(await garden.request(method, f"/api/vegetables/{key}"), 400)
    assert len((await garden.get("/api/vegetables")).json()) == len(NAMES)


async def test_all_documents_are_listed(garden: httpx.AsyncClient) -> None:
    answer = await garden.get("/api/vegetables")
    assert [each["name"] for each in answer.json()] == NAMES
    assert answer.headers["content-type"].partition(";")[0] == "application/json"
    assert not {"location", "x-powered-by"} & set(answer.headers)


async def test_one_that_matches_is_a_list_of_one(garden: httpx.AsyncClient) -> None:
    answer = await garden.get("/api/vegetables?name=Radicchio")
    assert [each["name"] for each in answer.json()] == ["Radicchio"]


async def test_no_match_is_an_empty_list(garden: httpx.AsyncClient) -> None:
    answer = await garden.get("/api/vegetables?name=Radish")
    assert (answer.status_code, answer.json()) == (200, [])
    assert answer.headers["live-seq"]


@pytest.mark.parametrize("path", ["/api/vegetables", "/api/vegetables/1"])
async def test_head_is_get_without_a_body(garden: httpx.AsyncClient, database: Database, path: str) -> None:
    got, head = await garden.get(path), await garden.head(path)
    assert (head.status_code, head.content) == (200, b"")
    has_tag = database.tells_versions or path.endswith("/1")
    assert head.headers.get("etag") == (got.headers["etag"] if has_tag else None)
    assert head.headers["live-seq"] == got.headers["live-seq"]


@pytest.mark.parametrize("path", ["/api/vegetables", "/api/vegetables/1"])
async def test_tags_tell_states_apart(garden: httpx.AsyncClient, path: str) -> None:
    before = await garden.get(path)
    assert "last-modified" not in before.headers
    same = {"If-None-Match": before.headers["etag"]}
    assert (await garden.get(path, headers=same)).status_code == 304
    await garden.patch("/api/vegetables/1", json={"name": "Neep"})
    after = await garden.get(path, headers=same)
    assert (after.status_code, after.headers["etag"] != before.headers["etag"]) == (200, True)


async def test_a_document_tells_when_it_was_changed(database: Database, opened: Open) -> None:
    live = database.live()
    live.add_resource("/api/ripe", Ripe, last_modified="changed")
    client = await opened(live)
    changed = "2020-02-03T04:05:06.5Z"
    await fill(client, "/api/ripe", {"changed": changed}, {}, {"changed": "9999-01-01T00:00:00Z"})
    for method in ("GET", "HEAD"):
        answer = await client.request(method, "/api/ripe/1")
        assert answer.headers["last-modified"] == "Mon, 03 Feb 2020 04:05:06 GMT"
        assert "last-modified" not in (await client.request(method, "/api/ripe/2")).headers
        to_come = (await client.request(method, "/api/ripe/3")).headers["last-modified"]
        assert abs(parsedate_to_datetime(to_come) - datetime.now(UTC)) < timedelta(minutes=1)
    # Which of two writes of one second was seen only the tag tells.
    since = {"If-Modified-Since": "Mon, 03 Feb 2020 04:05:06 GMT"}
    assert (await client.get("/api/ripe/1", headers=since)).status_code == 200


async def test_a_type_that_there_is_not_is_a_406(garden: httpx.AsyncClient) -> None:
    is_problem(await garden.get("/api/vegetables", headers={"Accept": "application/xml"}), 406)
