"""Outages: what a store promises while its database restarts, takes no writes, or has writers in one another's way."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Any

import pytest

from ...change import Change, Row
from ...errors import BulkRefused, StoreUnavailable
from ...stores.base import Bulk, Store, Write, Written
from ..waiting import wait_until
from .models import Tag, Todo
from .rig import StoreRig, change, changes, conforming, create, rows

AROUND = 15
"""Writes before a restart, and after it."""
WITHIN = 30.0
"""Seconds in which a store goes on after a restart."""
MEETING = 0.3
"""Seconds in which two writers meet, where the database lets them."""


@conforming
class Outages:
    """What fails is told as an error of ours, and has changed nothing; what was acknowledged stays."""

    async def test_a_restart_of_the_database_in_mid_stream_loses_nothing(self, rig: StoreRig) -> None:
        start = await rig.store.head()
        told: list[Change] = []
        acknowledged: list[Written] = []
        following = asyncio.create_task(follow(rig.store, start, told))
        stop = asyncio.Event()
        writing = asyncio.create_task(write_much(rig, acknowledged, stop))
        try:
            await wait_until(lambda: len(acknowledged) >= AROUND, WITHIN)
            await asyncio.to_thread(rig.restart)
            before = len(acknowledged)
            await wait_until(lambda: len(acknowledged) >= before + AROUND, WITHIN)
        finally:
            stop.set()  # one that is cancelled would go on
            await writing
        rig.execute("INSERT INTO store_todo (title, completed) VALUES ('of another program', FALSE)")
        held = {row["title"] for row in await rows(rig)}
        await wait_until(lambda: {title_of(each) for each in told} == held, WITHIN)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        assert {each.method for each in told} == {"POST"}, "a restart is no reset"
        assert len(told) == len(held), "each is told once"
        assert [each.seq for each in told] == sorted(each.seq for each in told)
        assert {each.row["title"] for each in acknowledged} <= held

    async def test_a_restart_while_nothing_is_asked_is_noticed_by_nobody(self, rig: StoreRig) -> None:
        await create(rig, Todo, {"title": "a"})
        head = await rig.store.head()
        await asyncio.to_thread(rig.restart)
        found, written = await asyncio.gather(rows(rig, Tag), create(rig, Todo, {"title": "b"}))
        assert found == []
        assert [each.seq for each in await changes(rig, head)] == [written.seq]

    async def test_while_nothing_can_be_written_reads_go_on(self, rig: StoreRig) -> None:
        await create(rig, Todo, {"title": "a"})
        head = await rig.store.head()
        with rig.sealed():
            writes: list[Any] = [
                create(rig, Todo, {"title": "b"}),
                change(rig, Todo, (1,), {"title": "c"}),
                change(rig, Todo, (1,), None),
            ]
            outcomes = await asyncio.gather(*writes, return_exceptions=True)
            assert [type(each) for each in outcomes] == [StoreUnavailable] * 3
            with pytest.raises(StoreUnavailable):
                await rig.store.write_all(Bulk([Write(rig.sources[Todo], None, lambda row: {"title": "d"})]))
            assert [row["title"] for row in await rows(rig)] == ["a"]
            assert await rig.store.why_reset(head, "store_todo") is None
        assert [row["title"] for row in await rows(rig)] == ["a"]
        written = await change(rig, Todo, (1,), {"title": "e"})
        assert [each.seq for each in await changes(rig, head)] == [written.seq]

    async def test_two_stores_in_one_anothers_way_get_over_it(self, rig: StoreRig) -> None:
        """Each has a row that the other wants next: a deadlock, where the database lets it come to that."""
        for name in "ab":
            await create(rig, Tag, {"name": name, "weight": 0})
        head = await rig.store.head()
        other = rig.open()
        source = rig.sources[Tag]
        await rig.start(other)
        meeting = threading.Barrier(2)

        def meet(row: Row | None) -> dict[str, Any]:
            with suppress(threading.BrokenBarrierError):
                meeting.wait(MEETING)
            return increase(row)

        def bulk(own: Any, first: str, second: str) -> Bulk:
            return Bulk(
                [Write(own, (first,), meet, blocks=True), Write(own, (second,), increase, blocks=True)]
            )

        try:
            await asyncio.gather(
                rig.store.write_all(bulk(source, "a", "b")), other.write_all(bulk(rig.sources[Tag], "b", "a"))
            )
        finally:
            await other.stop()
            rig.sources[Tag] = source
        assert [row["weight"] for row in await rows(rig, Tag)] == [2, 2]
        assert len(await changes(rig, head)) == 4

    async def test_what_may_wait_never_runs_on_the_loop(self, rig: StoreRig) -> None:
        loop, passed = asyncio.get_running_loop(), asyncio.Event()
        waited: list[str] = []

        def wait(what: str) -> None:
            asyncio.run_coroutine_threadsafe(passed.wait(), loop).result(5)
            waited.append(what)

        def wanted(row: Row | None) -> dict[str, Any]:
            wait("change")
            return {"title": "a"}

        writing = asyncio.create_task(
            rig.store.write(
                Write(rig.sources[Todo], None, wanted, check=lambda row: wait("check"), blocks=True)
            )
        )
        await asyncio.sleep(0)
        passed.set()
        assert (await writing).row["title"] == "a"
        assert waited == ["change", "check"]

    @pytest.mark.parametrize("error", [TimeoutError("mine"), OSError("mine"), UnicodeError("mine")], ids=repr)
    @pytest.mark.parametrize("blocks", [False, True])
    async def test_what_a_function_of_the_users_raises_is_no_error_of_the_database(
        self, rig: StoreRig, error: Exception, blocks: bool
    ) -> None:
        def refuse(row: Row | None) -> Any:
            raise error

        source = rig.sources[Todo]
        alone = Write(source, None, refuse, blocks=blocks)
        late = Write(source, None, lambda row: {"title": "a"}, check=refuse, blocks=blocks)
        outcomes = await asyncio.gather(*map(rig.store.write, (alone, late)), return_exceptions=True)
        assert [repr(each) for each in outcomes] == [repr(error)] * 2
        with pytest.raises(BulkRefused) as refused:
            await rig.store.write_all(Bulk([Write(source, None, lambda row: {"title": "b"}), alone]))
        assert repr(refused.value.error) == repr(error)
        assert await rows(rig) == []


def increase(row: Row | None) -> dict[str, Any]:
    assert row is not None
    return {"weight": row["weight"] + 1}


def title_of(entry: Change) -> Any:
    return None if entry.after is None else entry.after["title"]


async def follow(store: Store, position: str, told: list[Change]) -> None:
    """Read the log on for ever, whatever becomes of the database."""
    while True:
        try:
            batch = await store.read(position, 7)
            assert batch.lost is None, batch.lost
            told += batch.changes
            position = batch.upto
            if not batch.more:
                await store.wait_changed(position)
        except StoreUnavailable:
            await asyncio.sleep(0.02)


async def write_much(rig: StoreRig, acknowledged: list[Written], stop: asyncio.Event) -> None:
    """Write until a stop. Of what fails nobody can know whether it was committed."""
    number = 0
    while not stop.is_set():
        number += 1
        try:
            acknowledged.append(await create(rig, Todo, {"title": str(number)}))
        except StoreUnavailable:
            await asyncio.sleep(0.02)
