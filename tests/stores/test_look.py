"""A look at the triggers: as many statements for many tables as for few, and writers wait only if one is lost.

Statements are counted, which are the same on any computer.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import registry

from livecollections.stores.base import Lane
from livecollections.stores.sqlite import SQLiteStore
from livecollections.stores.sqlite_log import SAMPLED, SIZE

FEW, MANY = 3, 60


async def at_once(lane: Lane, function: Callable[[], Any]) -> Any:
    return function()


def models(count: int) -> list[type]:
    mapped = registry()
    return [
        mapped.mapped(
            type(
                f"Thing{number}",
                (),
                {
                    "__tablename__": f"thing{number}",
                    "id": sa.Column(sa.Integer, primary_key=True),
                    "name": sa.Column(sa.String, unique=True),
                },
            )
        )
        for number in range(count)
    ]


class Looking:
    """A started store, and a shell that changes the schema beside it."""

    def __init__(self, store: SQLiteStore, shell: sqlite3.Connection) -> None:
        self.store = store
        self.shell = shell

    async def look(self) -> dict[str, list[str]]:
        """What each connection is asked by one look, and by the looking at triggers that follows from it."""
        asked: dict[str, list[str]] = {name: [] for name in self.store._connections}
        for name, connection in self.store._connections.items():
            connection.set_trace_callback(asked[name].append)
        self.store._look()
        if self.store._repairing is not None:
            await self.store._repairing
            self.store._repairing = None
        for connection in self.store._connections.values():
            connection.set_trace_callback(None)
        return asked

    def resets(self) -> list[str]:
        rows = self.shell.execute("SELECT source FROM live_changes WHERE method = 'RESET'")
        return [source for (source,) in rows.fetchall()]


@asynccontextmanager
async def looking(path: Path, tables: int) -> AsyncIterator[Looking]:
    store = SQLiteStore(f"sqlite:///{path}", run=at_once, clock=lambda: 1e9, synchronous="NORMAL")
    await store.start([store.describe(model) for model in models(tables)])
    with closing(sqlite3.connect(path, isolation_level=None)) as shell:
        found = Looking(store, shell)
        await found.look()
        await found.look()
        yield found
    await store.stop()


@pytest.mark.parametrize("tables", [FEW, MANY])
async def test_an_unchanged_schema_costs_one_pragma(tmp_path: Path, tables: int) -> None:
    async with looking(tmp_path / "x.db", tables) as found:
        found.shell.execute("INSERT INTO thing0 (name) VALUES ('a')")
        asked = await found.look()
        assert [text for text in asked["poll"] if "schema" in text] == ["PRAGMA schema_version"]
        assert len(asked.pop("poll")) == 3
        assert not any(asked.values())


async def test_a_look_asks_the_same_of_many_tables_as_of_few_and_keeps_no_writer_waiting(
    tmp_path: Path,
) -> None:
    counts = []
    for tables in (FEW, MANY):
        async with looking(tmp_path / f"{tables}.db", tables) as found:
            found.shell.execute("CREATE VIEW names AS SELECT name FROM thing0")
            found.shell.execute("BEGIN IMMEDIATE")  # a look that wanted the lock would not come back
            asked = await found.look()
            found.shell.execute("ROLLBACK")
            assert asked["write"] == []
            assert not found.resets()
            counts.append(len(asked["read"]))
    assert counts[0] == counts[1] <= 10


async def test_only_what_changed_is_read_again(tmp_path: Path) -> None:
    async with looking(tmp_path / "x.db", MANY) as found:
        found.shell.execute("ALTER TABLE thing7 ADD COLUMN more")
        asked = await found.look()
        described = [text for text in asked["read"] if text.startswith("PRAGMA table_xinfo")]
        assert described == ['PRAGMA table_xinfo("thing7")']


async def test_a_lost_trigger_among_many_tables_is_put_back_with_one_reset(tmp_path: Path) -> None:
    async with looking(tmp_path / "x.db", MANY) as found:
        found.shell.execute("DROP TRIGGER live_thing7_insert")
        asked = await found.look()
        assert asked["write"][0] == "BEGIN IMMEDIATE"
        assert len([text for text in asked["write"] if text.startswith("CREATE TRIGGER")]) == 5
        assert found.resets() == ["thing7"]


@pytest.mark.parametrize("entries", [0, 5, 3_000])
async def test_the_size_of_a_log_is_told_by_few_of_its_entries(tmp_path: Path, entries: int) -> None:
    drawn = random.Random(1)
    async with looking(tmp_path / "x.db", 1) as found:
        names = [("x" * drawn.randrange(200) + str(number),) for number in range(entries)]
        found.shell.execute("BEGIN")
        found.shell.executemany("INSERT INTO thing0 (name) VALUES (?)", names)
        found.shell.execute("COMMIT")
        told = await found.store.look(await found.store.head())
        (size,) = found.shell.execute(f"SELECT coalesce(sum({SIZE}), 0) FROM live_changes").fetchone()
    assert told.entries == entries
    assert told.bytes == (size if entries <= SAMPLED else pytest.approx(size, rel=0.15))


async def test_few_entries_are_measured_no_oftener_than_many(tmp_path: Path) -> None:
    asked: list[str] = []
    async with looking(tmp_path / "x.db", 1) as found:
        found.shell.execute("INSERT INTO thing0 (name) VALUES ('milk')")
        for connection in found.store._connections.values():
            connection.set_trace_callback(asked.append)
        told = [await found.store.look(await found.store.head()) for _ in range(2)]
    assert told[0].bytes == told[1].bytes
    assert len([text for text in asked if SIZE in text]) == 1


async def test_a_newer_trigger_that_spells_the_table_otherwise_is_seen(tmp_path: Path) -> None:
    async with looking(tmp_path / "x.db", FEW) as found:
        found.shell.execute("CREATE TRIGGER mine AFTER INSERT ON THING1 BEGIN SELECT 1; END")
        await found.look()
        assert found.resets() == ["thing1"]
