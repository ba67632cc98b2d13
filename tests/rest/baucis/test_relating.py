"""Relating: documents in documents."""

from __future__ import annotations

import httpx

from tests.databases.database import Database
from tests.rest.conftest import is_problem


async def test_populate_shows_what_is_referred_to(garden: httpx.AsyncClient, database: Database) -> None:
    if database.kind == "mongo":  # where an integer refers to nothing
        problem = is_problem(await garden.get("/api/vegetables/1/?populate=nutrients"), 400)
        assert problem["detail"].startswith("populate: ")
        return
    answer = await garden.get("/api/vegetables/1/?populate=nutrients")
    assert answer.status_code == 200
    assert answer.json()["nutrients"] == [{"id": 1, "color": "Blue", "vegetable_id": 1}]
    listed = (await garden.get("/api/vegetables?populate=nutrients")).json()
    assert [len(each["nutrients"]) for each in listed] == [1] + [0] * 7
