"""Gaps of the log on a real server: the schedules by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import pytest

from livecollections.cause import Cause
from livecollections.stores.gaps import Gaps

from ..stores.gap_world import RuleOff, SnapshotBound
from .reading import WITHIN, Reader, connected, install, reading, target

COLUMNS = {"todo": ("id", "title"), "other": ("id", "title")}
PATIENCE = 0.3
"""Seconds after which a gap is passed here."""
SOON = 5.0
"""Seconds; where nothing is patched a gap that may still fill is waited for ten."""


def impatient(place: int) -> Gaps:
    return Gaps(place, patience=PATIENCE)


class Scene:
    """A database with two captured tables, and as many connections as are asked for."""

    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        self.url = url
        self._stack = stack

    async def connect(self) -> asyncpg.Connection:
        """Somebody's connection."""
        return await self._stack.enter_async_context(connected(self.url))

    async def begin(self, table: str | None = None, key: int = 0) -> asyncpg.Connection:
        """A transaction that has an xid. table: it has written a row there, whose place it has not drawn yet."""
        connection = await self.connect()
        await connection.execute("BEGIN; SELECT pg_current_xact_id()")
        if table is not None:
            await connection.execute(f"INSERT INTO {table} VALUES ({key}, 'x')")
        return connection

    async def read(self, gaps: type[Gaps] | None = None, patient: bool = True) -> Reader:
        """A reader from now on."""
        rule = gaps or (Gaps if patient else impatient)
        return await self._stack.enter_async_context(reading(self.url, COLUMNS, gaps=rule))


async def draw(connection: asyncpg.Connection) -> None:
    """Have a transaction draw the places of what it wrote."""
    await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")


@asynccontextmanager
async def staged(url: str) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        scene = Scene(url, stack)
        connection = await scene.connect()
        await connection.execute(
            "CREATE TABLE todo (id int PRIMARY KEY, title text); CREATE TABLE other (id int PRIMARY KEY, title text)"
        )
        await install(connection, target("todo"), target("other"))
        yield scene


@pytest.fixture
async def scene(url: str) -> AsyncIterator[Scene]:
    async with staged(url) as found:
        yield found


def keys(reader: Reader) -> list[int]:
    """The keys of what was told."""
    return [int(change.key[0]) for change in reader.changes if change.key]


async def three_transactions(scene: Scene, reader: Reader) -> None:
    """Finding 4: T6, T7 and T5 have xids in that order; T5 draws a place, T6 the next and commits, T7 ends."""
    six, seven = await scene.begin("todo", 6), await scene.begin()
    five = await scene.begin("todo", 5)
    await draw(five)
    await six.execute("COMMIT")
    await reader.read()
    await seven.execute("COMMIT")
    await reader.read()
    await five.execute("COMMIT")
    await reader.read()


async def test_finding_4_the_three_transaction_schedule(scene: Scene) -> None:
    reader = await scene.read()
    await three_transactions(scene, reader)
    assert keys(reader) == [5, 6]


@pytest.mark.parametrize("broken", [RuleOff, SnapshotBound], ids=["rule off", "pg_snapshot_xmax as bound"])
async def test_finding_4_loses_a_change_without_the_rule(scene: Scene, broken: type[Gaps]) -> None:
    reader = await scene.read(broken)
    await three_transactions(scene, reader)
    assert keys(reader) == [6]


async def test_finding_4_a_session_keeps_no_places_for_later(scene: Scene) -> None:
    """Of a sequence with a cache each session draws from its own: what came last would be told first, for good."""
    reader = await scene.read()
    one, other = await scene.connect(), await scene.connect()
    await one.execute("INSERT INTO todo VALUES (1, 'first')")
    await other.execute("UPDATE todo SET title = 'second'")
    await one.execute("UPDATE todo SET title = 'third'")
    await reader.wait_until(lambda: len(reader.changes) == 3)
    assert [change.after and change.after["title"] for change in reader.changes] == [
        "first",
        "second",
        "third",
    ]


async def test_a_long_transaction_that_has_written_delays_nobody(scene: Scene) -> None:
    reader = await scene.read()
    long, quick = await scene.begin("todo", 1), await scene.connect()
    await quick.execute("INSERT INTO todo VALUES (2, 'x')")
    await reader.read()
    assert keys(reader) == [2]
    await long.execute("COMMIT")
    await reader.read()
    assert keys(reader) == [2, 1]


async def test_a_place_that_was_rolled_back_delays_nobody_though_a_stranger_is_at_work(scene: Scene) -> None:
    """Finding 4: a stranger's transaction, in whatever database, froze all channels behind one place that was
    undone."""
    reader = await scene.read()
    await scene.begin()
    undone, quick = await scene.begin("todo", 1), await scene.connect()
    await draw(undone)
    await undone.execute("ROLLBACK")
    await quick.execute("INSERT INTO todo VALUES (2, 'x')")
    async with asyncio.timeout(SOON):
        await reader.wait_until(lambda: keys(reader) == [2])


