"""What own writes logged is given to the one who follows the log, without reading it once more."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from livecollections.cause import Cause
from livecollections.change import Change
from livecollections.stores.base import Batch, Lane, Write
from livecollections.stores.sqlite import SQLiteStore
from livecollections.stores.sqlite_ahead import AHEAD, IMAGES, Ahead
from livecollections.stores.threads import Threads
from livecollections.testing.stores.models import Todo

from ..serving import wait_until

INSERT = "INSERT INTO store_todo (title, completed) VALUES (?, 0)"


def change(seq: str) -> Change:
    return Change(seq, "todo", "POST", (1,), None, {"id": 1}, None, 0.0)


def piece(*seqs: str, **others: Any) -> Batch:
    return Batch([change(seq) for seq in seqs], seqs[-1], **others)


def seqs(batch: Batch | None) -> list[str] | None:
    return None if batch is None else [change.seq for change in batch.changes]


def test_pieces_that_follow_one_another_are_one() -> None:
    ahead = Ahead()
    ahead.follow("a")
    assert ahead.add("a", piece("b", "c"))
    assert ahead.end == "c"
    assert ahead.add("c", piece("d"))
    assert ahead.has("a")
    assert seqs(ahead.take("a", 10)) == ["b", "c", "d"]
    ahead.follow("d")
    assert not ahead.has("d")
    assert ahead.end == "d"


@pytest.mark.parametrize(
    "wrong",
    [None, piece("c", more=True), Batch([], "c", lost=Cause.TRIMMED)],
    ids=["not read", "not all", "lost"],
)
def test_what_does_not_tell_all_is_dropped_with_what_came_before(wrong: Batch | None) -> None:
    ahead = Ahead()
    ahead.follow("a")
    assert ahead.add("a", piece("b"))
    assert not ahead.add("b", wrong)
    assert ahead.take("a", 10) is None
    assert ahead.end == "a"


def test_a_piece_that_begins_elsewhere_is_dropped() -> None:
    """Its follower read on while the write ran: between the two there may be a hole, or something twice."""
    ahead = Ahead()
    ahead.follow("a")
    ahead.follow("b")
    assert not ahead.add("a", piece("b", "c"))
    assert not ahead.has("b")
    assert ahead.take("b", 10) is None


def test_who_read_on_past_what_was_kept_is_told_to_look_for_himself() -> None:
    ahead = Ahead()
    assert ahead.follow("a")
    assert ahead.add("a", piece("b", "c"))
    assert not ahead.follow("b")
    assert ahead.follow("d")
    assert ahead.add("d", piece("e"))
    assert ahead.follow("e")


def test_nobody_gets_what_was_kept_for_another_place() -> None:
    ahead = Ahead()
    ahead.follow("b")
    assert ahead.add("b", piece("c"))
    assert ahead.take("a", 10) is None
    assert seqs(ahead.take("b", 10)) == ["c"]


def test_what_is_kept_is_bounded() -> None:
    ahead = Ahead()
    ahead.follow("0")
    assert ahead.add("0", piece(*(f"{number:06}" for number in range(1, AHEAD + 1))))
    assert ahead.take("0", AHEAD - 1) is None
    assert not ahead.add(ahead.end, piece("999999"))
    assert ahead.take("0", AHEAD) is None


def test_what_is_kept_is_bounded_in_size_too() -> None:
    ahead = Ahead()
    ahead.follow("a")
    assert ahead.add("a", piece("b", size=IMAGES - 1))
    assert ahead.add("b", piece("c", size=1))
    assert not ahead.add("c", piece("d", size=1))
    assert ahead.take("a", 10) is None
    assert ahead.add("a", piece("b", size=IMAGES))


class Counted(Threads):
    """Counts the ways through a thread."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: Counter[str] = Counter()

    def __call__(self, lane: Lane, function: Callable[[], Any], /) -> Awaitable[Any]:
        self.runs[lane] += 1
        return super().__call__(lane, function)


