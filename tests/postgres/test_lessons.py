"""Lessons that others paid for, of PostgreSQL: the docstring of each test says the lesson, and in brackets who paid.

Which there must be is said in ``tests/test_lessons.py``.
"""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import count
from typing import Any

import asyncpg
import pytest

from livecollections import Live
from livecollections.query import Query
from livecollections.stores.base import Log, Write
from livecollections.stores.gaps import Gaps
from livecollections.stores.postgres_log import PostgresLog
from livecollections.stores.sql_log import place_of
from livecollections.testing import wait_until

from .server import PostgresServer, server
from .things import Order, Shelf
from .writing import stranger, writing

DRAW = "SET CONSTRAINTS ALL IMMEDIATE"
"""Has a transaction draw the places of what it has written."""
WITHIN = 60.0
"""Seconds in which what is waited for happens."""
PATIENCE = 10 * WITHIN
"""Seconds after which a gap is passed here: whatever waits for one that is left fails."""


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "livecollections.stores.postgres.PostgresLog",
        partial(PostgresLog, gaps=lambda place: Gaps(place, patience=PATIENCE)),
    )


# --- fences -------------------------------------------------------------------------------------------------


async def test_an_answer_waits_for_its_own_place_alone(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wait for, and tell, the place of the write itself: somebody else's that is drawn and not committed keeps no
    answer waiting, nor is one that was drawn since. [Meteor #14362]"""
    async with writing(postgres.schema(), Shelf) as at, stranger(at.url) as other:
        start, numbers, written = await at.store.head(), count(), at.store._log.written
        await other.execute(f"INSERT INTO shelf (name, seen) VALUES ('theirs', 0); {DRAW}")

        async def after_others(connection: asyncpg.Connection, since: int) -> str:
            await at.run(f"INSERT INTO shelf (name, seen) VALUES ('since', {next(numbers)})")
            return await written(connection, since)

        async def write(number: int) -> tuple[str | None, str]:
            origin = f"mine.{number}"
            return (await at.create(Shelf, {"name": origin}, origin=origin)).seq, origin

        monkeypatch.setattr(at.store._log, "written", after_others)
        told = dict(await asyncio.wait_for(asyncio.gather(*map(write, range(10))), WITHIN))
        assert await at.store.head() == start, "the watermark waits"
        await other.execute("COMMIT")
        entries = await at.changes(start)
        assert {entry.seq: entry.origin for entry in entries if entry.origin} == told


async def test_an_answer_that_logged_nothing_is_of_a_row_that_was_locked(postgres: PostgresServer) -> None:
    """No event will come of a write that changes nothing: its place is the last one drawn after its row was locked, so
    that none which the row lacks is below (finding 8). [Meteor #14362]"""
    async with writing(postgres.schema(), Shelf) as at, stranger(at.url) as other:
        created = await at.create(Shelf, {"name": "a"})
        await other.execute(f"UPDATE shelf SET name = 'theirs' WHERE id = 1; {DRAW}")
        answering = asyncio.create_task(at.store.write(Write(at.sources[Shelf], (1,), lambda row: {})))
        assert not (await asyncio.wait({answering}, timeout=0.2))[0], (
            "their place is drawn, and the row is theirs"
        )
        await other.execute("COMMIT")
        answer = await asyncio.wait_for(answering, WITHIN)
        (theirs,) = await at.changes(created.seq or "")
        assert (answer.row, answer.seq) == (theirs.after, theirs.seq)


# --- where the stream begins --------------------------------------------------------------------------------


async def test_the_watermark_is_taken_before_the_snapshot(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream must begin at a place that was taken before the rows were read, or what comes between is lost
    (finding 5). [Meteor #14389]"""
    async with writing(postgres.schema(), Shelf) as at:
        watermark = at.store._log.watermark

        async def amid_writes(connection: asyncpg.Connection) -> str:
            await at.run("INSERT INTO shelf (name, seen) VALUES ('before', 0)")
            seq = await watermark(connection)
            await at.run("INSERT INTO shelf (name, seen) VALUES ('between', 0)")
            return seq

        start = await at.store.head()
        monkeypatch.setattr(at.store._log, "watermark", amid_writes)
        found = await at.store.find(at.sources[Shelf], Query())
        before, between = await at.changes(start)
        assert [row["name"] for row in found.rows] == ["before", "between"]
        assert (found.seq, found.until) == (before.seq, between.seq)
        assert await at.changes(found.seq) == [between], "it is heard, though the rows have it already"


# --- order --------------------------------------------------------------------------------------------------


def serving(url: str) -> Live:
    live = Live(url)
    live.add_resource("/api/shelves", Shelf)
    live.add_resource("/api/orders", Order)
    return live


async def test_a_higher_place_takes_nobody_past_one_that_is_not_committed(postgres: PostgresServer) -> None:
    """Ids do not commit in order: a higher irrelevant one must not take a reader past a relevant one that has not
    committed, and what is read of one collection stops below it too. [Baserow, Centrifugo]"""
    url = postgres.database()
    await asyncio.to_thread(postgres.execute, 'CREATE SCHEMA "the shop"', database=url.partition("?")[0][14:])
    live, heard = serving(url), list[Any]()
    async with live, stranger(url) as other:
        store, client = live._store, live.bayeux.local_client()
        await client.subscribe("/api/shelves", heard.append)
        start = await store.head()
        await other.execute(f"INSERT INTO shelf (name, seen) VALUES ('relevant', 0); {DRAW}")
        async with live.session() as session:
            session.add(Order(note="irrelevant"))
            await session.commit()
        for source in (None, "shelf", "the shop.order"):
            batch = await store.read(start, 10, source)
            assert (batch.changes, batch.upto) == ([], start), source
        assert await store.head() == start
        await other.execute("COMMIT")
        await wait_until(lambda: len(heard) == 1, WITHIN)
        relevant, irrelevant = (await store.read(start, 10)).changes
        assert [relevant.source, irrelevant.source] == ["shelf", "the shop.order"]
        assert (heard[0]["seq"], heard[0]["body"]["name"]) == (relevant.seq, "relevant")


async def test_a_place_that_was_undone_keeps_nobody_waiting(postgres: PostgresServer) -> None:
    """An id that was allocated and never committed must not be waited for for ever. [Baserow, Centrifugo]"""
    async with writing(postgres.schema(), Shelf) as at, stranger(at.url) as other:
        start = await at.store.head()
        await other.execute(f"INSERT INTO shelf (name, seen) VALUES ('undone', 0); {DRAW}")
        written = await at.create(Shelf, {"name": "relevant"})
        assert await at.changes(start) == []
        await other.execute("ROLLBACK")
        async with asyncio.timeout(WITHIN):
            await at.store.wait_changed(start)
        (change,) = await at.changes(start)
        assert change.seq == written.seq
        assert place_of(change.seq) > place_of(start) + 1, "it has left a hole"


# --- loss ---------------------------------------------------------------------------------------------------


async def test_no_replication_slot_is_held() -> None:
    """A log of one's own needs no slot, which fills the disk while its reader is away: a server that can have none, and
    keeps no WAL for any, is enough. [Centrifugo, Electric, Supabase]"""
    with server({"wal_level": "minimal", "max_replication_slots": "0", "max_wal_senders": "0"}) as running:
        url = running.url()
        async with writing(url, Shelf, log=Log(changes=10)) as at:
            start = await at.store.head()
            await at.run("INSERT INTO shelf (name, seen) VALUES ('theirs', 0)")
            written = await at.create(Shelf, {"name": "ours"})
            assert [change.seq for change in await at.changes(start)][1:] == [written.seq]
        connection = await asyncpg.connect(url)
        try:
            for held in ("pg_replication_slots", "pg_publication"):
                assert await connection.fetchval(f"SELECT count(*) FROM {held}") == 0
        finally:
            await connection.close()
