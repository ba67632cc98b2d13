"""Names: what is called otherwise by clients than by the model, or as something of ours is, or is known to nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date

import pytest
from sqlmodel import Field, SQLModel

from livecollections.hooks import Operation
from tests.databases.database import Database
from tests.rest.conftest import Api, connected, is_problem

TOO_MUCH = 2**63
"""For a column of 64 bits, which what a hook sets is first held against when it is written."""


class Entry(SQLModel, table=True):
    """In a drawer that is named by its key."""

    __tablename__ = "rest_entry"
    id: int | None = Field(default=None, primary_key=True)
    key: str = ""
    day: date | None = None
    many: int = Field(default=0, alias="howMany")
    secret: int = 0


def overdo(operation: Operation) -> None:
    """Set what can't be stored where that is asked for."""
    for attribute in ("many", "secret"):
        if operation.values.get("many") == len(attribute):
            operation.values[attribute] = TOO_MUCH


@pytest.fixture
async def api(database: Database) -> AsyncIterator[Api]:
    live = database.live()
    live.add_resource("/api/drawers/{key}/entries", Entry, hidden=["secret"], before_write=overdo)
    async with connected(live, database) as found:
        yield found


async def test_a_value_in_a_path_may_be_called_key(api: Api) -> None:
    for key in "ab":
        made = await api.client.post(f"/api/drawers/{key}/entries", json={})
        entry = {"id": made.json()["id"], "key": key, "day": None, "howMany": 0}
        assert made.json() == entry
        assert (await api.client.get(made.headers["location"])).json() == entry
        assert (await api.client.post(f"/api/drawers/{key}/entries/search", json={})).json() == [entry]
    strange = made.headers["location"].replace("/b/", "/a/")
    is_problem(await api.client.get(strange), 404)
    paths = (await api.client.get("/openapi.json")).json()["paths"]
    named = [each["name"] for each in paths["/api/drawers/{key}/entries/{id}"]["parameters"]]
    assert named == ["key", "id"]


@pytest.mark.parametrize(("asked", "pointer"), [(4, "/howMany"), (6, "")], ids=["by its alias", "hidden"])
async def test_what_can_not_be_stored_is_called_as_documents_call_it(
    api: Api, asked: int, pointer: str
) -> None:
    path, held = "/api/drawers/a/entries", api.held()
    for sent, place in (({"howMany": asked}, ""), ([{}, {"howMany": asked}], "/1")):
        problem = is_problem(await api.client.post(path, json=sent), 422)
        told = [fault["pointer"] for fault in problem.get("errors", [])]
        assert told == ([place + pointer] if place + pointer else [])
        assert not [word for word in ("many", "secret", str(TOO_MUCH)) if word in str(problem)]
    assert api.held() == held