class Held(Threads):
    """What was read is given only when it may be."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.has_read = False

    async def __call__(self, lane: Lane, function: Callable[[], Any], /) -> Any:
        found = await super().__call__(lane, function)
        if lane == "read":
            self.has_read = not self.gate.is_set()
            await self.gate.wait()
        return found


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SQLiteStore]:
    store = SQLiteStore(f"sqlite:///{tmp_path}/a.db", run=Counted())
    await store.start([store.describe(Todo)])
    yield store
    await store.stop()
    run = store._run
    assert isinstance(run, Counted)
    run.close()


async def create(store: SQLiteStore, title: str) -> None:
    await store.write(Write(store._sources[0], None, lambda _: {"title": title}))


async def test_a_write_and_what_it_logged_take_one_way_through_a_thread(store: SQLiteStore) -> None:
    batch = await store.read(await store.head(), 100)
    run = store._run
    assert isinstance(run, Counted)
    run.runs.clear()
    for number in range(5):
        await create(store, str(number))
        await store.wait_changed(batch.upto)
        batch = await store.read(batch.upto, 100)
        assert [found.after and found.after["title"] for found in batch.changes] == [str(number)]
    assert run.runs == {"write": 5}


async def test_no_more_is_read_ahead_than_is_kept(store: SQLiteStore) -> None:
    """Nor does a writer wait for it: what a stranger has written in bulk is read by who follows."""
    batch = await store.read(await store.head(), 100)
    other = sqlite3.connect(store._path, isolation_level=None)
    other.executemany(INSERT, [(letter * IMAGES,) for letter in "abc"])
    other.close()
    images = store._changes.read(store._connections["read"], batch.upto, 100, None, IMAGES)
    assert (len(images.changes), images.more) == (1, True)
    await create(store, "own")
    assert not store._ahead.has(batch.upto)
    await asyncio.wait_for(store.wait_changed(batch.upto), 5)
    batch = await store.read(batch.upto, 100)
    assert [len(found.after["title"]) for found in batch.changes if found.after] == [IMAGES] * 3 + [3]


async def test_what_others_wrote_between_own_writes_is_there_in_its_place(store: SQLiteStore) -> None:
    start = await store.head()
    batch = await store.read(start, 100)
    other = sqlite3.connect(store._path, isolation_level=None)
    for number in range(3):
        await create(store, f"own {number}")
        other.execute(INSERT, (f"other {number}",))
    await create(store, "own 3")
    other.execute(INSERT, ("last",))
    other.close()
    titles: list[Any] = []
    while len(titles) < 8:
        await asyncio.wait_for(store.wait_changed(batch.upto), 5)
        batch = await store.read(batch.upto, 100)
        titles += [found.after and found.after["title"] for found in batch.changes]
    assert titles == ["own 0", "other 0", "own 1", "other 1", "own 2", "other 2", "own 3", "last"]
    assert (await store.read(start, 100)).upto == batch.upto


async def test_an_own_write_that_ends_while_the_follower_reads_is_seen_at_once(tmp_path: Path) -> None:
    run = Held()
    store = SQLiteStore(f"sqlite:///{tmp_path}/a.db", run=run, poll=3_600)
    await store.start([store.describe(Todo)])
    batch = await store.read(await store.head(), 100)
    other = sqlite3.connect(store._path, isolation_level=None)
    other.execute(INSERT, ("other",))
    other.close()
    await store.wait_changed(batch.upto)
    assert store._repairing is not None
    await store._repairing  # the first look is one at the schema too, and ends with a write
    await store.wait_changed(batch.upto)
    run.gate.clear()
    reading = asyncio.create_task(store.read(batch.upto, 100))
    await wait_until(lambda: run.has_read, 5)
    await create(store, "own")
    run.gate.set()
    batch = await reading
    assert [found.after and found.after["title"] for found in batch.changes] == ["other"]
    await asyncio.wait_for(store.wait_changed(batch.upto), 5)
    batch = await store.read(batch.upto, 100)
    assert [found.after and found.after["title"] for found in batch.changes] == ["own"]
    await store.stop()
    run.close()
