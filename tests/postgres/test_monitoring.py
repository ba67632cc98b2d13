"""What is told of PostgreSQL's log: who holds a gap, a server that hangs or is gone, triggers that are missing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest

from livecollections import Live, StoreUnavailable
from livecollections import feed as feed_module
from livecollections.stores import postgres as postgres_module
from livecollections.stores.log_state import OpenGap
from livecollections.stores.postgres_administration import PostgresAdministration
from livecollections.stores.postgres_lookout import Lookout
from livecollections.testing import wait_until
from livecollections.vitals import health_of
from tests.serving import served

from .server import PostgresServer, run_elsewhere, server
from .things import Shelf
from .writing import Writing, stranger, writing

IMPATIENT = 0.3
"""Seconds after which a gap is passed here."""


async def gap_of(at: Writing) -> OpenGap | None:
    """The one that a look tells of; it takes somebody who reads on to see that there is one."""
    await at.store.head()
    return (await at.store.look(await at.store.head())).gap


async def wait_gap(at: Writing, is_passed: bool = False) -> OpenGap:
    """The one that is there in the end. is_passed: and is read on past."""

    async def found() -> OpenGap | None:
        gap = await gap_of(at)
        return gap if gap is not None and gap.is_passed >= is_passed else None

    gap = await wait_until(found)
    assert gap is not None
    return gap


async def test_a_prepared_transaction_is_named_as_the_holder_of_the_gap(postgres: PostgresServer) -> None:
    async with writing(postgres.database(), Shelf) as at, stranger(at.url) as other:
        store: Any = at.store
        store._log._reading._gaps.patience = IMPATIENT
        await other.execute("INSERT INTO shelf (name, seen) VALUES ('held', 0)")
        xid = int(await other.fetchval("SELECT pg_current_xact_id()::text"))
        await other.execute("PREPARE TRANSACTION 'of a stranger'")
        try:
            await at.create(Shelf, {"name": "b"})
            gap = await wait_gap(at)
            (holder,) = gap.holders
            assert (holder.xid, holder.pid, holder.name, holder.state) == (
                xid,
                None,
                "of a stranger",
                "prepared",
            )
            assert gap.last == gap.first
            assert holder.seconds is not None
            assert holder.seconds >= gap.seconds > 0

            later = await wait_gap(at, is_passed=True)
            assert later.seconds >= IMPATIENT
            assert (later.first, [one.name for one in later.holders]) == (gap.first, ["of a stranger"])
        finally:
            await other.execute("ROLLBACK PREPARED 'of a stranger'")
        assert await gap_of(at) is None


async def test_a_backend_is_told_by_its_number_and_to_a_stranger_by_that_alone(
    postgres: PostgresServer,
) -> None:
    async with writing(postgres.database(), Shelf) as at, stranger(at.url) as other:
        await other.execute("SET application_name = 'somebody''s shell'")
        await other.execute("INSERT INTO shelf (name, seen) VALUES ('held', 0)")
        await other.execute("SET CONSTRAINTS ALL IMMEDIATE")
        await at.create(Shelf, {"name": "b"})
        gap = await wait_gap(at)
        (holder,) = gap.holders
        assert holder.pid == other.get_server_pid()
        assert (holder.name, holder.state) == ("somebody's shell", "idle in transaction")
        store: Any = at.store
        names, reading = store._log.names, store._log._reading
        await run_elsewhere(
            at.url,
            "CREATE ROLE guest LOGIN",
            f"GRANT SELECT ON {names.changes}, {names.meta}, {names.passed} TO guest",
        )
        lookout = Lookout(at.url.replace("user=postgres", "user=guest"), names, lambda: reading.gaps)
        try:
            told = (await lookout.look(reading.seq)).gap
            assert told is not None
            (known,) = told.holders
            assert (known.xid, known.pid) == (holder.xid, holder.pid)
            assert (known.state, known.seconds) == (None, None)
        finally:
            lookout.close()


async def test_a_look_sees_how_long_the_log_is_and_what_waits(postgres: PostgresServer) -> None:
    async with writing(postgres.database(), Shelf) as at:
        start = await at.store.head()
        for number in range(5):
            await at.create(Shelf, {"seen": number})
        found = await at.store.look(start)
        assert (found.head, found.behind, found.entries) == (await at.store.head(), 5, 5)
        assert found.bytes is not None
        assert found.bytes > 0
        assert found.age is not None
        assert 0 <= found.age < 60
        assert found.gap is None
        assert (await at.store.look("00000000" + start[8:])).behind == 5


async def test_who_ends_its_connection_does_not_make_it_unreachable(postgres: PostgresServer) -> None:
    async with writing(postgres.database(), Shelf) as at:
        await at.store.look(await at.store.head())
        await at.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
        assert (await at.store.look(await at.store.head())).missing == {}


@asynccontextmanager
async def client_of(live: Live) -> AsyncIterator[httpx.AsyncClient]:
    async with served(live.app) as address, httpx.AsyncClient(base_url=address) as client:
        yield client


def make(url: str, **options: Any) -> Live:
    live = Live(url, **options)
    live.add_resource("/api/shelves", Shelf)
    return live


async def problems(client: httpx.AsyncClient) -> list[str]:
    answer = await client.get("/live/health")
    found: list[str] = answer.json()["problems"]
    assert answer.status_code == (503 if found else 200)
    return found


async def is_well(client: httpx.AsyncClient) -> bool:
    return await problems(client) == []


async def names(client: httpx.AsyncClient, problem: str) -> bool:
    return problem in await problems(client)


async def backends(url: str) -> list[int]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
    finally:
        await connection.close()
    return [row["pid"] for row in rows]


async def test_a_server_that_hangs_or_is_gone_is_told_at_once(postgres: PostgresServer) -> None:
    """Every backend is stopped as a machine that swaps would: connections stay open, and nothing answers."""
    with server() as running:
        url = running.database()
        async with client_of(make(url)) as client:
            await wait_until(lambda: is_well(client))
            hung = await backends(url)
            began = time.monotonic()
            for pid in hung:
                os.kill(pid, signal.SIGSTOP)
            try:
                await wait_until(lambda: names(client, "database"), 10)
                seen = time.monotonic() - began
                began = time.monotonic()
                await problems(client)
                answered = time.monotonic() - began
            finally:
                for pid in hung:
                    os.kill(pid, signal.SIGCONT)
            assert seen < 5
            assert answered < 1
            await wait_until(lambda: is_well(client), 20)
            running.stop(signal.SIGQUIT)
            await wait_until(lambda: names(client, "database"), 10)
            running.start()
            await wait_until(lambda: is_well(client), 20)


async def test_triggers_that_are_missing_are_told_until_they_are_back(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_module, "LOOK", 0.05)
    monkeypatch.setattr(feed_module, "MAINTENANCE", 0.05)
    url = postgres.database()
    async with client_of(make(url)):
        pass
    async with client_of(make(url, capture="check")) as client:
        await wait_until(lambda: is_well(client))
        await run_elsewhere(url, "ALTER TABLE shelf DISABLE TRIGGER ALL")
        await wait_until(lambda: names(client, "capture"))
        assert (await client.get("/live/health")).json()["log"]["uncaptured"] == 1
        await PostgresAdministration(url).install(["shelf"])
        await wait_until(lambda: is_well(client))


async def test_health_tells_a_gaps_holder_and_no_name_that_somebody_gave(postgres: PostgresServer) -> None:
    live = make(postgres.database())
    async with live, stranger(str(live._store._dsn)) as other:  # type: ignore[attr-defined]
        await other.execute("SET application_name = 'somebody''s shell'")
        await other.execute("INSERT INTO shelf (name, seen) VALUES ('held', 0)")
        await other.execute("SET CONSTRAINTS ALL IMMEDIATE")
        async with live.session() as session:
            session.add(Shelf(name="b"))
            await session.commit()
        await wait_until(lambda: (log := live.statistics().log) is not None and log.gap, 10)
        told = health_of(live.statistics())
        assert told["log"]["gap"]["holders"][0]["pid"] == other.get_server_pid()
        assert told["log"]["gap"]["places"] == 1
        assert told["lag"]["seconds"] >= 0
        assert "shell" not in str(told)
    with pytest.raises(StoreUnavailable):
        live.statistics()
