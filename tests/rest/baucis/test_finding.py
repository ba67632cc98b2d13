"""Finding: documents by another field than their key."""

from __future__ import annotations

import pytest
from sqlmodel import Field, SQLModel

from livecollections import ConfigurationError
from tests.databases.database import Database

from .conftest import Open, fill
from .models import Cheese


class Dean(SQLModel, table=True):
    """One with a unique index."""

    __tablename__ = "baucis_dean"
    id: int | None = Field(default=None, primary_key=True)
    room: int = Field(index=True, unique=True)


async def test_documents_are_found_by_another_unique_field(database: Database, opened: Open) -> None:
    live = database.live()
    live.add_resource("/api/cheeses", Cheese, find_by="name")
    client = await opened(live)
    created = await client.post("/api/cheeses", json={"name": "Camembert", "color": "White"})
    assert created.headers["location"] == "/api/cheeses/Camembert"
    assert (await client.get("/api/cheeses/Camembert")).json()["color"] == "White"
    assert (await client.patch("/api/cheeses/Camembert", json={"color": "Grey"})).json()["color"] == "Grey"
    assert (await client.delete("/api/cheeses/Camembert")).status_code == 204


async def test_the_field_must_be_unique(database: Database, opened: Open) -> None:
    live = database.live()
    live.add_resource("/api/cheeses", Cheese, find_by="color")
    with pytest.raises(ConfigurationError, match=r"find_by: .*color must be unique"):
        await opened(live)


async def test_a_unique_index_will_do(database: Database, opened: Open) -> None:
    live = database.live()
    live.add_resource("/api/deans", Dean, find_by="room")
    client = await opened(live)
    await fill(client, "/api/deans", {"room": 7})
    assert (await client.get("/api/deans/7")).json() == {"id": 1, "room": 7}
