"""Hiding: what is not shown can't be asked for, in any way."""

from __future__ import annotations

import httpx
import pytest

from tests.rest.conftest import is_problem

HIDDEN = [
    {"select": "species name"},
    {"populate": "species"},
    {"populate": '{ "path": "species" }'},
    {"populate[path]": "species"},
    {"distinct": "species"},
    {"sort": "species"},
    {"species": "unknown"},
    {"conditions": '{"species": {"$regex": "^u"}}'},
]


@pytest.mark.parametrize("asked", HIDDEN, ids=str)
async def test_hidden_fields_are_as_if_there_were_none(
    garden: httpx.AsyncClient, asked: dict[str, str]
) -> None:
    answer = await garden.get("/api/vegetables", params=asked)
    told = is_problem(answer, 400)["detail"]
    nothing = {
        name.replace("species", "nothing"): text.replace("species", "nothing") for name, text in asked.items()
    }
    other = await garden.get("/api/vegetables", params=nothing)
    assert is_problem(other, 400)["detail"] == told.replace("species", "nothing")


@pytest.mark.parametrize(
    "asked",
    [
        {"populate": '{ "select": "+boiler" }'},
        {"populate": '{ "path": "nutrients", "select": "arbitrary" }'},
        {"populate": '[{ "path": "nutrients", "select": "a b" }, { "path": "nutrients", "select": "a" }]'},
        {"populate[path]": "nutrients", "populate[select]": "color"},
        {"select": "+boiler"},
        {"select": "+species"},
    ],
    ids=str,
)
async def test_nothing_widens_what_is_shown(garden: httpx.AsyncClient, asked: dict[str, str]) -> None:
    is_problem(await garden.get("/api/vegetables", params=asked), 400)
