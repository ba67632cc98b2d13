"""What a live collection over another's client must stand: its rows of the matrix, on a real Live on SQLite.

Two rules. A scenario ends when the collection equals what GET says. Nothing may be read anew on the way: each
change comes by itself, or again from where the collection was.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from sqlmodel import Field, SQLModel

from livecollections import Live
from livecollections.bayeux import Server
from livecollections.testing.proxy import FaultProxy

from ..serving import served, wait_until
from .bench import TIMEOUT
from .clients import Client
from .scenarios import SILENCE

GRACE = 3
"""Seconds that a stop gives requests of which the rest never comes."""

Row = dict[str, Any]
Scenario = Callable[["LiveBench"], Awaitable[None]]


class Todo(SQLModel, table=True):
    __tablename__ = "matrix_todo"
    id: int | None = Field(default=None, primary_key=True)
    title: str
    done: bool = False


class LiveBench:
    """A Live on a database file behind the fault proxy, and a collection in front of it."""

    def __init__(self, proxy: FaultProxy, path: Path, client: Client) -> None:
        self.proxy = proxy
        self.client = client
        self._path = path
        self._stack = AsyncExitStack()
        self._numbers = count()
        self.bayeux = Server()
        self._http = httpx.AsyncClient()

    async def start(self) -> None:
        """Run a new server on the same database."""
        self.bayeux = Server(timeout=TIMEOUT, ping=TIMEOUT / 2, pong=TIMEOUT / 2)
        live = Live(f"sqlite:///{self._path}", synchronous="NORMAL", bayeux=self.bayeux)
        live.add_resource("/api/todos", Todo)
        address = await self._stack.enter_async_context(
            served(live.app, ws_ping_interval=None, timeout_graceful_shutdown=GRACE)
        )
        self._http = await self._stack.enter_async_context(httpx.AsyncClient(base_url=address))
        self.proxy.aim(address)

    async def stop(self) -> None:
        """Stop it as a deploy does."""
        await self.bayeux.close()
        await self._stack.aclose()

    def write(self, sql: str, *values: Any) -> None:
        """Somebody else's change, past every program of ours."""
        with closing(sqlite3.connect(self._path, timeout=10)) as database, database:
            database.execute(sql, values)

    def insert(self, rows: int = 1) -> None:
        for _ in range(rows):
            self.write("insert into matrix_todo (title, done) values (?, 0)", f"row {next(self._numbers)}")

    async def truth(self) -> list[Row]:
        """What GET says, past the proxy."""
        rows: list[Row] = (await self._http.get("/api/todos")).json()
        return rows

    async def shown(self) -> dict[str, Any]:
        """The collection as it is now."""
        number = next(self._numbers)
        await self.client.do("show", number=number)
        await self.client.wait(lambda: any(one["number"] == number for one in self.client.of("shown")))
        return self.client.of("shown")[-1]

    async def wait_equal(self, within: float = 20.0) -> list[Row]:
        """Return when the collection is live and holds what the database holds; gives that."""
        deadline = asyncio.get_running_loop().time() + within
        while True:
            shown, truth = await self.shown(), await self.truth()
            is_equal = sorted(shown["rows"], key=_key) == sorted(truth, key=_key)
            if is_equal and shown["state"] == "live" and not shown["unsaved"]:
                return truth
            told = [one for one in self.client.events if one["event"] != "shown"][-20:]
            assert asyncio.get_running_loop().time() < deadline, (shown["state"], told, shown["rows"], truth)
            await asyncio.sleep(0.02)

    async def wait_repeated(self, within: float = 60.0) -> None:
        """Return when nothing is unsaved: what failed is done again, as a user would."""
        async with asyncio.timeout(within):
            while (await self.shown())["unsaved"]:
                await self.client.do("repeat")
                await asyncio.sleep(0.2)

    async def wait_truth(self, condition: Callable[[list[Row]], bool]) -> None:
        """Return when the database is as wanted."""
        async with asyncio.timeout(20):
            while not condition(await self.truth()):  # noqa: ASYNC110  a database is asked
                await asyncio.sleep(0.01)


def _key(row: Row) -> int:
    return int(row.get("id") or 0)


