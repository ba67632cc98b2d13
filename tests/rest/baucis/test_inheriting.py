"""Inheriting: documents of several kinds in one table."""

from __future__ import annotations

from typing import Literal

import httpx
import pytest
from sqlalchemy import String
from sqlmodel import Field, SQLModel

from tests.databases.database import Database
from tests.rest.conftest import is_problem

from .conftest import Open, fill


class Liqueur(SQLModel, table=True):
    """Amari and cordials, too."""

    __tablename__ = "baucis_liqueur"
    id: int | None = Field(default=None, primary_key=True)
    name: str
    kind: Literal["amaro", "cordial"] | None = Field(default=None, sa_type=String)
    sweetness: int | None = None


@pytest.fixture
async def bar(database: Database, opened: Open) -> httpx.AsyncClient:
    live = database.live()
    live.add_resource("/api/liqueurs", Liqueur)
    client = await opened(live)
    for kind in (None, "amaro", "cordial"):
        await fill(client, "/api/liqueurs", *({"name": f"{kind} {n}", "kind": kind} for n in range(2)))
    return client


async def test_a_parents_list_has_all_kinds(bar: httpx.AsyncClient) -> None:
    assert len((await bar.get("/api/liqueurs")).json()) == 6
    assert len((await bar.get("/api/liqueurs?kind=amaro")).json()) == 2


async def test_kinds_are_created(bar: httpx.AsyncClient) -> None:
    plain, cordial = await fill(
        bar, "/api/liqueurs", {"name": "Generic 2"}, {"name": "Elderberry", "sweetness": 3, "kind": "cordial"}
    )
    assert (plain["kind"], cordial["kind"]) == (None, "cordial")
    assert (await bar.get(f"/api/liqueurs/{cordial['id']}")).json() == cordial


async def test_a_kind_that_there_is_not_is_a_422(bar: httpx.AsyncClient) -> None:
    problem = is_problem(await bar.post("/api/liqueurs", json={"name": "Oud Bruin", "kind": "ale"}), 422)
    assert [each["pointer"] for each in problem["errors"]] == ["/kind"]
