"""What a write, its reading for the feed and the log's upkeep cost does not grow with the rows or with the log.

Counted in instructions of SQLite's machine, which are the same on any computer.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from livecollections.stores.base import Idempotency, Lane, Write, Written
from livecollections.stores.sql_log import TRIM
from livecollections.stores.sqlite import SQLiteStore
from livecollections.testing.stores.models import Todo

SMALL, LARGE = 500, 5_000
ROW = "INSERT INTO store_todo (title, completed) VALUES (?, 0)"
ENTRY = "INSERT INTO live_changes (check_digits, source, method, key, at) VALUES (?, 'store_todo', 'RESET', '', 0)"


async def at_once(lane: Lane, function: Callable[[], Any]) -> Any:
    return function()


class Counting:
    """A started store on a file that holds much already, whose instructions are counted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = SQLiteStore(f"sqlite:///{path}", run=at_once, synchronous="NORMAL", clock=lambda: 1e9)

        self._titles = map(str, range(10**6, 10**7))

    def title(self) -> dict[str, str]:
        """One that no other row has."""
        return {"title": next(self._titles)}

    async def start(self, rows: int = 0, entries: int = 0) -> None:
        await self.store.start([self.store.describe(Todo)])
        with closing(sqlite3.connect(self.path)) as shell, shell:
            shell.executemany(ROW, ((str(number),) for number in range(rows)))
            shell.execute("DELETE FROM live_changes")
            shell.executemany(ENTRY, (("0000",) for _ in range(entries)))
            shell.execute("UPDATE live_meta SET value = '00000000000000000000' WHERE name = 'trimmed_to'")

    async def cost(self, action: Callable[[], Awaitable[Any]]) -> int:
        """Instructions that an action took, the second time."""
        await action()
        count = 0

        def step() -> int:
            nonlocal count
            count += 1
            return 0

        connections = self.store._connections.values()
        for connection in connections:
            connection.set_progress_handler(step, 1)
        await action()
        for connection in connections:
            connection.set_progress_handler(None, 0)
        return count

    async def create(self, idempotency: Idempotency | None = None) -> Written:
        """A create of a browser's, and what the feed does with it."""
        source = self.store._sources[0]
        write = Write(source, None, lambda _: self.title(), "origin", idempotency)
        written = await self.store.write(write)
        batch = await self.store.read(written.seq or "", 100)
        await self.store.wait_changed("another")
        assert not batch.changes
        return written

    async def change(self) -> Written:
        return await self.store.write(Write(self.store._sources[0], (1,), lambda _: self.title(), "origin"))

    async def maintain(self) -> None:
        await self.store.maintain(1e9)


async def costs(path: Path, action: str, **sizes: int) -> int:
    counting = Counting(path)
    await counting.start(**sizes)
    try:
        if action == "change":
            await counting.create()
        return await counting.cost(getattr(counting, action))
    finally:
        await counting.store.stop()


@pytest.mark.parametrize("action", ["create", "change"])
@pytest.mark.parametrize("what", ["rows", "entries"])
async def test_a_write_costs_the_same_in_a_large_table_and_with_a_long_log(
    tmp_path: Path, action: str, what: str
) -> None:
    small = await costs(tmp_path / "small.db", action, **{what: SMALL})
    large = await costs(tmp_path / "large.db", action, **{what: LARGE})
    assert small > 50
    assert large <= small * 1.1


async def test_trimming_at_once_costs_the_same_however_much_is_old(tmp_path: Path) -> None:
    """After a week without a server all of the log is old: it is trimmed step by step, and none looks at all of it."""
    found = []
    for entries in (3 * TRIM, 6 * TRIM):
        counting = Counting(tmp_path / f"{entries}.db")
        await counting.start(entries=entries)
        writer = counting.store._connections["write"]

        async def trim(counting: Counting = counting, writer: Any = writer) -> None:
            assert counting.store._changes.trim(writer, 1e9)

        found.append(await counting.cost(trim))
        await counting.store.stop()
    assert found[1] <= found[0] * 1.1


async def test_upkeep_reads_nothing_of_a_log_of_which_nothing_is_old(tmp_path: Path) -> None:
    """It is due each second: the first entry tells that all others are younger."""
    found = []
    for entries in (SMALL, TRIM):
        counting = Counting(tmp_path / f"{entries}.db")
        await counting.start(entries=entries)
        with closing(sqlite3.connect(counting.path)) as shell, shell:
            shell.execute("UPDATE live_changes SET at = 1e9")
        found.append(await counting.cost(counting.maintain))
        await counting.store.stop()
    assert found[1] <= found[0] * 1.1


async def test_forgetting_answers_does_not_look_at_those_that_are_kept(tmp_path: Path) -> None:
    found = []
    for number in (10, 200):
        counting = Counting(tmp_path / f"{number}.db")
        await counting.start()
        for key in range(number):
            await counting.create(Idempotency(str(key), "digest"))
        writer = counting.store._connections["write"]

        async def forget(counting: Counting = counting, writer: Any = writer) -> None:
            counting.store._changes.forget_answers(writer, 1e9)

        found.append(await counting.cost(forget))
        await counting.store.stop()
    assert found[1] <= found[0] * 1.1
