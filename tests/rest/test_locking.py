"""Optimistic locking: who changes a document brings the version that he saw, and loses to nobody unawares."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlmodel import Field, SQLModel

from livecollections import ConfigurationError
from tests.databases.database import Database
from tests.models import resource_of
from tests.rest.conftest import Api, connected, is_problem


class Page(SQLModel, table=True):
    __tablename__ = "rest_page"
    id: int | None = Field(default=None, primary_key=True)
    text: str = ""
    visits: int = 0
    version: int = 0


@pytest.fixture
async def api(database: Database) -> AsyncIterator[Api]:
    live = database.live()
    live.add_resource("/api/pages", Page, locking="version", operators=["visits", "version"])
    async with connected(live, database) as api:
        await api.client.post("/api/pages", json={"text": "first"})
        yield api


async def test_each_change_is_a_version(api: Api) -> None:
    page = (await api.client.get("/api/pages/1")).json()
    assert page["version"] == 0
    for version, (method, body) in enumerate(
        [
            ("PUT", {**page, "text": "a"}),
            ("PATCH", {"text": "b", "version": 1}),
            ("PATCH", {"$inc": {"visits": 1}}),
        ],
        1,
    ):
        answer = await api.client.request(method, "/api/pages/1", json=body)
        assert (answer.status_code, answer.json()["version"]) == (200, version)
    held = api.held()
    same = await api.client.patch("/api/pages/1", json={"text": "b", "version": 3})
    assert (same.json()["version"], api.held()) == (3, held), "what changes nothing is no version"
    assert (await api.client.delete("/api/pages/1")).status_code == 204


async def test_another_version_is_a_conflict_and_none_is_refused(api: Api) -> None:
    page = (await api.client.get("/api/pages/1")).json()
    await api.client.put("/api/pages/1", json={**page, "text": "a"})
    held = api.held()
    for method in ("PUT", "PATCH"):
        for version in (0, 2, "1", 1.0, None, True, [1]):
            body = {"text": "b", "version": version}
            problem = is_problem(await api.client.request(method, "/api/pages/1", json=body), 409)
            assert problem["errors"][0]["pointer"] == "/version"
        problem = is_problem(await api.client.request(method, "/api/pages/1", json={"text": "b"}), 422)
        assert problem["errors"][0]["pointer"] == "/version"
    for update in ({"$set": {"version": 7}}, {"$inc": {"version": 1}}):
        is_problem(await api.client.patch("/api/pages/1", json=update), 422)
    is_problem(await api.client.post("/api/pages", json={"text": "b", "version": 5}), 422)
    assert api.held() == held


async def test_a_condition_serves_as_the_version(api: Api) -> None:
    tag = (await api.client.get("/api/pages/1")).headers["etag"]
    for status in (200, 412):
        answer = await api.client.patch("/api/pages/1", json={"text": "b"}, headers={"If-Match": tag})
        assert answer.status_code == status
    headers = {"Content-Type": "application/json-patch+json"}
    steps = [{"op": "test", "path": "/version", "value": 1}, {"op": "replace", "path": "/text", "value": "c"}]
    for status in (200, 409):
        answer = await api.client.patch("/api/pages/1", json=steps, headers=headers)
        assert answer.status_code == status


async def test_of_those_who_saw_one_version_one_writes(api: Api) -> None:
    async def write(number: int) -> int:
        body = {"text": f"t{number}", "version": 0}
        return (await api.client.patch("/api/pages/1", json=body)).status_code

    assert Counter(await asyncio.gather(*map(write, range(20)))) == {200: 1, 409: 19}
    assert (await api.client.get("/api/pages/1")).json()["version"] == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"locking": 5}, "locking: the name"),
        ({"locking": "nothing"}, "locking: Page has no field"),
        ({"locking": "text"}, "locking: Page.text must be an integer"),
        ({"locking": "id"}, "locking: Page.id must be an integer"),
        ({"locking": "version", "hidden": ["version"]}, "locking: Page has no field"),
    ],
)
def test_the_option_is_checked(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        resource_of(Page, **options)
