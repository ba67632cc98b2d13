"""A server that restarts, connections that are ended, tables that change: nothing is lost, and nobody is told wrong."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from livecollections import LiveClient, StoreUnavailable
from livecollections.demo import create_app
from livecollections.stores import postgres_connection
from livecollections.stores.postgres_connection import CONNECTIONS, PATIENCE
from livecollections.testing import FaultProxy, Site, wait_until
from livecollections.testing.stores.models import Ticket

from .server import END_ALL, PostgresServer, run_elsewhere, server
from .things import Shelf
from .writing import Writing, stranger, writing


async def test_ended_connections_are_noticed_by_nobody(postgres: PostgresServer) -> None:
    async with writing(postgres.database(), Shelf) as at:
        for number in range(3):
            await at.create(Shelf, {"seen": number})
            await at.run(END_ALL)
            assert len(await at.rows(Shelf)) == number + 1
            await at.run(END_ALL)
        await asyncio.gather(*(at.create(Shelf, {"seen": 10 + number}) for number in range(5)))
        assert len(await at.rows(Shelf)) == 8


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT], ids=["restart", "crash"])
async def test_a_restart_in_mid_stream_loses_nothing(number: int) -> None:
    """What was acknowledged is there afterwards, and every collection has it."""
    with server({"fsync": "on", "synchronous_commit": "on"}) as running:
        url = running.database()
        with Site(create_app(url), database=url) as site:
            async with (
                httpx.AsyncClient(base_url=site.url, timeout=2 * PATIENCE) as http,
                LiveClient(site.url) as client,
                client.collection("/api/todos") as todos,
            ):
                acknowledged: list[str] = []
                stop = asyncio.Event()

                async def write_much() -> None:
                    place = 0
                    while not stop.is_set():
                        place += 1
                        answer = await http.post("/api/todos", json={"title": f"t{place}"})
                        assert answer.status_code in (201, 503)
                        if answer.status_code == 201:
                            acknowledged.append(answer.json()["title"])

                writing_much = asyncio.create_task(write_much())
                await wait_until(lambda: len(acknowledged) >= 20, 10)
                await asyncio.to_thread(running.stop, number)
                await asyncio.to_thread(running.start)
                before = len(acknowledged)
                await wait_until(lambda: len(acknowledged) >= before + 20, 20)
                await run_elsewhere(url, "INSERT INTO todo (title, completed) VALUES ('of a shell', false)")
                stop.set()
                await writing_much
                given = (await http.get("/api/todos")).json()
                titles = [row["title"] for row in given]
                assert {*acknowledged, "of a shell"} <= {*titles}
                assert len({*titles}) == len(titles)
                await wait_until(lambda: sorted(map(str, todos)) == sorted(map(str, given)), 10)


async def test_a_column_may_change_its_type_under_way(postgres: PostgresServer) -> None:
    """Prepared statements remember what they gave."""
    async with writing(postgres.database(), Shelf) as at:
        await at.create(Shelf, {"name": "a"})
        assert await at.rows(Shelf)
        await at.run(
            "ALTER TABLE shelf ALTER COLUMN seen TYPE bigint", "ALTER TABLE shelf ADD COLUMN more text"
        )
        assert [row["seen"] for row in await at.rows(Shelf)] == [0]
        assert (await at.change(Shelf, 1, {"seen": 2**40})).row["seen"] == 2**40
        await at.run("ALTER TABLE shelf ALTER COLUMN seen TYPE numeric")
        assert (await at.create(Shelf, {"name": "b"})).row["seen"] == 0
        assert [row["seen"] for row in await at.rows(Shelf)] == [2**40, 0]


async def test_a_server_that_is_gone_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    with server() as running:
        async with writing(running.database(), Shelf) as at:
            await asyncio.to_thread(running.stop)
            attempts: list[Any] = [
                at.rows(Shelf),
                at.create(Shelf, {}),
                at.store.head(),
                at.store.reset("shelf"),
            ]
            for attempt in attempts:
                with pytest.raises(StoreUnavailable):
                    await attempt
            await asyncio.to_thread(running.start)
            assert (await at.create(Shelf, {"name": "again"})).row["name"] == "again"


async def test_a_standby_is_refused(postgres: PostgresServer) -> None:
    """Finding 31: what takes no writes can't draw a transaction's number either."""
    with server() as running:
        await asyncio.to_thread(running.stop)
        (running.data / "standby.signal").touch()
        await asyncio.to_thread(running.start)
        with pytest.raises(StoreUnavailable, match="standby"):
            async with writing(running.url(), Shelf):
                pass


async def test_a_table_that_is_locked_keeps_nobody_from_others(postgres: PostgresServer) -> None:
    """More lists and writes wait for it than there are connections."""
    async with writing(postgres.database(), Shelf, Ticket) as at, stranger(at.url) as other:
        await at.create(Shelf, {"name": "a"})
        await other.execute("LOCK TABLE shelf IN ACCESS EXCLUSIVE MODE")
        lists = [asyncio.create_task(at.rows(Shelf)) for _ in range(2 * CONNECTIONS)]
        writes = [asyncio.create_task(at.change(Shelf, 1, {"seen": 1})) for _ in range(2 * CONNECTIONS)]
        head = await at.store.head()
        waiting = asyncio.create_task(at.store.wait_changed(head))
        for number in range(5):
            await asyncio.wait_for(at.create(Ticket, {"note": f"{number}"}), 3)
        await asyncio.wait_for(waiting, 3)
        assert not any(each.done() for each in (*lists, *writes))
        await other.execute("COMMIT")
        assert all(len(found) == 1 for found in await asyncio.gather(*lists))
        assert all(written.row["seen"] == 1 for written in await asyncio.gather(*writes))


@asynccontextmanager
async def behind(server: PostgresServer, line: FaultProxy) -> AsyncIterator[tuple[Writing, str]]:
    """A store whose server is behind a proxy, and a URL of its database that is not."""
    (name,) = re.findall(r"///(\w+)", url := server.database())
    line.aim(f"http://127.0.0.1:{server.port}")
    async with writing(f"postgresql://postgres@127.0.0.1:{line.port}/{name}", Shelf) as at:
        yield at, url


@pytest.mark.parametrize("how", ["waiting", "reading", "writing"])
async def test_a_machine_that_vanishes_keeps_nobody_waiting(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Its connections are never ended: one goes on over others, as soon as there are any to be had."""
    monkeypatch.setattr(postgres_connection, "PATIENCE", 1.0)
    async with FaultProxy() as line, behind(postgres, line) as (at, url), asyncio.timeout(30):
        head = (await at.create(Shelf, {"name": "a"})).seq or ""
        waiting = asyncio.create_task(at.store.wait_changed(head))
        await wait_until(lambda: at.store._log._reading._waiting, 10)
        line.half_open()
        if how == "waiting":
            with pytest.raises(StoreUnavailable):
                await waiting
        line.heal()
        if how == "writing":
            await at.create(Shelf, {"name": "b"})
        else:
            await run_elsewhere(url, "INSERT INTO shelf (name, seen) VALUES ('b', 0)")
        assert [change.after["name"] for change in await at.changes(head) if change.after] == ["b"]
        await asyncio.gather(waiting, return_exceptions=True)


async def test_a_stop_waits_for_no_machine_that_has_vanished(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connection, "PATIENCE", 1.0)
    async with FaultProxy() as line, behind(postgres, line) as (at, _), asyncio.timeout(30):
        await asyncio.gather(*(at.store.head() for _ in range(3)))
        line.half_open()
        await at.store.stop()
