"""Order and completeness: whatever others do at once, the log is read in its order, and nothing of it is missed."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, nullcontext
from functools import partial

import pytest

from livecollections.cause import Cause
from livecollections.change import Key
from livecollections.stores.gaps import Gaps
from livecollections.stores.sql_log import place_of

from ..scale import scaled
from ..stores.gap_world import RuleOff, SnapshotBound
from .crowd import COLUMNS, TABLES, Even, Writer, missing, stranger
from .reading import Reader, connected, fresh_schema, install, reading, target
from .server import PostgresServer

WRITERS = 32
EACH = scaled(40, 200)
"""Transactions of each."""


async def crowded(
    shared: str, kind: type[Writer], each: int, gaps: type[Gaps] = Gaps, other: str | None = None
) -> int:
    """How much a reader missed of what a crowd wrote. other: a database where, as here, a stranger's transaction stays
    open until the end."""
    url = await fresh_schema(shared)
    async with connected(url) as connection:
        await connection.execute(TABLES)
        await install(connection, target("plain"), target("slow"))
        way = stranger(url, other) if other else nullcontext()
        async with way, reading(url, COLUMNS, gaps=gaps) as reader:
            following = asyncio.create_task(reader.follow())
            writers = [kind(url, number) for number in range(WRITERS)]
            await asyncio.gather(*(writer.run(each) for writer in writers))
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            end = await connection.fetchval("SELECT max(seq) FROM live_changes")
            await reader.wait_until(lambda: place_of(reader.position) >= end)
            history = [
                tuple(row) for row in await connection.fetch("SELECT source, id, version FROM history")
            ]
            lost = missing(history, reader.changes)
            # Whatever was rolled back was known to be dead, though strangers were older than all of it.
            assert await connection.fetchval("SELECT count(*) FROM live_passed") == 0
            print(
                f"{gaps.__name__}: {len(history)} changes in {end} places by {WRITERS} writers, "
                f"{sum(each.prepared for each in writers)} prepared transactions, lost: {len(lost)}"
            )
            return len(lost)


@pytest.mark.parametrize("strangers", [False, True], ids=["alone", "strangers' transactions stay open"])
async def test_a_crowd_is_heard_whole_and_in_order(
    postgres: PostgresServer, shared: str, strangers: bool
) -> None:
    """Finding 4: where bounds are not kept of all gaps that were seen, a crowd leaves the reader behind without
    end."""
    assert await crowded(shared, Writer, EACH, other=postgres.url() if strangers else None) == 0


async def test_an_even_crowd_is_heard_whole_and_in_order(shared: str) -> None:
    assert await crowded(shared, Even, EACH) == 0


def heard(reader: Reader, key: Key) -> bool:
    """Whether the reader was told of a row of the other table."""
    return any(change.source == "other" and change.key == key for change in reversed(reader.changes))


async def test_another_table_stays_live_during_a_long_import(url: str) -> None:
    """Finding 4: an import into one table froze all others."""
    rows, columns = scaled(40_000, 200_000), {"todo": ("id",), "other": ("id",)}
    async with connected(url) as importer, connected(url) as writer, AsyncExitStack() as stack:
        await importer.execute(
            "CREATE TABLE todo (id int PRIMARY KEY); CREATE TABLE other (id serial PRIMARY KEY)"
        )
        await install(importer, target("todo"), target("other"))
        reader = await stack.enter_async_context(reading(url, columns))
        importing = asyncio.create_task(
            importer.execute(f"INSERT INTO todo SELECT * FROM generate_series(1, {rows})")
        )
        slowest, count = 0.0, 0
        while not importing.done():
            key = (str(await writer.fetchval("INSERT INTO other DEFAULT VALUES RETURNING id")),)
            began = asyncio.get_running_loop().time()
            await reader.wait_until(partial(heard, reader, key))
            slowest, count = max(slowest, asyncio.get_running_loop().time() - began), count + 1
        print(f"{count} changes heard within {slowest:.3f} s during an import of {rows} rows")
        assert slowest < 1
        assert count >= 5
        await reader.wait_until(lambda: any(change.cause is Cause.BACKLOG for change in reader.changes))


@pytest.mark.parametrize("broken", [RuleOff, SnapshotBound], ids=["rule off", "pg_snapshot_xmax as bound"])
async def test_without_the_rule_of_gaps_changes_are_lost(shared: str, broken: type[Gaps]) -> None:
    for _ in range(10):
        if await crowded(shared, Even, 40, broken):
            return
    pytest.fail("nothing was lost: the crowd proves nothing")
