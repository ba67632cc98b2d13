"""Versioning: releases of an API."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from livecollections import ConfigurationError
from tests.databases.database import Database
from tests.rest.conftest import is_problem

from .conftest import Open
from .models import Mineral


@pytest.fixture
async def party(database: Database, opened: Open) -> httpx.AsyncClient:
    live = database.live(releases=["1.0.0", "2.1.0", "3.0.1"])
    live.add_resource("/api/parties", Mineral, versions="<3")
    live.add_resource("/api/parties", Mineral, versions=">=3")
    return await opened(live)


@pytest.mark.parametrize(("asked", "release"), [(None, "3.0.1"), ("<3", "2.1.0"), ("1.0.0", "1.0.0")])
async def test_the_highest_release_in_the_range_answers(
    party: httpx.AsyncClient, asked: str | None, release: str
) -> None:
    answer = await party.get("/api/parties", headers={} if asked is None else {"API-Version": asked})
    assert (answer.status_code, answer.headers["api-version"]) == (200, release)


async def test_a_range_that_holds_no_release_is_a_400(party: httpx.AsyncClient) -> None:
    answer = await party.get("/api/parties", headers={"API-Version": ">3.0.1"})
    is_problem(answer, 400)
    assert "api-version" not in answer.headers


async def test_what_does_not_fit_is_an_error(database: Database, opened: Open) -> None:
    with pytest.raises(ConfigurationError, match="releases: 'abc'"):
        database.live(releases=["1.0.0", "abc"])
    with pytest.raises(ConfigurationError, match=r"versions: .*'abc'"):
        database.live(releases=["1.0.0"]).add_resource("/api/parties", Mineral, versions="abc")
    overlapping: list[list[str]] = [[">0.0.0", "<2"], ["1.0.0", "1.0.0"], ["2.x"], ["1.0.0", "3.0.0"]]
    for ranges in overlapping:
        live = database.live(releases=["1.0.0", "2.0.0", "3.0.0"])
        for each in ranges:
            live.add_resource("/api/parties", Mineral, versions=each)
        with pytest.raises(ConfigurationError, match="release"):
            await opened(live)


async def test_an_api_without_versions_just_works(garden: httpx.AsyncClient) -> None:
    answer: Any = await garden.get("/api/minerals")
    assert answer.status_code == 200


async def test_vary_names_what_the_answer_depends_on(party: httpx.AsyncClient) -> None:
    told = ",".join((await party.get("/api/parties")).headers.get_list("vary"))
    assert {"API-Version", "Accept"} <= {name.strip() for name in told.split(",")}
