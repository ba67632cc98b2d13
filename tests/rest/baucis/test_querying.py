"""Querying: windows, conditions, sorting, numbers and values."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.rest.conftest import is_problem

from .conftest import COLOURS, NAMES


async def names(garden: httpx.AsyncClient, **parameters: str) -> list[str]:
    answer = await garden.get("/api/vegetables", params=parameters)
    assert answer.status_code == 200, answer.text
    return [each["name"] for each in answer.json()]


async def test_skip_and_limit(garden: httpx.AsyncClient) -> None:
    assert await names(garden, skip="1") == NAMES[1:]
    assert await names(garden, skip="8") == []
    assert await names(garden, limit="1") == NAMES[:1]
    assert await names(garden, limit="2") == NAMES[:2]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=-1", "limit=3.6", "limit= asd  asd ", "skip=1.1", "skip=-1", "count=1", "count=maybe"],
)
async def test_wrong_numbers_are_a_400(garden: httpx.AsyncClient, query: str) -> None:
    answer = await garden.get(f"/api/minerals?{query}")
    is_problem(answer, 400)
    assert "link" not in answer.headers


async def test_conditions_by_json_and_by_brackets(garden: httpx.AsyncClient) -> None:
    assert await names(garden, **{"conditions[name]": "Radicchio"}) == ["Radicchio"]
    assert await names(garden, conditions='{"name": "Radicchio"}') == ["Radicchio"]
    assert await names(garden, conditions='{"id": {"$gt": 0}}') == NAMES
    assert await names(garden, **{"conditions[id][$gt]": "6"}) == NAMES[6:]


@pytest.mark.parametrize(
    "conditions",
    [
        "{ 'id': { '$gt': '1' } }",
        "{",
        "7",
        "null",
        '{"$explain": true}',
        '{"$where": "1"}',
        '{"name": {"$bad": 1}}',
    ],
)
async def test_wrong_conditions_are_a_400(garden: httpx.AsyncClient, conditions: str) -> None:
    answer = await garden.get("/api/vegetables", params={"conditions": conditions})
    assert "conditions" in is_problem(answer, 400)["detail"]


async def test_lists_are_sorted(garden: httpx.AsyncClient) -> None:
    async def colours(query: str) -> list[str]:
        return [each["color"] for each in (await garden.get(f"/api/minerals{query}")).json()]

    assert await colours("") == sorted(COLOURS)
    assert await colours("?sort=-color") == sorted(COLOURS, reverse=True)


async def test_count_gives_a_number(garden: httpx.AsyncClient) -> None:
    assert (await garden.get("/api/vegetables?count=true")).json() == len(NAMES)
    assert await names(garden, count="false") == NAMES


async def test_distinct_gives_values(garden: httpx.AsyncClient) -> None:
    values: Any = (await garden.get("/api/vegetables?distinct=name")).json()
    assert sorted(values) == sorted(NAMES)
    conditions = json.dumps({"name": "Carrot"})
    answer = await garden.get("/api/vegetables", params={"distinct": "name", "conditions": conditions})
    assert answer.json() == ["Carrot"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ('hint={ "id": 1 }', 403), ("hint[id]=1", 403), ('count=true&hint={ "foogle": 1 }', 400),
        ("count=true&hint[id]=1", 400), ("comment=testing testing 123", 400), ("count=true&comment=salve", 400),
    ],
)  # fmt: skip
async def test_hints_and_comments_are_refused(garden: httpx.AsyncClient, query: str, status: int) -> None:
    is_problem(await garden.get(f"/api/vegetables?{query}"), status)
