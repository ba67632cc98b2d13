"""Entries: what a store's log tells, and when those who wait for it are woken."""

from __future__ import annotations

import asyncio
import re
import time

import pytest

from ...cause import Cause
from ...query import Query
from ...stores.base import Written
from .models import Tag, Todo
from .rig import StoreRig, are_alike, change, changes, conforming, create, rows


@conforming
class Entries:
    """The log is in order, and a place in it is known or not."""

    async def test_a_seq_is_of_fixed_width_and_rises(self, rig: StoreRig) -> None:
        empty = await rig.store.head()
        assert re.fullmatch("[0-9a-f]{8}0{20}", empty)
        assert await rig.store.last("store_todo") is None
        seqs = [empty]
        for number in range(20):
            seqs.append((await create(rig, Todo, {"title": str(number)})).seq or "")
            assert await rig.store.head() == await rig.store.last("store_todo") == seqs[-1]
        assert sorted(seqs) == seqs
        assert len({len(seq) for seq in seqs}) == 1
        assert len({seq[-4:] for seq in seqs}) > 10

    async def test_an_entry_tells_the_change(self, rig: StoreRig) -> None:
        start = await rig.store.head()
        await create(rig, Todo, {"title": "a"}, origin="token-1")
        await change(rig, Todo, (1,), {"title": "b"}, origin="token-2")
        rig.execute("UPDATE store_todo SET title = 'c'")
        await change(rig, Todo, (1,), None)
        batch = await rig.store.read(start, 100)
        told = [
            (c.method, c.before and c.before["title"], c.after and c.after["title"], c.origin)
            for c in batch.changes
        ]
        assert told == [
            ("POST", None, "a", "token-1"),
            ("PUT", "a", "b", "token-2"),
            ("PUT", "b", "c", None),
            ("DELETE", "c", None, None),
        ]
        assert batch.upto == batch.changes[-1].seq
        assert await are_alike(rig, batch.upto, await rig.store.head())
        assert all(abs(c.at - time.time()) < 60 for c in batch.changes)

    async def test_an_origin_goes_to_the_addressed_document_alone(self, rig: StoreRig) -> None:
        """Finding 10: of several pushes with one origin the first was taken for the create."""
        rig.execute("INSERT INTO store_tag VALUES ('counter', 0)", *rig.reaction)
        start = await rig.store.head()
        written = await create(rig, Todo, {"title": "milk"}, origin="mine")
        assert written.row["order"] == 5
        found = await changes(rig, start)
        assert [c.seq for c in found if c.origin] == [next(c.seq for c in found if c.source == "store_todo")]
        assert found[-1].seq == written.seq

    async def test_the_log_is_read_by_source_and_in_pieces(self, rig: StoreRig) -> None:
        start = await rig.store.head()
        for number in range(5):
            await create(rig, Todo, {"title": str(number)})
            await create(rig, Tag, {"name": str(number)})
        assert await rig.store.backlog(start) == {"store_todo": 5, "store_tag": 5}
        first = await rig.store.read(start, 3, "store_todo")
        assert [c.source for c in first.changes] == ["store_todo"] * 3
        assert first.upto == first.changes[-1].seq
        rest = await rig.store.read(first.upto, 3, "store_todo")
        assert len(rest.changes) == 2
        assert await are_alike(rig, rest.upto, await rig.store.head())
        assert await rig.store.backlog(rest.upto) == {}
        assert (await rig.store.read(rest.upto, 3)).changes == []

    async def test_a_place_is_located_or_not(self, rig: StoreRig) -> None:
        empty = await rig.store.head()
        first = (await create(rig, Todo, {"title": "a"})).seq or ""
        second = (await create(rig, Todo, {"title": "b"})).seq or ""

        for seq in (empty, first, second):
            assert await rig.store.why_reset(seq, "store_todo") is None
        other = "0" if first[0] != "0" else "1"
        check = "0000" if first[-4:] != "0000" else "ffff"
        for wrong, cause in (
            ("", Cause.NOT_A_SEQ),
            ("x" * 28, Cause.NOT_A_SEQ),
            (first[:-1], Cause.NOT_A_SEQ),
            (first + "0", Cause.NOT_A_SEQ),
            (first[:8] + "f" * 20, Cause.NOT_A_SEQ),
            (other + first[1:], Cause.OTHER_EPOCH),
            (first[:-4] + check, Cause.OTHER_CHECK),
            (first[:8] + "7" + "f" * 19, Cause.BEYOND_END),
        ):
            assert await rig.store.why_reset(wrong, "store_todo") is cause, wrong
            assert (await rig.store.read(wrong, 10)).lost is cause, wrong

    async def test_after_a_reset_what_came_before_is_no_place(self, rig: StoreRig) -> None:
        first = (await create(rig, Todo, {"title": "a"})).seq or ""
        reset = await rig.store.reset("store_todo")
        assert await rig.store.why_reset(first, "store_todo") is Cause.REQUESTED
        assert await rig.store.why_reset(first, "store_tag") is None
        assert await rig.store.why_reset(reset, "store_todo") is None
        (entry,) = await changes(rig, first)
        assert (entry.method, entry.source, entry.key, entry.seq) == ("RESET", "store_todo", (), reset)
        assert entry.cause is Cause.REQUESTED

    async def test_every_list_is_as_new_as_its_seq_says(self, rig: StoreRig) -> None:
        """While others write, replaying the log to a list's seq gives the list, or rows are newer, up to ``until``."""
        start = await rig.store.head()
        source = rig.sources[Todo]

        async def write_much() -> None:
            for number in range(60):
                await create(rig, Todo, {"title": str(number)})
                if number % 3 == 0:
                    rig.execute(f'UPDATE store_todo SET "order" = {number} WHERE id % 2 = 0')
                if number % 7 == 0:
                    rig.execute(f"DELETE FROM store_todo WHERE id = {number}")

        writing = asyncio.create_task(write_much())
        snapshots = []
        while not writing.done():
            snapshots.append(await rig.store.find(source, Query()))
        await writing
        every = await changes(rig, start)
        for snapshot in snapshots:
            held = {source.key_of(row): row for row in snapshot.rows}
            end = snapshot.until or snapshot.seq
            for key in {entry.key for entry in every}:
                before = [c.after for c in every if c.key == key and c.seq <= snapshot.seq]
                later = [c.after for c in every if c.key == key and snapshot.seq < c.seq <= end]
                assert held.pop(key, None) in [*(before[-1:] or [None]), *later]
            assert not held
            if snapshot.until is not None:
                seen = [c.seq for c in every if snapshot.seq < c.seq <= end and c.key[0] % 2]
                last = await rig.store.last_seen(source.name, snapshot.seq, end, lambda c: c.key[0] % 2)
                assert last == (seen[-1] if seen else None)
        assert len({snapshot.seq for snapshot in snapshots}) > 5

    async def test_own_writes_wake_at_once_and_others_soon(self, rig: StoreRig) -> None:
        delays = []
        for number in range(5):
            waiting = asyncio.create_task(rig.store.wait_changed(await rig.store.head()))
            written = await create(rig, Todo, {"title": f"{number}"})
            since = time.monotonic()
            await asyncio.wait_for(waiting, 5)
            delays.append(time.monotonic() - since)
        # The machine may do other things at one time.
        assert sorted(delays)[2] < rig.own_within
        delays = []
        for number in range(5):
            waiting = asyncio.create_task(rig.store.wait_changed(written.seq or ""))
            for _ in range(3):
                await asyncio.sleep(0)
            rig.execute(f'UPDATE store_todo SET "order" = {number}')
            since = time.monotonic()
            await asyncio.wait_for(waiting, 5)
            delays.append(time.monotonic() - since)
            written = Written({}, await rig.store.head())
        assert sorted(delays)[2] < rig.others_within

    async def test_each_of_those_who_wait_is_told_what_he_has_not_seen(self, rig: StoreRig) -> None:
        behind = await rig.store.head()
        rig.execute("INSERT INTO store_todo (title, completed) VALUES ('a', FALSE)")
        first = asyncio.create_task(rig.store.wait_changed(await rig.store.head()))
        for _ in range(3):
            await asyncio.sleep(0)
        for _ in range(3):
            await asyncio.wait_for(rig.store.wait_changed(behind), 1)
            assert not first.done()
        rig.execute("INSERT INTO store_todo (title, completed) VALUES ('b', FALSE)")
        await asyncio.wait_for(first, 5)

    async def test_waiting_ends_only_for_a_change_and_may_be_cancelled(self, rig: StoreRig) -> None:
        head = await rig.store.head()
        waiting = asyncio.create_task(rig.store.wait_changed(head))
        done, _ = await asyncio.wait({waiting}, timeout=0.1)
        assert not done
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await create(rig, Todo, {"title": "a"})
        await asyncio.wait_for(rig.store.wait_changed(head), 1)
        await asyncio.wait_for(rig.store.wait_changed("of another log"), 1)

    async def test_a_cancelled_caller_does_not_stop_its_write(self, rig: StoreRig) -> None:
        head = await rig.store.head()
        writing = asyncio.ensure_future(create(rig, Todo, {"title": "a"}))
        await asyncio.sleep(0)
        writing.cancel()
        await asyncio.wait_for(rig.store.wait_changed(head), 10)
        assert len(await rows(rig)) == 1
