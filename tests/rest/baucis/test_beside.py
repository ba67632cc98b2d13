"""Beside: routes, middleware and rules of the application that we are mounted into."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from tests.databases.database import Database
from tests.rest.conftest import is_problem

from .conftest import Open, fill
from .models import Shop

Next = Callable[[Request], Awaitable[Response]]


async def test_own_routes_stand_beside(database: Database, opened: Open) -> None:
    app = FastAPI()

    @app.get("/api/stores/info")
    async def info() -> str:
        return "OK!"

    @app.get("/api/stores/{key}/arbitrary")
    async def arbitrary(key: str) -> str:
        return key

    @app.post("/api/stores/binfo")
    async def binfo() -> str:
        return "Poncho!"

    live = database.live()
    live.add_resource("/api/stores", Shop, sort="name")
    live.mount(app)
    client = await opened(live, app=app)
    await fill(client, "/api/stores", {"name": "Westlake"}, {"name": "Corner"})
    assert (await client.get("/api/stores/info")).json() == "OK!"
    assert (await client.get("/api/stores/XYZ/arbitrary")).json() == "XYZ"
    assert (await client.post("/api/stores/binfo")).json() == "Poncho!"
    assert [each["name"] for each in (await client.get("/api/stores")).json()] == ["Corner", "Westlake"]
    assert (await client.get("/api/stores/1")).json()["name"] == "Westlake"


async def test_middleware_goes_around(database: Database, opened: Open) -> None:
    app = FastAPI()

    @app.middleware("http")
    async def poncho(request: Request, call_next: Next) -> Response:
        answer = await call_next(request)
        answer.headers["X-Poncho"] = "Poncho!"
        return answer

    live = database.live()
    live.add_resource("/api/stores", Shop)
    live.mount(app)
    client = await opened(live, app=app)
    answer = await client.get("/api/stores")
    assert (answer.status_code, answer.headers["x-poncho"]) == (200, "Poncho!")


async def test_middleware_may_refuse(database: Database, opened: Open) -> None:
    app = FastAPI()

    @app.middleware("http")
    async def guard(request: Request, call_next: Next) -> Response:
        if request.query_params.get("block") == "true":
            return JSONResponse({"detail": "blocked"}, 401)
        return await call_next(request)

    live = database.live()
    live.add_resource("/api/stores", Shop)
    live.mount(app)
    client = await opened(live, app=app)
    await fill(client, "/api/stores", {"name": "Westlake"})
    assert (await client.get("/api/stores/1?block=true")).status_code == 401
    assert (await client.get("/api/stores/1")).json()["name"] == "Westlake"


async def test_middleware_may_change_the_body(database: Database, opened: Open) -> None:
    live = database.live()
    live.add_resource("/api/stores", Shop)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"] if scope["method"] == "POST" else b""
        changed = orjson.dumps({**orjson.loads(body or b"{}"), "voltaic": False})

        async def again() -> Any:
            return {"type": "http.request", "body": changed}

        await live.app(scope, again, send)

    client = await opened(live, app=app)
    created = await client.post("/api/stores", json={"name": "zoom"})
    assert (created.status_code, created.json()["voltaic"]) == (201, False)
    is_problem(await client.post("/api/stores", json={"name": "zoom"}), 409)


async def test_what_a_user_sees_is_declared_once(database: Database, opened: Open) -> None:
    live = database.live(authenticate=lambda connection, ext: connection.headers.get("x-user"))
    live.add_resource("/api/stores", Shop, policy=True, hidden={"name": lambda user: user is None})
    client = await opened(live)
    await client.post("/api/stores", json={"name": "Westlake"}, headers={"X-User": "ada"})
    assert "name" not in (await client.get("/api/stores/1")).json()
    assert (await client.get("/api/stores/1", headers={"X-User": "ada"})).json()["name"] == "Westlake"
