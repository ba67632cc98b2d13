"""Selecting: which fields documents have."""

from __future__ import annotations

import httpx
from pydantic import BaseModel, computed_field

from tests.databases.database import Database

from .conftest import Open, fill
from .models import Cheese, Shop


async def test_documents_have_the_fields_that_are_selected(database: Database, opened: Open) -> None:
    live = database.live()
    live.add_resource("/api/cheeses", Cheese, exclude=["molds", "arbitrary", "bother"])
    client = await opened(live)
    shown = {"id", "name", "color"}
    (created,) = await fill(client, "/api/cheeses", {"name": "Gorgonzola", "color": "Green"})
    assert created.keys() == shown
    replaced = await client.put("/api/cheeses/1", json={"name": "Gorgonzola", "color": "White"})
    assert (replaced.json().keys(), replaced.json()["color"]) == (shown, "White")
    (listed,) = (await client.get("/api/cheeses?sort=name")).json()
    assert listed == replaced.json()


async def test_a_field_is_left_out(database: Database, opened: Open) -> None:
    live = database.live()
    live.add_resource("/api/stores", Shop, exclude=["voltaic"])
    client = await opened(live)
    await fill(client, "/api/stores", {"name": "Corner"})
    (listed,) = (await client.get("/api/stores")).json()
    assert listed.keys() == {"id", "name", "hyphenated-field-name"}


async def test_a_field_with_hyphens_is_left_out(database: Database, opened: Open) -> None:
    live = database.live()
    live.add_resource("/api/stores", Shop, exclude=["hyphenated", "voltaic"])
    client = await opened(live)
    (created,) = await fill(client, "/api/stores", {"name": "Lou's"})
    assert created == {"id": 1, "name": "Lou's"}
    assert (await client.get("/api/stores")).json() == [created]


async def test_what_goes_out_may_be_changed(database: Database, opened: Open) -> None:
    class Louder(BaseModel):
        id: int
        name: str

        @computed_field
        def shout(self) -> str:
            return self.name.upper()

    live = database.live()
    live.add_resource("/api/stores", Shop, read=Louder)
    client = await opened(live)
    await fill(client, "/api/stores", {"name": "Corner"})
    (listed,) = (await client.get("/api/stores")).json()
    assert listed == {"id": 1, "name": "Corner", "shout": "CORNER"}


async def test_openapi_tells_what_is_shown(database: Database, opened: Open) -> None:
    live = database.live()
    live.add_resource("/api/stores", Shop, exclude=["voltaic"])
    client = await opened(live)
    described = (await client.get("/openapi.json")).json()
    assert described["components"]["schemas"]["Shop"]["properties"].keys() == {
        "id", "name", "hyphenated-field-name",
    }  # fmt: skip


async def test_a_client_chooses_fields(garden: httpx.AsyncClient) -> None:
    chosen = (await garden.get("/api/vegetables", params={"select": "-id score"})).json()
    assert all(each.keys() == {"score"} for each in chosen)
    left = (await garden.get("/api/vegetables", params={"select": "-hyphenated-field-name"})).json()
    assert all(each.keys() == {"id", "name", "score"} for each in left)
