"""Locking: a write says which state it is based on."""

from __future__ import annotations

import httpx
import pytest
from sqlmodel import Field, SQLModel

from tests.databases.database import Database
from tests.rest.conftest import is_problem

from .conftest import Open, fill
from .models import Mineral

PATH = "/api/pumpkins/1"


@pytest.fixture
async def patch(database: Database, opened: Open) -> httpx.AsyncClient:
    live = database.live()
    live.add_resource("/api/pumpkins", Mineral, require_if_match=True)
    client = await opened(live)
    await fill(client, "/api/pumpkins", {"color": "Orange"})
    return client


async def test_who_has_missed_something_is_refused(patch: httpx.AsyncClient) -> None:
    older = {"If-Match": (await patch.get(PATH)).headers["etag"]}
    assert (await patch.put(PATH, json={"color": "Green"}, headers=older)).status_code == 200
    for method in ("PUT", "PATCH", "DELETE"):
        body = None if method == "DELETE" else {"color": "Blue"}
        for tag in (older["If-Match"], '"never"'):
            is_problem(await patch.request(method, PATH, json=body, headers={"If-Match": tag}), 412)
    assert (await patch.get(PATH)).json()["color"] == "Green"


async def test_who_has_the_present_state_is_not(patch: httpx.AsyncClient) -> None:
    present = (await patch.get(PATH)).headers["etag"]
    for color in ("Green", "Blue"):
        answer = await patch.put(PATH, json={"color": color}, headers={"If-Match": present})
        assert (answer.status_code, answer.json()["color"]) == (200, color)
        present = answer.headers["etag"]


async def test_who_says_nothing_is_refused_where_that_is_asked(patch: httpx.AsyncClient) -> None:
    is_problem(await patch.put(PATH, json={"color": "Green"}), 428)
    assert (await patch.get(PATH)).json()["color"] == "Orange"


class Pumpkin(SQLModel, table=True):
    """One that counts its versions."""

    __tablename__ = "baucis_pumpkin"
    id: int | None = Field(default=None, primary_key=True)
    title: str = "Franklin"
    version: int = 0


@pytest.fixture
async def versioned(database: Database, opened: Open) -> httpx.AsyncClient:
    live = database.live()
    live.add_resource("/api/pumpkins", Pumpkin, locking="version")
    client = await opened(live)
    await fill(client, "/api/pumpkins", {"title": "Franklin"})
    return client


async def test_another_version_is_a_conflict(versioned: httpx.AsyncClient) -> None:
    before = (await versioned.get(PATH)).json()
    seen = before["version"]
    assert (await versioned.put(PATH, json={"title": "Ranken", "version": seen})).status_code == 200
    for other in (seen, seen + 10):
        is_problem(await versioned.put(PATH, json={"title": "x", "version": other}), 409)
    assert (await versioned.get(PATH)).json()["title"] == "Ranken"


async def test_the_present_version_is_not(versioned: httpx.AsyncClient) -> None:
    present = (await versioned.get(PATH)).json()["version"]
    for title in ("Ranken", "Forest"):
        answer = await versioned.put(PATH, json={"title": title, "version": present})
        assert (answer.status_code, answer.json()["title"]) == (200, title)
        assert answer.json()["version"] == present + 1
        present += 1


async def test_no_version_is_a_422(versioned: httpx.AsyncClient) -> None:
    is_problem(await versioned.put(PATH, json={"title": "Forest Expansion"}), 422)
