"""Reading: documents, lists, HEAD, and what their headers say."""

from __future__ import annotations

import httpx
import pytest

from tests.rest.conftest import is_problem

from .conftest import NAMES


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
async def test_what_is_no_key_is_no_documents(garden: httpx.AsyncClient, key: str) -> None:
    for method in ("GET", "DELETE"):
        is_problem(await garden.request(method, f"/api/vegetables/{key}"), 404)
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
async def test_head_is_get_without_a_body(garden: httpx.AsyncClient, path: str) -> None:
    got, head = await garden.get(path), await garden.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == got.headers["etag"]
    assert head.headers["live-seq"] == got.headers["live-seq"]


@pytest.mark.parametrize("path", ["/api/vegetables", "/api/vegetables/1"])
async def test_tags_tell_states_apart(garden: httpx.AsyncClient, path: str) -> None:
    before = await garden.get(path)
    assert "last-modified" not in before.headers
    assert (await garden.head(path)).headers["etag"] == before.headers["etag"]
    same = {"If-None-Match": before.headers["etag"]}
    assert (await garden.get(path, headers=same)).status_code == 304
    await garden.patch("/api/vegetables/1", json={"name": "Neep"})
    after = await garden.get(path, headers=same)
    assert (after.status_code, after.headers["etag"] != before.headers["etag"]) == (200, True)


async def test_a_type_that_there_is_not_is_a_406(garden: httpx.AsyncClient) -> None:
    is_problem(await garden.get("/api/vegetables", headers={"Accept": "application/xml"}), 406)
