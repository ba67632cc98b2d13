"""Capture in SQLite: replaying the log gives the table, whatever was written, and no write fails because of us."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from livecollections.stores.base import Log
from livecollections.stores.sqlite_capture import Capture
from livecollections.stores.sqlite_log import layouts, stored_value
from livecollections.stores.sqlite_schema import read_table
from livecollections.stores.sqlite_triggers import Triggers, fields, image, layout_of, of

from ..scale import scaled
from .histories import TABLE, Draw, History, Outcome, Q, exactly, play, rows, typed

BLOCK = 100
BLOCKS = range(scaled(3, 30))
"""Histories are played in blocks: 300 in all, or 3,000."""


@dataclass(frozen=True)
class Ended:
    """What one history left: log and table of the captured columns, and the whole table."""

    history: History
    outcomes: list[Outcome]
    log: dict[Any, Any]
    table: dict[Any, Any]
    whole: dict[Any, Any]


Install = Callable[[sqlite3.Connection, list[str]], None]


def opened() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None)


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(opened()) as connection:
        yield connection


def captured(connection: sqlite3.Connection, columns: list[str]) -> None:
    """Install our triggers."""
    Capture(Log(), {TABLE: columns}).install(connection, 0.0)


def naively(connection: sqlite3.Connection, columns: list[str]) -> None:
    """Triggers as one would first write them: they log NEW and OLD."""
    captured(connection, columns)
    table = read_table(connection, TABLE)
    assert table is not None
    for name in Triggers(table, columns, "live_").statements():
        connection.execute('DROP TRIGGER "{}"'.format(name.replace('"', '""')))
    for moment, method, row in (
        ("INSERT", "POST", "NEW"),
        ("UPDATE", "PUT", "NEW"),
        ("DELETE", "DELETE", "OLD"),
    ):
        shown = image(of(row), [column for column in table.columns if column in columns])
        connection.execute(
            f"CREATE TRIGGER naive_{moment} AFTER {moment} ON {Q} BEGIN INSERT INTO live_changes "
            f"(source, method, key, after) SELECT 'x', '{method}', {fields(of(row), table.key)}, "
            f"{'NULL' if row == 'OLD' else shown}; END"
        )


def idly(connection: sqlite3.Connection, columns: list[str]) -> None:
    """Triggers that do nothing."""
    for moment in ("BEFORE", "AFTER"):
        for action in ("INSERT", "UPDATE", "DELETE"):
            connection.execute(
                f"CREATE TRIGGER idle_{moment}_{action} {moment} {action} ON {Q} BEGIN SELECT 1; END"
            )


def played(history: History, install: Install | None) -> tuple[sqlite3.Connection, list[Outcome], list[str]]:
    connection = opened()
    for statement in (*history.pragmas, *history.schema, *history.triggers_before):
        connection.execute(statement)
    table = read_table(connection, TABLE)
    assert table is not None
    columns = [column for column in table.columns if column != history.excluded]
    if install is not None:
        install(connection, columns)
    for statement in (*history.triggers_after, "CREATE TABLE other (id)"):
        connection.execute(statement)
    if history.noticed and install is captured:
        captured(connection, columns)
    connection.execute("INSERT INTO other VALUES (1)")  # installing here has moved last_insert_rowid()
    return connection, play(connection, history), columns


def replayed(connection: sqlite3.Connection, columns: list[str]) -> dict[Any, Any]:
    """What a receiver of the log holds at the end."""
    connection.text_factory = exactly
    known = layouts(connection, Log())
    state: dict[Any, Any] = {}
    for method, key, after in connection.execute("SELECT method, key, after FROM live_changes ORDER BY seq"):
        if method == "RESET":
            assert not state
            continue
        name = typed(stored_value(part) for part in key.split(";")[:-1])
        assert (after is None) == (method == "DELETE")
        if after is None:
            state.pop(name, None)
            continue
        layout, _, text = after.partition(":")
        assert known[layout] == [column.lower() for column in columns]
        state[name] = typed(stored_value(part) for part in text.split(";")[:-1])
    return state


@cache
def ended(seed: int) -> Ended:
    """One history with our triggers, and what it left."""
    history = Draw(seed).history()
    connection, outcomes, columns = played(history, captured)
    log = replayed(connection, columns)
    table = read_table(connection, TABLE)
    assert table is not None
    left = Ended(
        history,
        outcomes,
        log,
        rows(connection, history.key, columns),
        rows(connection, history.key, list(table.columns)),
    )
    connection.close()
    return left


def seeds(block: int) -> range:
    """The seeds of a block's histories."""
    return range(block * BLOCK, (block + 1) * BLOCK)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_log_replayed_is_the_table_07(block: int) -> None:
    assert [seed for seed in seeds(block) if ended(seed).log != ended(seed).table] == []


