"""Findings of the correctness review that concern SQLite: each is a schedule or an input that must not hurt us.

The number at the end of a name is the finding's. Random histories for 7 and 12 are in ``stores/test_capture.py``.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from livecollections.cause import Cause
from livecollections.change import Change, Row
from livecollections.errors import (
    CaptureMissing,
    ConfigurationError,
    Conflict,
    ConstraintViolated,
    InvalidDocument,
    StoreError,
    StoreUnavailable,
)
from livecollections.query import Query
from livecollections.stores import sqlite_connection
from livecollections.stores.base import Idempotency, Log, Write, Written
from livecollections.stores.sqlite import SQLiteStore, install, install_sql, new_epoch, uninstall
from livecollections.stores.sqlite_capture import Capture

from .scale import scaled


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(unique=True)
    size: Mapped[float | None] = mapped_column()
    n: Mapped[int | None] = mapped_column()
    parent: Mapped[int | None] = mapped_column(
        sa.ForeignKey("item.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED")
    )


class Rig:
    """A store on a file, and ways past it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"
        self.store = SQLiteStore(self.url)
        self.source = self.store.describe(Item)

    async def start(self, **options: Any) -> None:
        self.store = SQLiteStore(self.url, **options)
        self.source = self.store.describe(Item)
        await self.store.start([self.source])

    def foreign(
        self, *statements: str, values: tuple[Any, ...] = (), pragma: str = "", longest: int = 10**9
    ) -> None:
        """Write as another program does. longest: the bytes of a value that its SQLite takes."""
        connection = sqlite3.connect(self.path, isolation_level=None)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, longest)
        try:
            connection.execute(pragma)
            for statement in statements:
                connection.execute(statement, values)
        finally:
            connection.close()

    def asked(self, sql: str) -> list[Any]:
        connection = sqlite3.connect(self.path)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def create(self, **values: Any) -> Awaitable[Written]:
        return self.store.write(Write(self.source, None, lambda row: values))

    def change(self, key: int, **values: Any) -> Awaitable[Written]:
        return self.store.write(Write(self.source, (key,), lambda row: values))

    async def rows(self) -> list[Row]:
        return (await self.store.find(self.source, Query())).rows

    async def log(self, after: str) -> list[Change]:
        changes: list[Change] = []
        while more := (await self.store.read(after, 10_000)).changes:
            changes += more
            after = more[-1].seq
        return changes

    async def assert_replayed(self, after: str) -> None:
        """What the log tells since a place at which the table was empty is the table; nothing was reset."""
        state: dict[Any, Any] = {}
        for change in await self.log(after):
            assert change.method != "RESET"
            state[change.key] = change.after
        rows = {self.source.key_of(row): dict(row) for row in await self.rows()}
        assert {key: row for key, row in state.items() if row is not None} == rows

    async def wait_reset(self, after: str, seconds: float = 1.0) -> Change:
        """The next RESET; the store is to notice by itself."""
        deadline = time.monotonic() + seconds
        while True:
            for change in await self.log(after):
                if change.method == "RESET":
                    return change
            left = deadline - time.monotonic()
            assert left > 0, "no RESET in time"
            try:
                await asyncio.wait_for(self.store.wait_changed(await self.store.head()), left)
            except TimeoutError:
                continue


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    found = Rig(tmp_path / "items.db")
    await found.start()
    yield found
    await found.store.stop()


# --- 5: rows and seq of one snapshot ------------------------------------------------------------------------


async def test_a_commit_between_rows_and_seq_is_in_neither_05(rig: Rig) -> None:
    await rig.create(name="a")
    seen: list[str] = []

    def between(sql: str) -> None:
        if "live_meta" in sql and not seen:
            seen.append(sql)
            rig.foreign("INSERT INTO item (name) VALUES ('between')")

    before = await rig.store.head()
    rig.store._connections["read"].set_trace_callback(between)
    snapshot = await rig.store.find(rig.source, Query())
    assert seen
    assert [row["name"] for row in snapshot.rows] == ["a"]
    assert snapshot.seq == before < await rig.store.head()


# --- 7: NEW is not the row ----------------------------------------------------------------------------------

