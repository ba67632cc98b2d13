"""Collections of the original's server: npm's faye, and a REST that knows nothing of seqs, origins and keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from livecollections import errors
from livecollections.bayeux import Client
from livecollections.collection import LiveClient
from livecollections.testing.proxy import FaultProxy

from ..client.test_faye import FayeServer, faye_server
from ..serving import served, wait_until

WITHIN = 10.0


@dataclass
class Original:
    """The article's server: it writes, and publishes ``{method, body}``.

    may_answer: cleared, answers to writes wait.  loses: writes that are obeyed and answered with 502.
    """

    bayeux: Client
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    loses: int = 0
    last: int = 0

    @property
    def app(self) -> Starlette:
        paths = [("/api/todos", ["GET", "POST"]), ("/api/todos/{id:int}", ["PUT", "PATCH", "DELETE"])]
        return Starlette(routes=[Route(path, self.answer, methods=methods) for path, methods in paths])

    async def answer(self, request: Request) -> Response:
        self.asked.append(request.method)
        if request.method == "GET":
            return JSONResponse([*self.rows.values()])
        key = int(request.path_params.get("id", 0))
        if key and key not in self.rows:
            return Response(status_code=404)
        row = await self.write(request.method, key, await request.json() if await request.body() else {})
        await self.may_answer.wait()
        if self.loses:
            self.loses -= 1
            return Response(status_code=502)
        return JSONResponse(row)

    async def write(self, method: str, key: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Also anybody else's."""
        if method == "POST":
            self.last = key = self.last + 1
        row = {**(self.rows.get(key, {}) if method == "PATCH" else {}), **fields, "id": key}
        if method == "DELETE":
            row = self.rows.pop(key)
        else:
            self.rows[key] = row
        await self.bayeux.publish("/api/todos", {"method": method.replace("PATCH", "PUT"), "body": row})
        return row


@dataclass
class Scene:
    """proxy: between the collections and faye."""

    original: Original
    faye: FayeServer
    proxy: FaultProxy
    url: str

    @asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[LiveClient]:
        async with LiveClient(self.url, faye=f"{self.proxy.url}/faye", timeout=WITHIN, **options) as client:
            yield client


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    async with faye_server() as faye, FaultProxy(faye.url) as proxy, Client(faye.url) as bayeux:
        original = Original(bayeux)
        original.may_answer.set()
        async with served(original.app) as url:
            yield Scene(original, faye, proxy, url)


@pytest.mark.parametrize("transport", ["websocket", "long-polling"])
async def test_it_equals_the_list_whoever_writes(transport: str) -> None:
    async with scene() as place, place.client(transports=[transport]) as client:
        original = place.original
        await original.write("POST", 0, {"title": "one"})
        async with client.collection("/api/todos") as todos:
            assert (todos.live, list(todos)) == ("live", [{"title": "one", "id": 1}])
            await original.write("POST", 0, {"title": "two"})
            await original.write("PUT", 1, {"title": "ONE"})
            await original.write("DELETE", 2, {})
            mine = await todos.create({"title": "mine"})
            await todos.update(mine["id"], title="MINE")
            await todos.replace(1, {"title": "uno"})
            await todos.delete(mine["id"])
            await original.write("POST", 0, {"title": "last"})
            await todos.wait_until(lambda todos: 4 in todos, WITHIN)
            assert list(todos) == [{"title": "uno", "id": 1}, {"title": "last", "id": 4}]


@pytest.mark.parametrize("optimistic", [True, False])
async def test_own_creates_never_show_twice_and_strangers_wait_for_them(optimistic: bool) -> None:
    async with (
        scene() as place,
        place.client() as client,
        client.collection("/api/todos", optimistic=optimistic) as todos,
        client.collection("/api/todos") as watching,
    ):
        original = place.original
        original.may_answer.clear()
        creating = [asyncio.create_task(todos.create({"title": f"mine {n}"})) for n in range(3)]
        await watching.wait_until(lambda one: len(one) == 3, WITHIN)
        await original.write("POST", 0, {"title": "theirs"})
        await watching.wait_until(lambda one: len(one) == 4, WITHIN)
        assert len(todos) == (3 if optimistic else 0)
        changes = todos.changes()
        original.may_answer.set()
        made = await asyncio.gather(*creating)
        await todos.wait_until(lambda todos: len(todos) == 4, WITHIN)
        assert sorted(one["id"] for one in made) == [1, 2, 3]
        assert sorted(one["id"] for one in todos) == [1, 2, 3, 4]
        await todos.close()
        added = [change.key async for change in changes if change.kind == "add"]
        assert sorted(map(str, added)) == (["4"] if optimistic else ["1", "2", "3", "4"])


async def test_after_a_break_the_list_is_read_again() -> None:
    async with (
        scene() as place,
        place.client() as client,
        client.collection("/api/todos") as todos,
    ):
        original = place.original
        for number in range(3):
            reads = original.asked.count("GET")
            place.proxy.refuse()
            place.proxy.cut()
            await todos.wait_until(lambda todos: todos.live == "connecting", WITHIN)
            await original.write("POST", 0, {"title": str(number)})
            place.proxy.heal()
            await todos.wait_until(lambda todos, n=number: len(todos) == n + 1, WITHIN)  # type: ignore[misc]
            await todos.wait_live(WITHIN)
            assert original.asked.count("GET") > reads
        assert [one["title"] for one in todos] == ["0", "1", "2"]


async def test_a_write_without_an_answer_is_said_to_be_unconfirmed_at_once_and_never_repeated() -> None:
    async with (
        scene() as place,
        place.client() as client,
        client.collection("/api/todos") as todos,
    ):
        original = place.original
        original.loses = 2
        with pytest.raises(errors.Unconfirmed, match="Bad Gateway"):
            await todos.create({"title": "one"})
        with pytest.raises(errors.Unconfirmed):
            await todos.update(1, title="ONE")
        assert original.asked.count("POST") == original.asked.count("PATCH") == 1
        await todos.wait_until(lambda todos: [one["title"] for one in todos] == ["ONE"], WITHIN)


async def test_a_filtered_list_is_read_again_at_each_message() -> None:
    async with (
        scene() as place,
        place.client() as client,
        client.collection("/api/todos", query={"done": True}) as todos,
    ):
        reads = place.original.asked.count("GET")
        await place.original.write("POST", 0, {"title": "one"})
        await todos.wait_until(lambda todos: len(todos) == 1, WITHIN)
        await wait_until(lambda: place.original.asked.count("GET") > reads)
