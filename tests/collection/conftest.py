"""A real Live on SQLite, served over a socket, with a proxy that does to connections what networks do."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from livecollections import Live
from livecollections.collection import DocumentChange, LiveClient, LiveCollection
from livecollections.testing.proxy import FaultProxy

from ..models import Person, Seat, Todo
from ..serving import served

TRANSPORTS = ("websocket", "long-polling")


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    assert isinstance(request.param, str)
    return request.param


@pytest.fixture(autouse=True)
async def no_task_is_left() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    left = {task for task in asyncio.all_tasks() - before if not task.done()} - {asyncio.current_task()}
    assert not left


class Site:
    """The server, its database as a stranger sees it, and the way to it.

    fates: what becomes of the next request with a method: a status (refused before anything is done), or "lost": it is
    obeyed, and its connection is cut before the answer has gone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.address = ""
        self.proxy = FaultProxy()
        self.fates: dict[str, list[int | str]] = {}
        self.live = Live(f"sqlite:///{path}")
        self.live.add_resource("/api/todos", Todo)
        self.live.add_resource("/api/few", Todo, limit=2, sort="title")
        self.live.add_resource("/api/people", Person)
        self.live.add_resource("/api/seats", Seat)
        self.app: ASGIApp = self.live.app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The application, with its fates."""
        fates = self.fates.get(scope.get("method", ""))
        fate = fates.pop(0) if fates and scope["path"].startswith("/api/") else None
        if isinstance(fate, int):
            await send({"type": "http.response.start", "status": fate, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return

        async def lose(event: Any) -> None:
            self.proxy.cut()

        await self.app(scope, receive, lose if fate == "lost" else send)

    def sql(self, statement: str, *parameters: Any) -> list[Any]:
        """Run a statement as another program would."""
        with closing(sqlite3.connect(self.path, timeout=10)) as connection, connection:
            return connection.execute(statement, parameters).fetchall()

    async def get(self, path: str = "/api/todos") -> Any:
        """What GET says."""
        async with httpx.AsyncClient(base_url=self.address) as http:
            return (await http.get(path)).raise_for_status().json()

    def client(self, transport: str = "websocket", **options: Any) -> LiveClient:
        """A client on the other side of the proxy."""
        return LiveClient(self.proxy.url, transports=[transport], **{"timeout": 15, "patience": 3, **options})

    async def wait_equal(self, collection: LiveCollection[Any], path: str = "/api/todos") -> None:
        """Return when the collection equals GET, and says that it is live."""
        wanted = {each["id"]: each for each in await self.get(path)}
        await collection.wait_until(
            lambda it: it.live == "live" and {each["id"]: each for each in it} == wanted, 20
        )


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(tmp_path / "test.db")
    async with served(site) as address, site.proxy:
        site.address = address
        site.proxy.aim(address)
        yield site


async def take(changes: Any, count: int) -> list[DocumentChange]:
    """The next so many that a reader is told."""
    async with asyncio.timeout(10):
        return [await anext(changes) for _ in range(count)]