TOUCH = (
    "CREATE TRIGGER touch AFTER UPDATE ON item WHEN NEW.n IS OLD.n "
    "BEGIN UPDATE item SET n = 100 WHERE id = NEW.id; END"
)


@pytest.mark.parametrize("first", ["ours", "theirs"])
async def test_a_users_trigger_made_before_or_after_ours_07(tmp_path: Path, first: str) -> None:
    rig = Rig(tmp_path / "items.db")
    if first == "theirs":
        rig.foreign(
            "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT UNIQUE, size REAL, n INTEGER, parent)",
            TOUCH,
        )
    await rig.start()
    start = await rig.store.head()
    await rig.create(name="a")
    if first == "ours":
        rig.foreign(TOUCH)
    rig.foreign("UPDATE item SET name = 'b'")
    last = (await rig.log(start))[-1]
    assert last.after == (await rig.rows())[0]
    assert last.after is not None
    assert (last.after["name"], last.after["n"]) == ("b", 100)
    await rig.store.stop()


async def test_a_moved_key_is_a_delete_and_a_post_07(rig: Rig) -> None:
    start = await rig.store.head()
    rig.foreign(
        "INSERT INTO item (id, name) VALUES (1, 'a'), (2, 'b')",
        "UPDATE item SET id = -id",
        "UPDATE item SET id = 3 - id",
    )
    told = [(change.method, change.key[0]) for change in await rig.log(start)]
    assert told[2:6] == [("DELETE", 1), ("POST", -1), ("DELETE", 2), ("POST", -2)]
    await rig.assert_replayed(start)


@pytest.mark.parametrize("recursive", ["ON", "OFF"])
@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("INSERT OR REPLACE INTO item (id, name) VALUES (3, 'a')", {("DELETE", 1), ("POST", 3)}),
        ("REPLACE INTO item (id, name) VALUES (2, 'a')", {("DELETE", 1), ("PUT", 2)}),
        ("UPDATE OR REPLACE item SET name = 'a' WHERE id = 2", {("DELETE", 1), ("PUT", 2)}),
        ("UPDATE OR REPLACE item SET id = 1 WHERE id = 2", {("DELETE", 2), ("PUT", 1)}),
        ("REPLACE INTO item (id, name) VALUES (1, 'c')", {("PUT", 1)}),
        ("INSERT INTO item (id, name) VALUES (7, 'a') ON CONFLICT DO UPDATE SET n = 5", {("PUT", 1)}),
        ("INSERT OR IGNORE INTO item (id, name) VALUES (7, 'a')", set()),
    ],
)
async def test_what_replace_evicts_is_told_07(
    rig: Rig, statement: str, told: set[tuple[str, int]], recursive: str
) -> None:
    start = await rig.store.head()
    await rig.create(name="a")
    before = (await rig.create(name="b")).seq or ""
    rig.foreign(statement, pragma=f"PRAGMA recursive_triggers = {recursive}")
    changes = await rig.log(before)
    if recursive == "OFF":
        assert {(change.method, change.key[0]) for change in changes} == told
    for change in changes:
        assert change.before is not None or change.method == "POST"
    await rig.assert_replayed(start)
    assert rig.asked("SELECT count(*) FROM live_notes") <= [(1,)]


# --- 8: the write's own answer ------------------------------------------------------------------------------


async def test_the_answer_is_the_row_after_the_last_trigger_08(rig: Rig) -> None:
    rig.foreign(
        "CREATE TRIGGER fill AFTER INSERT ON item BEGIN UPDATE item SET n = 100 WHERE id = NEW.id; END", TOUCH
    )
    created = await rig.create(name="a", n=0)
    assert created.row["n"] == 100
    assert created.seq == await rig.store.head()
    changed = await rig.change(1, n=5, name="b")
    assert changed.row == (await rig.rows())[0]
    assert changed.seq == await rig.store.head()