async def subscribe(bench: LiveBench) -> None:
    """All that anybody writes is there by itself."""
    await bench.wait_equal()
    bench.insert(5)
    assert len(await bench.wait_equal()) == 5
    assert {one["id"] for one in bench.client.of("pushed")} == {1, 2, 3, 4, 5}
    bench.write("update matrix_todo set done = 1 where id % 2 = 0")
    bench.write("delete from matrix_todo where id = 1")
    bench.write("update matrix_todo set id = 9, title = 'moved' where id = 3")
    assert [row["id"] for row in await bench.wait_equal()] == [2, 4, 5, 9]


async def publish(bench: LiveBench) -> None:
    """What its user makes, changes and removes is so on the server, and once in the collection."""
    client = bench.client
    await bench.wait_equal()
    for wait in (False, True):
        await client.do("create", data={"title": f"mine {wait}", "done": False}, wait=wait)
    await bench.wait_truth(lambda rows: len(rows) == 2)
    first, second = await bench.wait_equal()
    await client.do("save", id=first["id"], data={"title": "changed"}, wait=False)
    await client.do("destroy", id=second["id"], wait=True)
    await bench.wait_truth(lambda rows: [row["title"] for row in rows] == ["changed"])
    await bench.wait_equal()
    assert not client.of("failed")


async def rehandshake(bench: LiveBench) -> None:
    """Away for longer than its session lives, it goes on from where it was."""
    bench.insert()
    await bench.wait_equal()
    bench.proxy.refuse()
    bench.proxy.cut()
    await wait_until(lambda: not bench.bayeux._exchange.sessions, 20)
    bench.insert(3)
    bench.write("delete from matrix_todo where id = 1")
    bench.proxy.heal()
    await bench.wait_equal()
    assert len(bench.client.of("handshake")) == 2


async def restart(bench: LiveBench) -> None:
    """Servers come and go on the same database, and rows change meanwhile."""
    for number in range(3):
        bench.insert(2)
        await bench.wait_equal()
        await bench.stop()
        bench.insert(2)
        bench.write("update matrix_todo set title = title || ? where id % 2 = 1", str(number))
        await bench.start()
        await bench.wait_equal()


async def cut(bench: LiveBench) -> None:
    """Connections break while rows change, at any moment."""
    await bench.wait_equal()
    for _ in range(5):
        bench.insert(3)
        bench.proxy.cut()
        bench.insert(3)
        bench.write("update matrix_todo set done = not done")
        await bench.wait_equal()
    assert len(bench.client.of("handshake")) == 1


async def half_open(bench: LiveBench) -> None:
    """A connection that died silently is given up, and nothing that came meanwhile is missing."""
    bench.insert()
    await bench.wait_equal()
    bench.proxy.half_open()
    bench.proxy.heal()
    bench.insert(5)
    await bench.wait_equal(SILENCE)


async def slow(bench: LiveBench) -> None:
    """A late and slow server."""
    bench.proxy.delay(0.15)
    bench.proxy.throttle(30_000)
    for _ in range(4):
        bench.insert(10)
        await bench.client.do("create", data={"title": "mine", "done": False}, wait=False)
    await bench.wait_truth(lambda rows: len(rows) == 44)
    await bench.wait_equal()
    bench.proxy.heal()
    bench.insert()
    await bench.wait_equal()


SCENARIOS: Mapping[str, Scenario] = {
    "subscribe": subscribe,
    "publish": publish,
    "rehandshake": rehandshake,
    "restart": restart,
    "cut": cut,
    "half-open": half_open,
    "slow": slow,
}


@asynccontextmanager
async def live_bench(client: Client) -> AsyncIterator[LiveBench]:
    """A running Live; the collection is not made yet."""
    with tempfile.TemporaryDirectory() as folder:
        async with FaultProxy() as proxy:
            made = LiveBench(proxy, Path(folder) / "matrix.db", client)
            await made.start()
            try:
                yield made
            finally:
                proxy.cut()
                await made.stop()


async def run(scenario: str, transport: str, client: Client) -> None:
    """Run one cell."""
    async with live_bench(client) as bench:
        await client.open(f"{bench.proxy.url}/faye", transport)
        await SCENARIOS[scenario](bench)
        assert not client.of("reset"), "it was told to read anew"
        assert bool(bench.bayeux._sockets) is (transport == "websocket")
        await client.do("disconnect")
        await client.wait_count("disconnected", 1)
