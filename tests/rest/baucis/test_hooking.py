"""Hooking: functions of the user's around a write."""

from __future__ import annotations

import httpx

from livecollections import Operation, RequestRefused
from tests.databases.database import Database
from tests.rest.conftest import is_problem

from .conftest import Open, fill
from .models import Vegetable

PATH = "/api/vegetables"


async def test_each_write_runs_its_hooks(database: Database, opened: Open) -> None:
    saved: list[str] = []
    live = database.live()
    live.add_resource(PATH, Vegetable, before_write=lambda operation: saved.append(operation.method))
    client = await opened(live)
    await fill(client, PATH, {"name": "Ground Cherry"})
    await client.put(f"{PATH}/1", json={"name": "Radicchio di Treviso"})
    await client.delete(f"{PATH}/1")
    assert saved == ["POST", "PUT", "DELETE"]


async def test_hooks_are_told_what_is_written(database: Database, opened: Open) -> None:
    told: list[tuple[str, object]] = []
    live = database.live()
    live.add_resource(PATH, Vegetable, before_validate=lambda found: told.append((found.method, found.key)))
    client = await opened(live)
    await fill(client, PATH, {"name": "Pea"})
    for method in ("PUT", "PATCH", "DELETE"):
        await client.request(method, f"{PATH}/1", json={"name": "Bean"})
    assert told == [("POST", None), ("PUT", (1,)), ("PATCH", (1,)), ("DELETE", (1,))]


async def test_a_hook_changes_what_is_sent(database: Database, opened: Open) -> None:
    async def louder(operation: Operation) -> None:
        operation.body["name"] = operation.body["name"].replace("zoom", "boom")

    def bimm(operation: Operation) -> None:
        operation.body["name"] = operation.body["name"].replace("bamm", "bimm")

    live = database.live()
    live.add_resource(PATH, Vegetable, before_validate=[louder, bimm])
    client = await opened(live)
    created = await fill(client, PATH, {"name": "zoom"}, {"name": "bamm"})
    assert [each["name"] for each in created] == ["boom", "bimm"]
    assert (await client.put(f"{PATH}/2", json={"name": "zoom"})).json()["name"] == "boom"


async def test_an_error_of_a_hook_is_the_answer(database: Database, opened: Open) -> None:
    def refuse(operation: Operation) -> None:
        if operation.values.get("name") == "zoom":
            raise RequestRefused("Bento box", status=403, title="Forbidden")

    live = database.live()
    live.add_resource(PATH, Vegetable, after_validate=refuse)
    client: httpx.AsyncClient = await opened(live)
    await fill(client, PATH, {"name": "Pea"})
    for method, path in (("POST", PATH), ("PUT", f"{PATH}/1")):
        problem = is_problem(await client.request(method, path, json={"name": "zoom"}), 403)
        assert problem["detail"] == "Bento box"
    assert [each["name"] for each in (await client.get(PATH)).json()] == ["Pea"]


async def test_bulk_writes_run_the_hooks_of_each(database: Database, opened: Open) -> None:
    written: list[str] = []
    live = database.live()
    live.add_resource(
        PATH,
        Vegetable,
        delete_all=True,
        after_write=lambda operation: written.append((operation.after or {})["name"]),
    )
    client = await opened(live)
    await client.post(PATH, json=[{"name": "Pea"}, {"name": "Bean"}])
    assert written == ["Pea", "Bean"]
    assert (await client.delete(PATH)).json() == 2
    assert sorted(written[2:]) == ["Bean", "Pea"]