async def test_a_place_undone_to_a_savepoint_delays_nobody_though_its_transaction_goes_on(
    scene: Scene,
) -> None:
    reader = await scene.read()
    long, quick = await scene.begin(), await scene.connect()
    await long.execute("SAVEPOINT one; INSERT INTO todo VALUES (1, 'x'); SET CONSTRAINTS ALL IMMEDIATE")
    await long.execute("ROLLBACK TO one")
    await quick.execute("INSERT INTO todo VALUES (2, 'x')")
    async with asyncio.timeout(SOON):
        await reader.wait_until(lambda: keys(reader) == [2])
    await long.execute("INSERT INTO todo VALUES (3, 'x'); COMMIT")
    await reader.wait_until(lambda: keys(reader) == [2, 3])


async def left_open(scene: Scene) -> asyncpg.Connection:
    """Prepare a transaction, and leave it so; then somebody else commits."""
    await (await scene.begin("todo", 1)).execute("PREPARE TRANSACTION 'forgotten'")
    quick = await scene.connect()
    await quick.execute("INSERT INTO other VALUES (2, 'x')")
    return quick


async def test_a_prepared_transaction_left_open_is_passed_and_told_of_when_it_commits(scene: Scene) -> None:
    """Finding 4: a prepared transaction that was forgotten froze all channels."""
    reader, second = await scene.read(patient=False), await scene.read(patient=False)
    quick = await left_open(scene)
    assert await reader.read() == []
    since = reader.position
    await reader.wait_until(lambda: keys(reader) == [2])
    await second.wait_until(lambda: keys(second) == [2])
    assert await quick.fetchval("SELECT count(*) FROM live_passed") == 1

    await quick.execute("COMMIT PREPARED 'forgotten'")
    for each in (reader, second):
        await each.wait_until(lambda: each.changes[-1].method == "RESET")  # noqa: B023  (awaited at once)
        told = [(change.source, change.cause) for change in each.changes[1:]]
        assert told == [("todo", Cause.FILLED_LATE)], "once, however many readers there are"
    assert await quick.fetchval("SELECT count(*) FROM live_passed") == 0
    assert await reader.log.why_reset(since, "todo") is Cause.FILLED_LATE
    assert await reader.log.why_reset(since, "other") is None


async def test_what_was_passed_is_known_to_a_reader_that_starts_later(scene: Scene) -> None:
    reader = await scene.read(patient=False)
    quick = await left_open(scene)
    await reader.wait_until(lambda: keys(reader) == [2])
    later = await scene.read()
    assert later.position == reader.position, "it need not wait for its own patience"
    await quick.execute("COMMIT PREPARED 'forgotten'")
    await later.wait_until(lambda: [change.cause for change in later.changes] == [Cause.FILLED_LATE])


async def test_what_filled_while_nobody_looked_is_told_by_whoever_looks_next(scene: Scene) -> None:
    reader = await scene.read(patient=False)
    quick = await left_open(scene)
    await reader.wait_until(lambda: keys(reader) == [2])
    await quick.execute("COMMIT PREPARED 'forgotten'")
    since = reader.position
    later = await scene.read()
    await later.log.head()
    assert await later.log.why_reset(since, "todo") is Cause.FILLED_LATE


async def test_a_passed_gap_that_was_rolled_back_is_crossed_off(scene: Scene) -> None:
    reader = await scene.read(patient=False)
    quick = await left_open(scene)
    await reader.wait_until(lambda: keys(reader) == [2])
    await reader.log.forget(0)
    assert await quick.fetchval("SELECT count(*) FROM live_passed") == 1
    await quick.execute("ROLLBACK PREPARED 'forgotten'")
    await reader.log.forget(0)
    assert await quick.fetchval("SELECT count(*) FROM live_passed") == 0
    assert [change.method for change in reader.changes] == ["POST"]


async def test_a_reader_that_starts_amid_a_commit_does_not_begin_behind_it(scene: Scene) -> None:
    slow, quick = await scene.begin("todo", 1), await scene.connect()
    await draw(slow)
    await quick.execute("INSERT INTO todo VALUES (2, 'x')")
    reader = await scene.read()
    await slow.execute("COMMIT")
    await reader.wait_until(lambda: keys(reader) == [1, 2])


async def test_places_that_a_crash_or_a_failover_left_out_delay_nobody(scene: Scene) -> None:
    quick = await scene.connect()
    reader = await scene.read()
    await quick.execute("SELECT setval('live_seq', 1000000000)")
    await quick.execute("INSERT INTO todo VALUES (2, 'x')")
    async with asyncio.timeout(SOON):
        await reader.wait_until(lambda: keys(reader) == [2])


async def test_looks_at_once_teach_no_more_than_one(scene: Scene) -> None:
    reader = await scene.read()
    writers = [await scene.begin("todo", key) for key in range(6)]
    for writer in writers:
        await draw(writer)
    for writer in reversed(writers):
        await writer.execute("COMMIT")
        heads = await asyncio.gather(*(reader.log.head() for _ in range(3)))
        assert all(head >= reader.position for head in heads)
        await reader.read()
    async with asyncio.timeout(WITHIN):
        await reader.wait_until(lambda: keys(reader) == list(range(6)))
