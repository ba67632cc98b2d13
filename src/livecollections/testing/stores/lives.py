"""Lives: sessions, retention, cursors, and the lives of stores one after the other and side by side."""

from __future__ import annotations

import asyncio
import datetime
import time
from dataclasses import replace

import pytest

from ...cause import Cause
from ...errors import StoreError
from ...query import Equal, Query
from ...stores.base import Letter, LetterState, Log, Write
from .models import Everything, Tag, Todo
from .rig import StoreRig, changes, conforming, create, rows


@conforming
class Lives:
    """A store starts and ends, the log is trimmed, and others use the same database."""

    async def test_a_session_stamps_its_commits_and_tells_their_seq(self, rig: StoreRig) -> None:
        head = await rig.store.head()
        heard: list[str] = []
        waiting = asyncio.create_task(rig.store.wait_changed(head))
        async with rig.store.session("mine", heard.append) as session:
            session.add(Todo(title="a"))
            await session.commit()
            await asyncio.wait_for(waiting, 0.5)
            session.add_all([Todo(title="b"), Todo(title="c")])
            await session.commit()
            session.add(Todo(title="never"))
            await session.rollback()
        found = await changes(rig, head)
        assert [(c.after and c.after["title"], c.origin) for c in found] == [
            ("a", "mine"),
            ("b", "mine"),
            ("c", None),
        ]
        assert heard == [found[0].seq, found[2].seq]

    @pytest.mark.parametrize("locks", [False, True])
    async def test_a_session_may_read_and_then_write_26(self, rig: StoreRig, locks: bool) -> None:
        """Finding 26: in a deferred transaction this fails at once as soon as somebody else has written between."""
        await create(rig, Todo, {"title": "a", "order": 0})

        async def increase() -> None:
            async with rig.store.session() as session:
                todo = await session.get(Todo, 1, with_for_update=locks)
                await asyncio.sleep(0)
                todo.order += 1
                await session.commit()

        await asyncio.gather(*(increase() for _ in range(5)))
        assert (await rows(rig))[0]["order"] in ({5} if locks else {1, 2, 3, 4, 5})

    async def test_the_log_is_trimmed_by_count_and_never_begins_anew_15(self, rig: StoreRig) -> None:
        store = rig.open(log=Log(changes=3))
        await rig.start(store)
        rig.store, old = store, rig.store
        await old.stop()
        empty = await store.head()
        seqs = [(await create(rig, Todo, {"title": str(n)})).seq or "" for n in range(8)]
        await store.maintain(time.time())
        causes = [await store.why_reset(seq, "store_todo") for seq in (empty, *seqs)]
        assert causes == [Cause.TRIMMED] * 5 + [None] * 4
        assert (await store.read(seqs[3], 10)).lost is Cause.TRIMMED
        kept = await store.read(seqs[4], 10)
        assert kept.lost is None
        assert [c.seq for c in kept.changes] == seqs[5:]
        await store.maintain(time.time() + 8 * 86400)
        assert await store.head() == seqs[-1]
        assert await store.last("store_todo") is None
        assert await store.why_reset(seqs[-1], "store_todo") is None
        assert await store.why_reset(seqs[-2], "store_todo") is Cause.TRIMMED
        assert ((await create(rig, Todo, {"title": "next"})).seq or "") > seqs[-1]

    async def test_entries_go_by_age(self, rig: StoreRig) -> None:
        seq = (await create(rig, Todo, {"title": "a"})).seq or ""
        await rig.store.maintain(time.time() + 6.9 * 86400)
        assert await rig.store.last("store_todo") == seq
        await rig.store.maintain(time.time() + 7.1 * 86400)
        assert await rig.store.last("store_todo") is None

    async def test_a_look_says_what_waits_after_a_place(self, rig: StoreRig) -> None:
        start = await rig.store.head()
        seqs = [(await create(rig, Todo, {"title": str(n)})).seq or "" for n in range(3)]
        await rig.settle()
        looks = [await rig.store.look(seq) for seq in (start, *seqs)]
        assert [found.behind for found in looks] == [3, 2, 1, 0]
        assert {found.head for found in looks} == {seqs[-1]}
        assert (looks[0].missing, looks[0].gap) == ({}, None)

    async def test_a_durable_cursor_keeps_the_log_within_bounds_15(
        self, rig: StoreRig, caplog: pytest.LogCaptureFixture
    ) -> None:
        store = rig.open(log=Log(changes=2))
        await rig.start(store)
        rig.store, old = store, rig.store
        await old.stop()
        start = await store.head()
        assert await store.cursor("mail") is None
        assert await store.hold_cursor("mail", "me", 100, now=0)
        assert await store.move_cursor("mail", "me", start)
        for number in range(10):
            await create(rig, Todo, {"title": str(number)})
        await store.maintain(time.time())
        assert (await store.read(start, 100)).lost is None
        for number in range(15):
            await create(rig, Tag, {"name": str(number)})
        await store.maintain(time.time())
        assert (await store.read(start, 100)).lost is Cause.TRIMMED
        assert sum((await store.backlog(start[:8] + "0" * 20)).values()) == 20
        await store.maintain(time.time())
        assert caplog.text.count("mail") == 1

    async def test_a_cursor_has_one_owner_at_a_time(self, rig: StoreRig) -> None:
        seq = await rig.store.head()
        assert await rig.store.hold_cursor("mail", "a", until=10, now=0)
        assert await rig.store.hold_cursor("mail", "a", until=20, now=5)
        assert not await rig.store.hold_cursor("mail", "b", until=30, now=15)
        assert not await rig.store.move_cursor("mail", "b", seq)
        assert await rig.store.move_cursor("mail", "a", seq)
        assert await rig.store.cursor("mail") == seq
        assert await rig.store.hold_cursor("mail", "b", until=40, now=20)
        assert not await rig.store.move_cursor("mail", "a", seq)
        assert await rig.store.cursor("mail") == seq

    async def test_letters_are_kept_until_they_are_dropped(self, rig: StoreRig) -> None:
        letters = rig.store.letters
        made = [Letter("mail", f"{n:028x}", b"\x00\xff", "dead", 1, "no", float(n), 2.5) for n in range(4)]
        assert [await letters.keep(each, most=9) for each in made] == [0] * 4
        assert await letters.keep(Letter("other", made[0].seq, b""), most=1) == 0
        states: tuple[LetterState, ...] = ("dead", "ended", "failing")
        assert await letters.read("mail", states) == made
        assert await letters.read("mail", states, after=made[1].seq, limit=1) == made[2:3]
        again = replace(made[1], state="ended", attempts=2)
        assert await letters.keep(again, most=2) == 1, "of the three dead ones"
        assert await letters.read("mail", states) == [again, *made[2:]]
        await letters.drop("mail", made[2].seq)
        await letters.drop("mail", made[2].seq)
        assert await letters.read("mail", states[:1]) == made[3:]
        assert [each.state for each in await letters.read("other", states)] == ["failing"]

    def test_a_store_starts_again_on_another_loop(self, rig: StoreRig) -> None:
        store = rig.store = rig.open()

        async def live(title: str) -> str:
            await rig.start(store)
            await create(rig, Todo, {"title": title})
            head = await store.head()
            await store.stop()
            return head

        first, second = asyncio.run(live("a")), asyncio.run(live("b"))
        assert first[:8] == second[:8]
        assert first < second

    def test_stores_may_start_together(self, rig: StoreRig) -> None:
        stores = [rig.open() for _ in range(4)]

        async def together() -> set[str]:
            await asyncio.gather(*(rig.start(store) for store in stores))
            source = rig.sources[Todo]
            writes = [Write(source, None, lambda row, n=n: {"title": str(n)}) for n in range(4)]  # type: ignore[misc]
            await asyncio.gather(*(store.write(write) for store, write in zip(stores, writes, strict=True)))
            heads = {await store.head() for store in stores}
            await asyncio.gather(*(store.stop() for store in stores))
            return heads

        assert len(asyncio.run(together())) == 1

    async def test_two_stores_hear_each_other(self, rig: StoreRig) -> None:
        other = rig.open()
        await rig.start(other)
        head = await other.head()
        waiting = asyncio.create_task(other.wait_changed(head))
        written = await create(rig, Todo, {"title": "a"})
        await asyncio.wait_for(waiting, 5)
        assert (await other.read(head, 10)).upto == written.seq
        await other.stop()

    async def test_a_failed_database_is_an_error_of_ours(self, rig: StoreRig) -> None:
        rig.execute("DROP TABLE store_todo")
        with pytest.raises(StoreError):
            await rig.store.find(rig.sources[Todo], Query())
        with pytest.raises(StoreError):
            await create(rig, Todo, {"title": "a"})
        assert (await create(rig, Tag, {"name": "still"})).row["name"] == "still"

    async def test_a_time_with_an_offset_is_kept_as_utc_where_the_column_keeps_none(
        self, rig: StoreRig
    ) -> None:
        east = datetime.timezone(datetime.timedelta(hours=5))
        moment = datetime.datetime(2026, 1, 1, 10, 30, tzinfo=east)
        written = await create(rig, Everything, {"moment": moment})
        assert written.row["moment"] == datetime.datetime(2026, 1, 1, 5, 30)
        found = await rig.store.find(rig.sources[Everything], Query(where=(Equal("moment", moment),)))
        assert [row["moment"] for row in found.rows] == [datetime.datetime(2026, 1, 1, 5, 30)]
