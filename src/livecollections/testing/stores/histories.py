"""Random histories of writes by every way there is; afterwards the log, replayed, is what the database holds.

Two rules. The same seed draws the same history. What is drawn may be refused by the database: then nothing of it is to
be in the log.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from ...change import Change, Row
from ...errors import LiveError
from ...query import Query
from ...stores.base import Snapshot
from .models import Line, Tag, Todo
from .rig import StoreRig, change, conforming, create, rows

SEEDS = range(20)
STEPS = 30
PIECE = 7
"""Entries that are read at a time."""
NAMES = ("a", "b", "c", "d", "e", "f")

State = dict[tuple[Any, ...], Row]


@conforming
class Histories:
    """The log tells what happened, all of it and in order."""

    @pytest.mark.parametrize("seed", SEEDS)
    async def test_the_log_replayed_is_the_database_whatever_was_written(
        self, rig: StoreRig, seed: int
    ) -> None:
        history = History(rig, random.Random(seed))
        start = await rig.store.head()
        for _ in range(STEPS):
            await history.step()
        every = await everything(rig, start)
        assert len(every) >= STEPS / 3, "most of what was drawn is to take effect"
        assert [entry.seq for entry in every] == sorted({entry.seq for entry in every})
        for model in (Todo, Tag, Line):
            source = rig.sources[model]
            own = [entry for entry in every if entry.source == source.name]
            state = replay(own)
            assert state == {source.key_of(row): row for row in await rows(rig, model)}
            for snapshot in history.snapshots.get(model, ()):
                seen = replay([entry for entry in own if entry.seq <= snapshot.seq])
                assert seen == {source.key_of(row): row for row in snapshot.rows}


async def everything(rig: StoreRig, start: str) -> list[Change]:
    """The log, read in pieces."""
    found: list[Change] = []
    position = start
    while True:
        batch = await rig.store.read(position, PIECE)
        found += batch.changes
        position = batch.upto
        if not batch.more:
            return found


def replay(entries: list[Change]) -> State:
    """What a receiver holds who was told of all of these; each must fit to what it held before."""
    state: State = {}
    for entry in entries:
        assert entry.method != "RESET", "a write is told as what it did"
        assert entry.before == state.get(entry.key), f"{entry.seq} tells another row before it than there was"
        assert (entry.after is None) == (entry.method == "DELETE")
        assert (entry.method == "POST") == (entry.before is None)
        if entry.after is None:
            del state[entry.key]
        else:
            state[entry.key] = entry.after
    return state


class History:
    """Draws a write, does it, and draws another."""

    def __init__(self, rig: StoreRig, draw: random.Random) -> None:
        self.snapshots: dict[type, list[Snapshot]] = {}
        self._rig = rig
        self._draw = draw
        self._steps: list[Callable[[], Awaitable[None]]] = [
            self._create, self._create, self._update, self._delete, self._elsewhere, self._elsewhere,
            self._session, self._look,
        ]  # fmt: skip

    async def step(self) -> None:
        """One of them, which may be refused."""
        with suppress(LiveError):
            await self._draw.choice(self._steps)()

    async def _create(self) -> None:
        if self._draw.random() < 0.5:
            await create(self._rig, Todo, {"title": self._title()})
        elif self._draw.random() < 0.6:
            await create(self._rig, Tag, {"name": self._draw.choice(NAMES), "weight": self._draw.random()})
        else:
            await create(
                self._rig,
                Line,
                {"list": self._draw.choice(NAMES), "number": self._number(), "amount": self._number()},
            )

    async def _update(self) -> None:
        if self._draw.random() < 0.5:
            await change(
                self._rig, Todo, (self._number(),), {"title": self._title(), "order": self._number()}
            )
        else:
            await change(self._rig, Tag, (self._draw.choice(NAMES),), {"weight": float(self._number())})

    async def _delete(self) -> None:
        if self._draw.random() < 0.5:
            await change(self._rig, Todo, (self._number(),), None)
        else:
            await change(self._rig, Tag, (self._draw.choice(NAMES),), None)

    async def _elsewhere(self) -> None:
        """A transaction of another program; of an error in it nothing may stay."""
        statements = [self._statement() for _ in range(self._draw.choice((1, 1, 2, 3)))]
        with suppress(Exception):
            self._rig.execute(*statements)

    def _statement(self) -> str:
        name, other, number = self._draw.choice(NAMES), self._draw.choice(NAMES), self._number()
        return self._draw.choice(
            (
                f"INSERT INTO store_tag (name, weight) VALUES ('{name}', {number})",
                f"UPDATE store_tag SET name = '{other}' WHERE name = '{name}'",
                f"UPDATE store_tag SET weight = weight + 1 WHERE weight < {number}",
                f"DELETE FROM store_tag WHERE name = '{name}'",
                f"INSERT INTO store_todo (title, completed) VALUES ('{self._title()}', FALSE)",
                f'UPDATE store_todo SET completed = TRUE, "order" = {number} WHERE id > {number}',
                f'UPDATE store_todo SET "order" = "order" WHERE id > {number}',
                f"UPDATE store_todo SET id = id + 100 WHERE id = {number}",
                f"DELETE FROM store_todo WHERE id = {number}",
                f"UPDATE store_line SET number = number + 10 WHERE number = {number}",
                f"UPDATE store_line SET amount = amount - 3 WHERE list = '{name}'",
                "DELETE FROM store_line",
            )
        )

    async def _session(self) -> None:
        """A session that commits, or changes its mind."""
        async with self._rig.store.session() as session:
            session.add(Todo(title=self._title()))
            with suppress(Exception):
                await session.flush()
                if self._draw.random() < 0.7:
                    await session.commit()

    async def _look(self) -> None:
        model = self._draw.choice((Todo, Tag, Line))
        found = await self._rig.store.find(self._rig.sources[model], Query())
        self.snapshots.setdefault(model, []).append(found)

    def _title(self) -> str:
        return f"{self._draw.choice(NAMES)}{self._number()}"

    def _number(self) -> int:
        return self._draw.randint(0, 9)
