"""PostgreSQL's log: what is kept and forgotten, and a log that went back in time."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from pathlib import Path

import asyncpg
import pytest

from livecollections.cause import Cause
from livecollections.stores.base import Letter, Log
from livecollections.stores.postgres_catalog import Target
from livecollections.stores.sql_log import TRIM, place_of

from .reading import NOW, connected, install, methods, reading, todo
from .server import PostgresServer, server

COLUMNS = {"todo": ("id", "title")}
LATER = NOW + 30 * 86_400


async def test_what_is_too_old_or_too_much_is_trimmed_in_pieces(
    connection: asyncpg.Connection, url: str
) -> None:
    """Where history is lost the old place is given up, and reading goes on at one that is known (finding 15).
    [Meteor #14604]"""
    await todo(connection)
    async with reading(url, COLUMNS, log=Log(changes=10)) as reader:
        since = reader.position
        await connection.execute(f"INSERT INTO todo SELECT i, 'a' FROM generate_series(1, {TRIM + 20}) i")
        assert await reader.log.trim(NOW)
        assert await connection.fetchval("SELECT count(*) FROM live_changes") == 20
        assert not await reader.log.trim(NOW)
        assert await connection.fetchval("SELECT count(*) FROM live_changes") == 10
        assert await reader.log.why_reset(since, "todo") is Cause.TRIMMED
        batch = await reader.log.read(since, 100)
        assert batch.lost is Cause.TRIMMED
        assert batch.trimmed_to
        assert await reader.log.why_reset(batch.trimmed_to, "todo") is None
        assert len((await reader.log.read(batch.trimmed_to, 100)).changes) == 10


async def test_all_may_be_trimmed_and_places_go_on(connection: asyncpg.Connection, url: str) -> None:
    """After retention it must be known where the log ended, or its reader begins anew (finding 15). [Baserow]"""
    await todo(connection)
    async with reading(url, COLUMNS) as reader:
        await connection.execute("INSERT INTO todo VALUES (1, 'a')")
        end = await reader.log.head()
        while await reader.log.trim(LATER):
            pass
        assert await connection.fetchval("SELECT count(*) FROM live_changes") == 0
        assert await reader.log.head() == end
        assert await reader.log.why_reset(end, "todo") is None
        async with reading(url, COLUMNS) as later:
            assert later.position == end
            await connection.execute("INSERT INTO todo VALUES (2, 'a')")
            assert [change.seq > end for change in await later.read()] == [True]


async def test_nothing_is_trimmed_beyond_a_gap_that_may_fill(
    connection: asyncpg.Connection, url: str
) -> None:
    """Finding 15: what is trimmed under a reader is lost."""
    await todo(connection)
    async with connected(url) as slow, reading(url, COLUMNS) as reader:
        await slow.execute("BEGIN; INSERT INTO todo VALUES (1, 'a'); SET CONSTRAINTS ALL IMMEDIATE")
        await connection.execute("INSERT INTO todo VALUES (2, 'a')")
        assert not await reader.log.trim(LATER)
        assert await methods(connection) == ["POST"]
        await slow.execute("COMMIT")
        assert len(await reader.read()) == 2


async def test_a_durable_listener_holds_what_it_has_not_read(
    connection: asyncpg.Connection, url: str
) -> None:
    await todo(connection)
    async with reading(url, COLUMNS) as reader:
        await connection.execute("INSERT INTO todo VALUES (1, 'a')")
        at = (await reader.read())[-1].seq
        await connection.execute("INSERT INTO todo VALUES (2, 'a')")
        assert await reader.log.hold_cursor("one", "me", NOW + 10, NOW)
        assert not await reader.log.hold_cursor("one", "you", NOW + 10, NOW)
        assert await reader.log.hold_cursor("one", "you", NOW + 30, NOW + 20)
        assert not await reader.log.move_cursor("one", "me", at)
        assert await reader.log.move_cursor("one", "you", at)
        assert await reader.log.cursor("one") == at
        await reader.log.trim(LATER)
        assert await methods(connection) == ["POST"], "the second entry stays"


async def test_what_has_got_its_place_waits_no_more(connection: asyncpg.Connection, url: str) -> None:
    await todo(connection)
    async with connected(url) as slow, reading(url, COLUMNS) as reader:
        await slow.execute("BEGIN; INSERT INTO todo VALUES (1, 'a')")
        await connection.execute("INSERT INTO todo VALUES (2, 'a')")
        assert await connection.fetchval("SELECT count(*) FROM live_waiting") == 1
        await reader.log.forget(NOW)
        assert await connection.fetchval("SELECT count(*) FROM live_waiting") == 0
        await slow.execute("COMMIT")
        assert [change.key for change in await reader.read()] == [("2",), ("1",)]


async def test_letters_are_kept_in_the_order_of_their_seqs(connection: asyncpg.Connection, url: str) -> None:
    await todo(connection)
    async with reading(url, COLUMNS) as reader:
        letters = reader.log.letters
        for seq in ("b", "a", "B"):
            assert await letters.keep(Letter("hook", seq, b"x", "dead", since=float(ord(seq))), 2) == (
                seq == "B"
            )
        await letters.keep(Letter("hook", "c", b"\0"), 2)
        assert [letter.seq for letter in await letters.read("hook", ["dead", "failing"])] == ["a", "b", "c"]
        await letters.keep(Letter("hook", "c", b"y", "failing", 3, "why"), 2)
        assert await letters.read("hook", ["failing"], after="b") == [
            Letter("hook", "c", b"y", "failing", 3, "why")
        ]
        await letters.drop("hook", "c")
        assert await letters.read("hook", ["failing"]) == []


async def test_a_reset_is_an_entry_and_why_it_is_stays_known(
    connection: asyncpg.Connection, url: str
) -> None:
    await todo(connection)
    async with reading(url, COLUMNS) as reader:
        since = reader.position
        seq = await reader.log.reset("todo", Cause.BACKLOG)
        assert [(change.seq, change.cause) for change in await reader.read()] == [(seq, Cause.BACKLOG)]
        assert await reader.log.why_reset(since, "todo") is Cause.BACKLOG
        assert await reader.log.why_reset(seq, "todo") is None
        assert await reader.log.last("todo") == seq


async def test_an_entry_that_can_not_be_decoded_is_a_reset(connection: asyncpg.Connection, url: str) -> None:
    await todo(connection)
    async with reading(url, COLUMNS) as reader:
        await connection.execute("INSERT INTO todo VALUES (1, 'a'), (2, 'b'), (3, 'c')")
        await connection.execute("UPDATE live_changes SET layout = 'none' WHERE key = '{1}'")
        await connection.execute("UPDATE live_changes SET after = '{1}' WHERE key = '{2}'")
        assert [change.cause for change in await reader.read()] == [Cause.UNDECODABLE] * 2 + [None]


async def test_a_large_log_is_looked_at_by_its_end_only(connection: asyncpg.Connection, url: str) -> None:
    await todo(connection)
    async with reading(url, COLUMNS) as reader:
        await connection.execute(
            "INSERT INTO live_changes SELECT i, '0000', 'todo', 'DELETE', '{1}' FROM generate_series(1, 20000) i;"
            "SELECT setval('live_seq', 20000); ANALYZE live_changes"
        )
        await reader.log.head()
        for _ in range(8):  # the planner makes a plan for any place once it has seen several
            await reader.log.head()
        statement = reader.log._reading._statement
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE look (bigint, bigint) AS {statement}")
        plan = "\n".join(
            row[0] for row in await connection.fetch("EXPLAIN EXECUTE look (19990, 9223372036854775807)")
        )
        assert "Seq Scan on live_changes" not in plan, plan


# --- a log that went back ------------------------------------------------------------------------------------


@pytest.mark.parametrize("grown", [False, True], ids=["shorter", "grown again"])
async def test_finding_6_a_failover_to_a_copy_that_lost_commits_is_noticed(grown: bool) -> None:
    """The check digits tell what the places don't."""

    async def write(first: int, last: int) -> None:
        await asyncio.to_thread(
            running.execute, f"INSERT INTO todo SELECT i, 'a' FROM generate_series({first}, {last}) i"
        )

    with server({"fsync": "on"}) as running:
        url = running.url()
        async with connected(url) as connection:
            await todo(connection)
        await write(1, 3)
        await asyncio.to_thread(running.stop, signal.SIGINT)
        copy = running.folder / "copy"
        await asyncio.to_thread(subprocess.run, ["cp", "-a", str(running.data), str(copy)], check=True)
        await asyncio.to_thread(running.start)
        async with reading(url, COLUMNS) as reader:
            await write(4, 6)
            assert len(await reader.read()) == 3
            lost, kept = reader.position, await reader.log.head()
            await asyncio.to_thread(running.stop, signal.SIGINT)
            await asyncio.to_thread(_swap, running, copy)
            await asyncio.to_thread(running.start)
            if grown:
                await write(7, 50)
            await reader.log._pool.expire_connections()
            assert kept == lost
            assert await reader.log.why_reset(lost, "todo") in (
                Cause.OTHER_CHECK,
                Cause.BEYOND_END,
                Cause.NO_ENTRY,
            )
            assert (await reader.log.read(lost, 10)).lost is not None
            head = await reader.log.renew(lost)
            assert head[:8] != lost[:8]
            assert await reader.log.renew(lost) == head, "once is enough"
            assert place_of(head) == (await _places(url))[-1]
            assert await reader.log.why_reset(lost, "todo") is Cause.OTHER_EPOCH


def _swap(running: PostgresServer, copy: Path) -> None:
    running.data.rename(running.folder / "lost")
    copy.rename(running.data)


async def _places(url: str) -> list[int]:
    async with connected(url) as connection:
        return [row[0] for row in await connection.fetch("SELECT seq FROM live_changes ORDER BY seq")]


async def test_a_log_that_is_made_anew_is_another(connection: asyncpg.Connection, url: str) -> None:
    await todo(connection)
    async with reading(url, COLUMNS) as reader:
        await connection.execute("INSERT INTO todo VALUES (1, 'a')")
        await reader.read()
        tables = "changes, live_waiting, live_passed, live_meta, live_cursors, live_idempotency, live_letters"
        await connection.execute(f"DROP TABLE live_{tables}; DROP SEQUENCE live_seq")
        await install(connection, Target("todo", None, "todo"))
        await reader.log.wait_changed(reader.position)
        assert (await reader.log.read(reader.position, 10)).lost is Cause.OTHER_EPOCH
        assert await reader.log.renew(reader.position) == await reader.log.head()
