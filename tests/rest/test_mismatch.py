"""A table that is no longer as it was declared: 503, one line in the log for each cause, and no wrong document."""

from __future__ import annotations

import logging
from typing import Any

import asyncpg
import pytest

from livecollections.stores.postgres_errors import translated
from tests.databases.fixtures import only

from .conftest import Api, is_problem

REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/api/todos", {}),
    ("GET", "/api/todos/1", {}),
    ("POST", "/api/todos", {"json": {"title": "bread"}}),
    ("PUT", "/api/todos/1", {"json": {"title": "bread"}}),
    ("PATCH", "/api/todos/1", {"json": {"title": "bread"}}),
    ("DELETE", "/api/todos/1", {}),
]


async def refused(api: Api, caplog: pytest.LogCaptureFixture) -> list[str]:
    """All requests are answered with the one problem; gives what was logged of it."""
    caplog.clear()
    with caplog.at_level(logging.WARNING, "livecollections.rest"):
        for method, path, request in REQUESTS * 2:
            answer = await api.client.request(method, path, **request)
            problem = is_problem(answer, 503)
            assert (
                problem["detail"] == "the database is not as it is declared here; the server's log says more"
            )
            assert answer.headers["retry-after"] == "10"
    logged = [one for one in caplog.records if one.name == "livecollections.rest"]
    assert all(one.exc_info is None for one in logged)
    return [one.message for one in logged]


@only("sqlite", "postgres", because="strangers speak SQL")
async def test_a_missing_column_is_told_once_until_it_is_there_again(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    await api.todo()
    said = "/api/todos can't be served: there is no column title in the database. (This is said once.)"
    for _ in range(2):
        api.sql("ALTER TABLE rest_todo RENAME COLUMN title TO name")
        assert await refused(api, caplog) == [said]
        api.sql("ALTER TABLE rest_todo RENAME COLUMN name TO title")
        answer = await api.client.get("/api/todos")
        assert [row["title"] for row in answer.json()] == ["milk"]


@only("sqlite", "postgres", because="strangers speak SQL")
async def test_a_missing_table_is_told_once(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    await api.todo()
    api.sql("DROP TABLE rest_todo")
    said = "/api/todos can't be served: there is no table rest_todo in the database. (This is said once.)"
    assert await refused(api, caplog) == [said]


@pytest.mark.parametrize(
    "said",
    [
        "column t.title does not exist",
        'column "title" of relation "todo" does not exist',
        'column "title" does not exist',
    ],
)
def test_what_is_missing_on_postgresql_has_one_name(said: str) -> None:
    told = translated(asyncpg.UndefinedColumnError(said))
    assert str(told) == "there is no column title in the database"


def test_what_is_missing_is_told_in_whatever_language() -> None:
    told = translated(asyncpg.UndefinedColumnError("Spalte t.title existiert nicht"))
    assert str(told).endswith("column that was declared: Spalte t.title existiert nicht")