async def test_nobody_writes_between_a_no_op_and_its_seq_08(rig: Rig) -> None:
    created = await rig.create(name="a")

    def change(row: Row | None) -> dict[str, Any]:
        connection = sqlite3.connect(rig.path, timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            connection.execute("UPDATE item SET name = 'foreign'")
        connection.close()
        return {"name": "a"}

    answer = await rig.store.write(Write(rig.source, (1,), change))
    assert answer.row == created.row
    assert answer.seq == created.seq


# --- 11: what triggers can't see ----------------------------------------------------------------------------


async def test_a_rebuilt_table_is_noticed_while_running_11(rig: Rig) -> None:
    created = await rig.create(name="a")
    assert created.seq
    rig.foreign(
        "CREATE TABLE rebuilt AS SELECT * FROM item",
        "DROP TABLE item",
        "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT UNIQUE, size FLOAT, n INTEGER, parent INTEGER)",
        "INSERT INTO item SELECT * FROM rebuilt",
        "DROP TABLE rebuilt",
        "INSERT INTO item (name) VALUES ('unheard')",
    )
    reset = await rig.wait_reset(created.seq)
    assert await rig.store.why_reset(created.seq, "item") is reset.cause is Cause.CAPTURE_REINSTALLED
    assert await rig.store.why_reset(reset.seq, "item") is None
    rig.foreign("INSERT INTO item (name) VALUES ('heard')")
    assert [change.method for change in await rig.log(reset.seq)] == ["POST"]
    assert len(await rig.rows()) == 3


async def test_a_trigger_lost_just_after_a_look_is_noticed_11(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes after the triggers were looked at, and is seen before the one who looked has said that all is well."""
    seq = await rig.store.head()
    run, lost = rig.store._run, rig.store._lost
    looked: list[bool] = []
    dropped: list[str] = []

    def look(connection: sqlite3.Connection) -> dict[str, str]:
        looked.append(True)
        return lost(connection)

    async def run_and_drop(lane: Any, function: Callable[[], Any]) -> Any:
        answer = await run(lane, function)
        if looked and not dropped:
            dropped.append("insert")
            rig.foreign("DROP TRIGGER live_item_insert")
            rig.store._look()
        return answer

    monkeypatch.setattr(rig.store, "_lost", look)
    monkeypatch.setattr(rig.store, "_run", run_and_drop)
    reset = await rig.wait_reset(seq)
    assert (reset.cause, dropped) == (Cause.CAPTURE_REINSTALLED, ["insert"])


@pytest.mark.parametrize("kind", ["before_insert", "before_update", "insert", "update", "delete"])
async def test_a_lost_trigger_is_noticed_at_start_11(rig: Rig, kind: str) -> None:
    created = await rig.create(name="a")
    assert created.seq
    await rig.store.stop()
    rig.foreign(f"DROP TRIGGER live_item_{kind}")
    await rig.start()
    assert await rig.store.why_reset(created.seq, "item") is Cause.CAPTURE_REINSTALLED
    (reset,) = await rig.log(created.seq)
    assert reset.method == "RESET"
    await rig.store.stop()
    await rig.start()
    assert await rig.store.head() == reset.seq


async def test_a_dropped_table_is_a_reset_and_its_return_another_11(rig: Rig) -> None:
    created = await rig.create(name="a")
    assert created.seq
    rig.foreign("DROP TABLE item")
    reset = await rig.wait_reset(created.seq)
    rig.foreign("CREATE TABLE item (id INTEGER PRIMARY KEY, name, size, n, parent)")
    again = await rig.wait_reset(reset.seq)
    await rig.create(name="b")
    assert [change.method for change in await rig.log(again.seq)] == ["POST"]


async def test_a_first_installation_resets_nothing_11(rig: Rig) -> None:
    assert await rig.log(await rig.store.head()) == []
    assert rig.asked("SELECT count(*) FROM live_changes") == [(0,)]


async def test_what_is_no_table_is_refused_27(rig: Rig) -> None:
    rig.foreign("CREATE VIEW seen AS SELECT * FROM item")

    class View(Base):
        __tablename__ = "seen"
        id: Mapped[int] = mapped_column(primary_key=True)

    store = SQLiteStore(rig.url, create_tables=False)
    with pytest.raises(ConfigurationError, match="seen"):
        await store.start([store.describe(View)])
    await store.stop()


# --- 12: guests ---------------------------------------------------------------------------------------------

VALUES = (
    "NULL",
    "1",
    "1.5",
    "9e999",
    "-9e999",
    "'text'",
    "x'00ff'",
    "CAST(x'ff00' AS TEXT)",
    "9223372036854775807",
)


async def test_every_storage_type_goes_into_every_column_12(rig: Rig) -> None:
    await rig.store.stop()
    rig.foreign(
        "CREATE TRIGGER blank AFTER INSERT ON item BEGIN UPDATE item SET n = n WHERE id = NEW.id; END"
    )
    await rig.start()
    start = await rig.store.head()
    for column in ("size", "n", "parent"):
        for number, value in enumerate(VALUES):
            rig.foreign(
                f"INSERT INTO item (id, {column}) VALUES ({number}, {value})",
                f"UPDATE item SET {column} = {value}, name = {value}",
                "DELETE FROM item",
                pragma="PRAGMA trusted_schema = OFF",
            )
        rig.foreign(*(f"INSERT INTO item ({column}) VALUES ({value})" for value in VALUES))
    await rig.assert_replayed(start)


async def test_a_program_that_knows_nothing_of_us_writes_12(rig: Rig) -> None:
    """Another process, without any function registered, and through an attached database."""
    start = await rig.store.head()
    script = (
        "import sqlite3, sys; c = sqlite3.connect(':memory:'); c.execute('attach ? as shop', (sys.argv[1],)); "
        "c.execute(\"insert into shop.item (name) values ('attached')\"); "
        "c.execute('update shop.item set n = 2'); c.commit()"
    )
    await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script, str(rig.path)], check=True, timeout=20
    )
    assert [change.method for change in await rig.log(start)] == ["POST", "PUT"]
    await rig.assert_replayed(start)


async def test_columns_are_renamed_and_added_while_live_12(rig: Rig) -> None:
    created = await rig.create(name="a")
    assert created.seq
    rig.foreign("ALTER TABLE item RENAME COLUMN size TO weight", "UPDATE item SET weight = 2")
    await rig.wait_reset(created.seq)
    renamed = await rig.store.head()
    rig.foreign("ALTER TABLE item ADD COLUMN size FLOAT", "UPDATE item SET size = 3")
    added = await rig.wait_reset(renamed)
    rig.foreign("UPDATE item SET size = 4")
    assert [(change.after or {})["size"] for change in await rig.log(added.seq)] == [4.0]


# --- 13: images that are the row ----------------------------------------------------------------------------


async def test_doubles_come_back_exactly_13(rig: Rig) -> None:
    start = await rig.store.head()
    drawn = random.Random(13)
    doubles = [struct.unpack("d", drawn.randbytes(8))[0] for _ in range(scaled(2_000, 50_000))]
    doubles = [d for d in doubles if d == d] + [0.1, 1e15, 5e-324, 1.7976931348623157e308]
    doubles += [float("inf"), float("-inf"), 123456789012345.67]
    connection = sqlite3.connect(rig.path)
    connection.executemany("INSERT INTO item (size) VALUES (?)", [(double,) for double in doubles])
    connection.commit()
    connection.close()
    assert [(change.after or {})["size"] for change in await rig.log(start)] == doubles
    await rig.assert_replayed(start)


async def test_broken_text_is_read_like_any_other_13(rig: Rig) -> None:
    start = await rig.store.head()
    rig.foreign(
        "INSERT INTO item (name) VALUES (CAST(x'61ff62' AS TEXT))",
        "INSERT INTO item (name) VALUES (x'61ff63')",
    )
    rig.foreign("INSERT INTO item (name) VALUES (?)", values=("nul\0 100%; %3b",))
    assert [row["name"] for row in await rig.rows()] == ["a\ufffdb", "a\ufffdc", "nul\0 100%; %3b"]
    await rig.assert_replayed(start)
    assert (await rig.store.get(rig.source, (1,))).rows[0]["name"] == "a\ufffdb"
    assert (await rig.change(1, n=2)).row["name"] == "a\ufffdb"


async def test_an_entry_that_cant_be_read_is_a_reset_and_stops_nothing_13(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    start = await rig.store.head()
    for name in "abcd":
        await rig.create(name=name)
    rig.foreign(
        "UPDATE live_changes SET after = 'rubbish' WHERE seq = 2",
        "UPDATE live_changes SET key = 'x;' WHERE seq = 3",
    )
    assert [change.method for change in await rig.log(start)] == ["POST", "RESET", "RESET", "POST"]
    assert caplog.text.count("can't be read back") == 2


async def test_a_value_too_large_for_the_log_is_a_reset_13(rig: Rig) -> None:
    start = await rig.store.head()
    rig.foreign("INSERT INTO item (id, name) VALUES (1, printf('%.*c', 5000000, 'x'))")
    # As hex digits it would be longer than a value may be, and the write would fail.
    rig.foreign(
        "UPDATE item SET name = name || 'y'",
        "UPDATE item SET name = zeroblob(15000000)",
        "DELETE FROM item",
        longest=25_000_000,
    )
    assert {change.method for change in await rig.log(start)} == {"RESET"}


async def test_an_answer_too_large_to_keep_is_not_given_again_13(rig: Rig) -> None:
    rig.foreign(
        "CREATE TRIGGER big AFTER INSERT ON item BEGIN UPDATE item SET name = printf('%.*c', 5000000, 'x'); END"
    )
    write = Write(rig.source, None, lambda row: {"n": 1}, None, Idempotency("once", "digest"))
    await rig.store.write(write)
    head = await rig.store.head()
    with pytest.raises(Conflict):
        await rig.store.write(write)
    assert await rig.store.head() == head
    assert len(await rig.rows()) == 1


async def test_integers_of_64_bits_13(rig: Rig) -> None:
    start = await rig.store.head()
    for number in (2**63 - 1, -(2**63), 2**53 + 1):
        assert (await rig.create(n=number)).row["n"] == number
    with pytest.raises(InvalidDocument):
        await rig.create(n=2**63)
    await rig.assert_replayed(start)


# --- 15: trimming -------------------------------------------------------------------------------------------


async def test_a_trim_between_two_batches_is_seen_15(rig: Rig) -> None:
    start = await rig.store.head()
    await rig.store.stop()
    await rig.start(log=Log(changes=10))
    for number in range(30):
        await rig.create(n=number)
    first = await rig.store.read(start, 5, "item")
    await rig.store.maintain(time.time())
    second = await rig.store.read(first.upto, 5, "item")
    assert second.lost is Cause.TRIMMED
    assert second.changes == []
    assert second.upto == await rig.store.head()


async def test_a_log_that_went_back_in_time_is_noticed_06(rig: Rig) -> None:
    """A backup is put back and written to: the places are the same, the checks are not."""
    await rig.create(n=1)
    backup = sqlite3.connect(rig.path.with_name("backup.db"))
    source = sqlite3.connect(rig.path)
    source.backup(backup)
    lost = await rig.create(n=2)
    assert lost.seq
    await rig.store.stop()
    backup.backup(source)
    source.close()
    backup.close()
    for _ in range(6):  # one in 65,536 that all six checks agreed
        await rig.start()
        again = await rig.create(n=3)
        await rig.store.stop()
        if again.seq != lost.seq:
            break
    await rig.start()
    assert await rig.store.why_reset(lost.seq, "item") is Cause.OTHER_CHECK
    assert (await rig.store.read(lost.seq, 10)).lost is Cause.OTHER_CHECK
    head = await rig.store.head()
    assert await rig.store.renew(head) == head
    renewed = await rig.store.renew(lost.seq)
    assert (renewed[:8] == head[:8], renewed[8:]) == (False, head[8:])
    assert await rig.store.renew(lost.seq) == renewed, "that is of another epoch by now"


async def test_a_new_epoch_makes_every_place_unknown_06(rig: Rig) -> None:
    seq = (await rig.create(n=1)).seq or ""
    drawn = new_epoch(rig.url)
    assert drawn != seq[:8]
    await asyncio.wait_for(rig.store.wait_changed(seq), 5)
    assert await rig.store.why_reset(seq, "item") is Cause.OTHER_EPOCH
    assert (await rig.store.head()) == drawn + seq[8:]
    assert (await rig.create(n=2)).seq > drawn + seq[8:]  # type: ignore[operator]


# --- 30: two versions ---------------------------------------------------------------------------------------


class Narrow(Base):
    """The next release of Item, which leaves columns out."""

    __table__ = sa.Table(
        "item", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String)
    )


async def test_two_releases_do_not_take_turns_30(rig: Rig) -> None:
    created = await rig.create(name="a", n=1)
    assert created.seq
    newer = SQLiteStore(rig.url)
    await newer.start([newer.describe(Narrow)])
    triggers = rig.asked("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name")
    again = SQLiteStore(rig.url)
    await again.start([again.describe(Item)])
    assert triggers == rig.asked("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name")
    assert await rig.log(created.seq) == []
    rig.foreign("UPDATE item SET n = 2")
    (change,) = await rig.log(created.seq)
    assert (change.after or {})["n"] == 2
    for store in (again, newer):
        await store.stop()


def test_another_version_is_only_widened_30(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a, b, c)")
    old = Capture(Log(), {"t": ["id", "a", "b"]}, "old", version="1")
    new = Capture(Log(), {"t": ["id", "b", "c"]}, "new", version="2")

    def kept() -> list[str]:
        (value,) = connection.execute("SELECT value FROM live_meta WHERE name = 'source:t'").fetchone()
        return list(json.loads(value)["columns"])

    def resets() -> int:
        return int(
            connection.execute("SELECT count(*) FROM live_changes WHERE method = 'RESET'").fetchone()[0]
        )

    old.install(connection, 0)
    old.beat(connection, 0)
    assert kept() == ["id", "a", "b"]
    new.install(connection, 10)
    new.beat(connection, 10)
    assert kept() == ["id", "a", "b", "c"]
    assert resets() == 1
    assert not old.stale(connection, 20)
    assert not new.stale(connection, 20)
    new.beat(connection, 100)
    assert new.stale(connection, 100) == {"t": "the log also keeps a"}
    new.install(connection, 100)
    assert kept() == ["id", "b", "c"]
    connection.close()


# --- what fails ---------------------------------------------------------------------------------------------


async def test_a_lock_that_is_held_too_long_is_told(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_connection, "BUSY", 0.02)
    other = sqlite3.connect(rig.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    outcomes = await asyncio.gather(*(rig.create(n=n) for n in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 3
    assert await rig.rows() == []
    other.execute("ROLLBACK")
    other.close()
    assert (await rig.create(n=1)).row["n"] == 1


async def test_all_that_wait_hear_of_a_lock_together(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_connection, "BUSY", 0.2)
    other = sqlite3.connect(rig.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    outcomes = await asyncio.gather(*(rig.create(n=n) for n in range(40)), return_exceptions=True)
    assert time.monotonic() - began < 2, "each waited for the lock as long again"
    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 40
    other.close()


async def test_a_lock_that_lasts_is_waited_for(rig: Rig) -> None:
    other = sqlite3.connect(rig.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.ensure_future(rig.create(n=1))
    await asyncio.wait({writing}, timeout=3 * sqlite_connection.SLICE)
    assert not writing.done()
    other.execute("ROLLBACK")
    other.close()
    assert (await writing).row["n"] == 1


async def test_a_stop_does_not_wait_for_anothers_lock(rig: Rig) -> None:
    other = sqlite3.connect(rig.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.ensure_future(rig.create(n=1))
    await asyncio.sleep(0)
    began = time.monotonic()
    await rig.store.stop()
    assert time.monotonic() - began < 2
    with pytest.raises(StoreUnavailable):
        await writing
    other.close()


async def test_what_is_no_lock_is_no_silence(rig: Rig) -> None:
    """The head can't be read: whoever waits for changes hears that, and is not left to wait for ever."""
    rig.foreign("DROP TABLE live_meta")
    with pytest.raises(StoreError):
        await asyncio.wait_for(rig.store.wait_changed(""), 5)


async def test_a_relative_path_is_the_one_of_its_making(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = SQLiteStore("sqlite:///here.db")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    await store.start([])
    await store.stop()
    assert (tmp_path / "here.db").exists()
    assert not (elsewhere / "here.db").exists()


async def test_a_full_disk_is_told_and_changes_nothing(rig: Rig) -> None:
    await rig.create(n=1)
    writer = rig.store._connections["write"]
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages}")
    head = await rig.store.head()
    outcomes = await asyncio.gather(
        *(rig.create(name="x" * 100_000 + str(n)) for n in range(3)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 3
    assert await rig.store.head() == head
    writer.execute("PRAGMA max_page_count = 1000000")
    assert len(await rig.rows()) == 1
    assert (await rig.create(n=2)).row["n"] == 2


async def test_a_file_that_can_only_be_read_is_named_at_start(tmp_path: Path) -> None:
    """Who is root may write to any: then the test is somebody else for as long."""
    rig = Rig(tmp_path / "items.db")
    rig.foreign("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, size REAL, n INTEGER, parent)")
    rig.path.chmod(0o444)
    for above in rig.path.parents:
        if not above.stat().st_mode & 0o001:
            above.chmod(above.stat().st_mode | 0o011)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        with pytest.raises(StoreUnavailable, match=r"items\.db is not available: .*readonly"):
            await rig.start()
    finally:
        if is_root:
            os.seteuid(0)
        await rig.store.stop()


async def test_what_undoes_the_shared_transaction_fails_alone(rig: Rig) -> None:
    """A trigger that says ROLLBACK, and a deferred foreign key that fails at COMMIT."""
    rig.foreign(
        "CREATE TRIGGER no AFTER INSERT ON item WHEN NEW.n = 13 BEGIN SELECT RAISE(ROLLBACK, 'unlucky'); END"
    )
    start = await rig.store.head()
    values: list[dict[str, Any]] = [{"n": n} for n in range(10, 20)] + [{"parent": 99}, {"n": 21}]
    outcomes = await asyncio.gather(*(rig.create(**each) for each in values), return_exceptions=True)
    wrong = {n: type(outcome) for n, outcome in enumerate(outcomes) if not isinstance(outcome, Written)}
    assert wrong == {3: ConstraintViolated, 10: ConstraintViolated}
    assert len(await rig.rows()) == 10
    await rig.assert_replayed(start)


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b""])
async def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    rig = Rig(tmp_path / "bad.db")
    rig.path.write_bytes(content)
    if content:
        with pytest.raises(StoreError, match=r"bad\.db"):
            await rig.start()
    else:
        await rig.start()
        assert await rig.rows() == []
    await rig.store.stop()


@pytest.mark.parametrize("url", ["sqlite:////nowhere/at/all.db", "sqlite+aiosqlite:////nowhere/at/all.db"])
async def test_a_place_that_is_none(url: str) -> None:
    store = SQLiteStore(url)
    with pytest.raises(StoreUnavailable, match="/nowhere/at/all"):
        await store.start([store.describe(Item)])


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", ":memory:"][:2])
async def test_in_memory_is_a_private_file_that_goes(url: str) -> None:
    store = SQLiteStore(url)
    source = store.describe(Item)
    await store.start([source])
    path = store._path
    assert await asyncio.to_thread(os.path.exists, path)
    assert (await store.write(Write(source, None, lambda row: {"n": 1}))).row["n"] == 1
    await store.stop()
    assert not await asyncio.to_thread(os.path.exists, os.path.dirname(path))


async def test_the_users_own_engine_names_the_file(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'own.db'}")
    store = SQLiteStore(engine)
    await store.start([store.describe(Item)])
    await store.stop()
    assert (tmp_path / "own.db").exists()
    with pytest.raises(ConfigurationError, match="memory"):
        SQLiteStore(sa.create_engine("sqlite://"))


async def test_statements_run_where_they_are_told_to(tmp_path: Path) -> None:
    """A simulation runs them at once, on the loop, and keeps its own time."""
    lanes: list[str] = []

    async def at_once(lane: str, function: Any) -> Any:
        lanes.append(lane)
        return function()

    store = SQLiteStore(f"sqlite:///{tmp_path / 'x.db'}", run=at_once, clock=lambda: 1000.0)
    source = store.describe(Item)
    await store.start([source])
    head = await store.head()
    waiting = asyncio.create_task(store.wait_changed(head))
    answers = await asyncio.gather(
        *(store.write(Write(source, None, lambda row, n=n: {"n": n})) for n in range(3))  # type: ignore[misc]
    )
    await waiting
    assert (await store.find(source, Query())).seq == answers[-1].seq
    await store.maintain(1001.0)
    assert set(lanes) == {"read", "write"}
    await store.stop()  # which waits for every lane
    assert set(lanes) == {"judged", "list", "read", "write"}


# --- installing ---------------------------------------------------------------------------------------------


async def test_check_finds_what_is_missing_and_a_script_installs_it(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "items.db")
    rig.foreign("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, size REAL, n INTEGER, parent)")
    with pytest.raises(CaptureMissing, match="item"):
        await rig.start(capture="check")
    connection = sqlite3.connect(rig.path)
    connection.executescript(install_sql(rig.url, ["item"]))
    connection.close()
    assert install_sql(rig.url, ["item"]) == "-- nothing is missing"
    assert not install(rig.url, ["item"])
    await rig.start(capture="check")
    await rig.create(name="a")
    await rig.store.stop()


async def test_uninstall_leaves_no_trace(rig: Rig) -> None:
    await rig.create(name="a")
    await rig.store.stop()
    removed = uninstall(rig.url)
    assert {"live_changes", "live_item_insert"} <= set(removed)
    assert rig.asked("SELECT name FROM sqlite_master WHERE name LIKE 'live%'") == []
    assert rig.asked("SELECT * FROM sqlite_sequence") == []
    assert rig.asked("PRAGMA journal_mode") == [("delete",)]
    rig.foreign("UPDATE item SET n = 5")
    assert uninstall(rig.url) == []
    await rig.start()
    assert (await rig.rows())[0]["n"] == 5


async def test_what_is_in_use_is_not_uninstalled(rig: Rig) -> None:
    with pytest.raises(StoreUnavailable, match="in use"):
        uninstall(rig.url)
    head = await rig.store.head()
    assert ((await rig.create(name="a")).seq or "") > head


async def test_tables_are_never_made_where_alembic_rules(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "items.db")
    rig.foreign("CREATE TABLE alembic_version (version_num)")
    with pytest.raises(ConfigurationError, match="item"):
        await rig.start()
    assert rig.asked("SELECT count(*) FROM sqlite_master WHERE name = 'item'") == [(0,)]


# --- other processes ----------------------------------------------------------------------------------------

WRITER = """
import random, sqlite3, sys, time
c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
r = random.Random(int(sys.argv[2]))
while True:
    try:
        c.execute("BEGIN IMMEDIATE")
        for _ in range(r.randint(1, 5)):
            n, name = r.randint(1, 30), f"n{r.randint(1, 20)}"
            c.execute(*r.choice((
                ("INSERT OR REPLACE INTO item (id, name, size) VALUES (?, ?, random() / 3.0)", (n, name)),
                ("UPDATE OR REPLACE item SET name = ? WHERE id = ?", (name, n)),
                ("UPDATE OR IGNORE item SET id = id + 1, n = n + 1 WHERE id > ?", (n,)),
                ("DELETE FROM item WHERE name = ?", (name,)),
            )))
        c.execute(r.choice(("COMMIT", "COMMIT", "COMMIT", "ROLLBACK")))
        print("done", flush=True)
        time.sleep(0.002)  # a writer that never pauses starves all others
    except sqlite3.IntegrityError:
        c.execute("ROLLBACK")
"""


async def test_another_process_that_is_killed_leaves_log_and_table_as_one(rig: Rig) -> None:
    start = await rig.store.head()
    for seed in range(scaled(2, 8)):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(rig.path), str(seed), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            for number in range(30):
                assert await process.stdout.readline()
                await rig.create(name=f"own {seed} {number}")
        finally:
            process.send_signal(signal.SIGKILL)
            await process.communicate()
        await rig.assert_replayed(start)
    assert len(await rig.log(start)) > 200


SERVER = """
import asyncio, os, signal, sys
from livecollections.stores.base import Write
from livecollections.stores.sqlite import SQLiteStore
from tests.test_correctness_sqlite import Item

async def main():
    store = SQLiteStore(sys.argv[1])
    source = store.describe(Item)
    await store.start([source])
    async def create(n):
        print((await store.write(Write(source, None, lambda row: {"n": n}))).seq, flush=True)
    tasks = [asyncio.create_task(create(n)) for n in range(500)]
    for task in tasks[:150]:
        await task
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_what_was_acknowledged_outlives_a_killed_server(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "items.db")
    process = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", SERVER, rig.url],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    assert process.returncode == -signal.SIGKILL, process.stderr
    acknowledged = process.stdout.split()
    assert len(acknowledged) >= 150
    await rig.start()
    start = acknowledged[0][:8] + "0" * 20
    assert set(acknowledged) <= {change.seq for change in await rig.log(start)}
    await rig.assert_replayed(start)
    await rig.store.stop()
