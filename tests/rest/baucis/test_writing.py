"""Writing: POST, PUT, PATCH, DELETE, and what they refuse."""

from __future__ import annotations

import httpx
import pytest

from tests.databases.database import Database
from tests.rest.conftest import is_problem

from .conftest import NAMES, Open, fill
from .models import Vegetable


async def names(client: httpx.AsyncClient) -> list[str]:
    return [each["name"] for each in (await client.get("/api/vegetables")).json()]


@pytest.mark.parametrize("slash", ["", "/"])
async def test_post_creates_a_document(garden: httpx.AsyncClient, slash: str) -> None:
    created = await garden.post(f"/api/vegetables{slash}", json={"name": "Tomato"})
    assert created.status_code == 201
    assert created.headers["location"] == f"/api/vegetables/{created.json()['id']}"
    assert (await garden.get(created.headers["location"])).json() == created.json()


async def test_an_array_creates_all_or_none(garden: httpx.AsyncClient) -> None:
    created = await garden.post("/api/vegetables", json=[{"name": "Catnip"}, {"name": "Cattail"}])
    assert created.status_code == 201
    assert [each["name"] for each in created.json()] == ["Catnip", "Cattail"]
    problem = is_problem(await garden.post("/api/vegetables", json=[{"name": "Leek"}, {"score": 0}]), 422)
    assert {"/1/name", "/1/score"} == {each["pointer"] for each in problem["errors"]}
    assert await names(garden) == [*NAMES, "Catnip", "Cattail"]


async def test_an_empty_array_is_a_422(garden: httpx.AsyncClient) -> None:
    is_problem(await garden.post("/api/vegetables", json=[]), 422)


async def test_what_the_model_refuses_is_told_by_pointers(garden: httpx.AsyncClient) -> None:
    problem = is_problem(await garden.post("/api/vegetables", json={"score": -1}), 422)
    assert {each["pointer"] for each in problem["errors"]} == {"/name", "/score"}
    assert await names(garden) == NAMES


@pytest.mark.parametrize("body", ['bababa { cacaca "name": "Garlic" }', '{"name": "x"} {"name": "y"}', "{"])
async def test_what_is_no_json_is_a_400(garden: httpx.AsyncClient, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    is_problem(await garden.post("/api/vegetables", content=body, headers=headers), 400)
    assert await names(garden) == NAMES


async def test_a_body_of_another_type_is_a_415(garden: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/xml"}
    is_problem(await garden.post("/api/vegetables", content="<name/>", headers=headers), 415)


async def test_parameters_of_a_type_do_no_harm(garden: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "  application/json   ;   charset=UTF-8    cheese=roquefort  "}
    created = await garden.post("/api/vegetables", content=b'{"name": "Tomatillo"}', headers=headers)
    assert created.status_code == 201


async def test_put_replaces_and_patch_changes_a_part(garden: httpx.AsyncClient) -> None:
    await garden.patch("/api/vegetables/8", json={"score": 7})
    patched = await garden.patch("/api/vegetables/8", json={"name": "Leek"})
    assert (patched.json()["name"], patched.json()["score"]) == ("Leek", 7)
    replaced = await garden.put("/api/vegetables/8", json={"name": "Chard"})
    assert (replaced.status_code, "location" in replaced.headers) == (200, False)
    assert (replaced.json()["name"], replaced.json()["score"]) == ("Chard", 1)
    assert (await garden.get("/api/vegetables/8")).json() == replaced.json()
    problem = is_problem(await garden.put("/api/vegetables/8", json={"score": 2}), 422)
    assert [each["pointer"] for each in problem["errors"]] == ["/name"]


async def test_put_takes_one_document(garden: httpx.AsyncClient) -> None:
    path, headers = "/api/vegetables/8", {"Content-Type": "application/json"}
    is_problem(await garden.put(path, content=b"", headers=headers), 400)
    is_problem(await garden.put(path, json=[{"name": "Pea Shoot"}, {"name": "Bitter Melon"}]), 422)
    assert await names(garden) == NAMES


async def test_put_creates_nothing(garden: httpx.AsyncClient) -> None:
    is_problem(await garden.put("/api/vegetables/666", json={"name": "Cucumber"}), 404)
    is_problem(await garden.get("/api/vegetables/666"), 404)
    assert await names(garden) == NAMES


async def test_delete_is_a_204_then_a_404(garden: httpx.AsyncClient) -> None:
    answer = await garden.delete("/api/vegetables/8")
    assert (answer.status_code, answer.content) == (204, b"")
    is_problem(await garden.delete("/api/vegetables/8"), 404)


async def test_delete_of_a_list_is_off_unless_enabled(database: Database, opened: Open) -> None:
    live = database.live()
    live.add_resource("/api/vegetables", Vegetable, delete_all=True)
    live.add_resource("/api/kept", Vegetable)
    client = await opened(live)
    await fill(client, "/api/vegetables", *({"name": name} for name in NAMES))
    is_problem(await client.delete("/api/kept"), 405)
    assert (await client.delete("/api/vegetables")).json() == len(NAMES)
    assert await names(client) == []


async def test_what_must_be_unique_is_a_409(dairy: httpx.AsyncClient) -> None:
    answer = await dairy.post("/api/cheeses", json={"name": "Cheddar", "color": "Green"})
    problem = is_problem(answer, 409)
    assert [each["pointer"] for each in problem["errors"]] == ["/name"]
    assert "Cheddar" not in answer.text


async def test_every_error_is_a_problem(dairy: httpx.AsyncClient) -> None:
    for method, path, status in (
        ("GET", "/api/cheeses/99", 404),
        ("GET", "/api/cheeses?wrong=1", 400),
        ("TRACE", "/api/cheeses", 405),
        ("GET", "/api/geese", 404),
    ):
        is_problem(await dairy.request(method, path), status)