@pytest.mark.parametrize("block", BLOCKS[::10])
def test_naive_triggers_would_fail_most_histories_07(block: int) -> None:
    """The oracle has teeth: with NEW and OLD in the log it is not the table."""
    wrong = 0
    for seed in seeds(block):
        history = Draw(seed).history()
        connection, _, columns = played(history, naively)
        wrong += replayed(connection, columns) != rows(connection, history.key, columns)
        connection.close()
    assert wrong > BLOCK / 2


def seen(history: History, install: Install | None) -> tuple[list[Outcome], dict[Any, Any]]:
    """What applications see of a history: the outcome of each write, and the rows."""
    connection, outcomes, _ = played(history, install)
    table = read_table(connection, TABLE)
    assert table is not None
    whole = rows(connection, history.key, list(table.columns))
    connection.close()
    return outcomes, whole


@pytest.mark.parametrize("block", BLOCKS)
def test_applications_see_no_difference_12(block: int) -> None:
    """Guests: the same errors, rows, changes() and last_insert_rowid() with our triggers and without.

    A table that has any trigger at all, were it an idle one, is treated otherwise by SQLite in two ways: an
    UPDATE OR IGNORE visits rows in another order, and REPLACE with a foreign key to its own table notices
    that the row it refers to has gone. There idle triggers are the measure; it is seldom.
    """
    exceptions = 0
    for seed in seeds(block):
        history, ours = ended(seed).history, (ended(seed).outcomes, ended(seed).whole)
        if ours != seen(history, None):
            exceptions += 1
            assert ours == seen(history, idly), seed
    assert exceptions < BLOCK * 0.15


def test_histories_are_hostile_enough() -> None:
    """Each ingredient of the mix occurs often, and most writes take effect."""
    counts: Counter[str] = Counter()
    for seed in range(300):
        history = ended(seed).history
        for (sql, _), outcome in zip(history.writes, ended(seed).outcomes, strict=True):
            words = sql.split()
            counts[words[0]] += 1
            counts[" ".join(words[1:3])] += words[1:2] == ["OR"]
            counts["upsert"] += "CONFLICT" in sql
            counts["refused" if outcome.error else "done"] += 1
        counts["triggers before ours"] += len(history.triggers_before)
        counts["triggers after ours"] += len(history.triggers_after)
    least = {
        "INSERT": 2000, "UPDATE": 1000, "DELETE": 300, "OR REPLACE": 500, "OR IGNORE": 200, "upsert": 300,
        "SAVEPOINT": 40, "ROLLBACK": 60, "triggers before ours": 60, "triggers after ours": 60,
    }  # fmt: skip
    assert not {word: counts[word] for word in least if counts[word] < least[word]}
    assert counts["done"] > counts["refused"]


@pytest.mark.parametrize("columns", [["id"], ["id", *(f"c{n}" for n in range(1200))]], ids=len)
def test_tables_may_be_narrow_or_wide(columns: list[str], connection: sqlite3.Connection) -> None:
    connection.execute(
        f"CREATE TABLE {Q} (id INTEGER PRIMARY KEY{''.join(f', {name}' for name in columns[1:])})"
    )
    captured(connection, columns)
    connection.execute(f"INSERT INTO {Q} (id) VALUES (7)")
    assert replayed(connection, columns) == rows(connection, ("id",), columns)
    assert layout_of(columns)


def test_migrations_run_and_writes_go_on_whatever_column_is_dropped_12(
    connection: sqlite3.Connection,
) -> None:
    columns = ["id", "a", "b", 'c "d', "e", "f"]
    connection.execute(
        f'CREATE TABLE {Q} (id TEXT PRIMARY KEY, a, b TEXT NOT NULL DEFAULT \'b\', "c ""d" INTEGER, e, f) WITHOUT ROWID'
    )
    connection.execute(f"CREATE UNIQUE INDEX u ON {Q} (lower(e)) WHERE f IS NOT NULL")
    captured(connection, columns)
    for number, column in enumerate(('"c ""d"', "a", "b")):
        name = f"k{number}"
        connection.execute(f"ALTER TABLE {Q} DROP COLUMN {column}")
        connection.execute(f"INSERT INTO {Q} (id, e, f) VALUES (?, 'E', 1)", (name,))
        connection.execute(f"UPDATE {Q} SET e = 'x' || id, id = id || 'm'")
        connection.execute(f"INSERT OR REPLACE INTO {Q} (id, e, f) VALUES (?, ?, 2)", (name, f"X{name}"))
    connection.execute(f"DELETE FROM {Q} WHERE id = 'k1'")
    places = [columns.index(name) for name in ("id", "e", "f")]
    told = {key: tuple(row[place] for place in places) for key, row in replayed(connection, columns).items()}
    assert told == rows(connection, ("id",), ["id", "e", "f"]) != {}
