"""Histories of two servers on one PostgreSQL and another program, all at once; then the log, replayed, is the table.

Three rules. The same seed draws the same writes; how they interleave is the database's affair. The table has triggers
of its user's: one that changes a row before ours has read it, one that waits for the commit. Some transactions draw
their places early and end late, so that places become visible out of order, and lists run ahead of the watermark.
"""

from __future__ import annotations

import asyncio
import atexit
import random
from contextlib import AsyncExitStack, ExitStack
from functools import cache
from typing import Any

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from livecollections.change import Change, Row
from livecollections.query import Query
from livecollections.stores.base import Snapshot, Write, Written
from livecollections.stores.postgres import PostgresStore

from .reading import connected
from .server import PostgresServer, run_elsewhere, server

ROWS = 3
WRITES = 6
"""Of each who writes."""
WITHIN = 10.0
"""Seconds in which whoever follows has heard all."""


class Base(DeclarativeBase):
    pass


class Tally(Base):
    __tablename__ = "tally"
    id: Mapped[int] = mapped_column(primary_key=True)
    seen: Mapped[int] = mapped_column(default=0)
    note: Mapped[str | None]
    label: Mapped[str | None]


TRIGGERS = """
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN UPDATE tally SET note = ''of '' || NEW.seen WHERE id = NEW.id; RETURN NULL; END';
CREATE TRIGGER "!a" AFTER INSERT OR UPDATE OF seen ON tally FOR EACH ROW EXECUTE FUNCTION noted();
CREATE FUNCTION labelled() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN UPDATE tally SET label = ''is '' || seen WHERE id = NEW.id; RETURN NULL; END';
CREATE CONSTRAINT TRIGGER labelled AFTER INSERT OR UPDATE OF seen ON tally DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (NEW.seen % 2 = 0) EXECUTE FUNCTION labelled();
"""


@cache
def own() -> PostgresServer:
    """A server of this process."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(server())


async def tell(seed: int, url: str | None = None) -> None:
    """A history. Raises AssertionError for what is wrong, TimeoutError where it is never heard."""
    async with AsyncExitStack() as stack:
        await History(url or own().schema(), random.Random(seed), stack).run()


class History:
    """Two stores, a stranger, and what was seen."""

    def __init__(self, url: str, draw: random.Random, stack: AsyncExitStack) -> None:
        self._url = url
        self._draw = draw
        self._stack = stack
        self._written: list[Written] = []
        self._snapshots: list[Snapshot] = []
        self._increases = 0
        self._moved = asyncio.Event()

    async def run(self) -> None:
        """All at once, then the looks."""
        one, other = [await self._store() for _ in range(2)]
        self._source = one.describe(Tally)
        await run_elsewhere(self._url, TRIGGERS)
        start = await one.head()
        for _ in range(ROWS):
            self._written.append(await one.write(Write(self._source, None, lambda row: {})))
        heard: list[Change] = []
        following = asyncio.create_task(self._follow(other, start, heard))
        try:
            await asyncio.gather(
                self._write(one), self._write(other), self._be_strange(), self._look(one), self._look(other)
            )
            self._increases += 1
            await run_elsewhere(self._url, "UPDATE tally SET seen = seen + 1 WHERE id = 1")
            every = (await one.read(start, 10_000)).changes
            async with asyncio.timeout(WITHIN):
                while len(heard) < len(every):
                    self._moved.clear()
                    await self._moved.wait()
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        assert heard == every, "who followed has heard something else than the log tells"
        rows = (await one.find(self._source, Query())).rows
        self._check(every, rows)

    async def _store(self) -> PostgresStore:
        store = PostgresStore(self._url)
        await store.start([store.describe(Tally)])
        self._stack.push_async_callback(store.stop)
        return store

    async def _follow(self, store: PostgresStore, position: str, heard: list[Change]) -> None:
        while True:
            await store.wait_changed(position)
            batch = await store.read(position, 5)
            heard += batch.changes
            position = batch.upto
            self._moved.set()

    async def _write(self, store: PostgresStore) -> None:
        source = self._source

        def increase(row: Row | None) -> dict[str, Any]:
            assert row is not None
            return {"seen": row["seen"] + 1}

        for _ in range(WRITES):
            key = (self._draw.randint(1, ROWS),)
            self._increases += 1
            self._written.append(await store.write(Write(source, key, increase)))

    async def _be_strange(self) -> None:
        async with connected(self._url) as connection:
            for _ in range(WRITES):
                key, early = self._draw.randint(1, ROWS), self._draw.random() < 0.6
                self._increases += 1
                async with connection.transaction():
                    await connection.execute(f"UPDATE tally SET seen = seen + 1 WHERE id = {key}")
                    if early:  # the place is drawn now, and the end is a while off
                        await connection.execute("SET CONSTRAINTS ALL IMMEDIATE; SELECT pg_sleep(0.02)")

    async def _look(self, store: PostgresStore) -> None:
        for _ in range(2 * WRITES):
            self._snapshots.append(await store.find(self._source, Query()))
            await asyncio.sleep(0.005 * self._draw.random())

    def _check(self, every: list[Change], rows: list[Row]) -> None:
        assert sum(row["seen"] for row in rows) == self._increases, "of two increases at once one was lost"
        state: dict[Any, Row] = {}
        for entry in every:
            assert entry.method != "RESET"
            assert entry.after is not None
            state[entry.key] = entry.after
        assert [*state.values()] == rows, "the log, replayed, is not the table"
        for written in self._written:
            row = written.row
            if row["seen"] % 2 == 0:
                assert row["label"] == f"is {row['seen']}", "an answer lacks what the last trigger did"
            last = [
                each.after for each in every if each.key == (row["id"],) and each.seq <= (written.seq or "")
            ]
            assert last[-1:] == [row], "an answer is not what the log says at its seq"
        for snapshot in self._snapshots:
            self._check_list(snapshot, every)

    def _check_list(self, snapshot: Snapshot, every: list[Change]) -> None:
        """The rows are those of its seq, or newer, as far as ``until``."""
        end = snapshot.until or snapshot.seq
        for row in snapshot.rows:
            of_it = [each for each in every if each.key == (row["id"],)]
            before = [each.after for each in of_it if each.seq <= snapshot.seq]
            later = [each.after for each in of_it if snapshot.seq < each.seq <= end]
            assert row in [*before[-1:], *later], "a list is older or newer than it says"
