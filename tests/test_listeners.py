"""``@live.on``: in each process, or durably from a cursor, on a real store."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlmodel import Field, SQLModel

from livecollections import Change, ConfigurationError, Live, Log, StoreUnavailable, listeners
from livecollections.stores.base import Batch, Write
from tests.serving import wait_until


class Order(SQLModel, table=True):
    __tablename__ = "listeners_order"
    id: int | None = Field(default=None, primary_key=True)
    text: str


def make(path: Path) -> Live:
    live = Live(f"sqlite:///{path}")
    live.add_resource("/orders", Order)
    return live


async def insert(live: Live, *texts: str) -> None:
    async with live.session() as session:
        for text in texts:
            session.add(Order(text=text))
            await session.commit()


async def test_a_listener_hears_changes_in_order_after_commit(tmp_path: Path) -> None:
    live = make(tmp_path / "a.db")
    heard: list[tuple[str, str]] = []

    @live.on(Order, "create", "delete")
    async def hear(change: Change) -> None:
        row = change.after or change.before
        assert row is not None
        heard.append((change.method, row["text"]))

    async with live:
        await insert(live, "a", "b", "c")
        async with live.session() as session:
            row = await session.get_one(Order, 2)
            row.text = "not heard"
            await session.commit()
            await session.delete(row)
            await session.commit()
        await wait_until(lambda: len(heard) == 4)
    assert heard == [("POST", "a"), ("POST", "b"), ("POST", "c"), ("DELETE", "not heard")]


async def test_finding_29_each_process_that_runs_hears_once_and_none_hears_what_was_before(
    tmp_path: Path,
) -> None:
    heard: dict[str, list[str]] = {"one": [], "other": [], "later": []}

    def listening(name: str) -> Live:
        live = make(tmp_path / "a.db")

        @live.on(Order, "create")
        async def hear(change: Change) -> None:
            heard[name].append((change.after or {})["text"])

        return live

    one, other = listening("one"), listening("other")
    async with one:
        async with other:
            await insert(one, "a")
            await insert(other, "b")
            await wait_until(lambda: len(heard["one"]) == len(heard["other"]) == 2)
        await insert(one, "while it was down")
        async with listening("later") as later:
            await insert(later, "c")
            await wait_until(lambda: heard["later"] and len(heard["one"]) == 4)
    both = ["a", "b"]
    assert heard == {"one": [*both, "while it was down", "c"], "other": both, "later": ["c"]}


async def test_an_exception_is_logged_with_its_seq_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    live = make(tmp_path / "a.db")
    heard: list[str] = []

    @live.on(Order)
    def hear(change: Change) -> None:
        assert threading.current_thread() is not threading.main_thread()
        assert change.after is not None
        if change.after["text"] == "bad":
            raise ValueError("no")
        heard.append(change.after["text"])

    with caplog.at_level(logging.ERROR, "livecollections.listeners"):
        async with live:
            await insert(live, "bad", "good")
            await wait_until(lambda: heard == ["good"])
    (record,) = caplog.records
    assert len(record.__dict__["seq"]) == 28


async def test_a_durable_listener_goes_on_where_it_stood(tmp_path: Path) -> None:
    heard: list[str] = []

    def build() -> Live:
        live = make(tmp_path / "a.db")

        @live.on(Order, "create", durable="mail")
        async def hear(change: Change) -> None:
            assert change.after is not None
            heard.append(change.after["text"])

        return live

    live = build()
    async with live:
        await insert(live, "a")
        await wait_until(lambda: heard == ["a"])
    async with make(tmp_path / "a.db") as other:
        await insert(other, "made while nobody listened")
    async with build() as live:
        await wait_until(lambda: len(heard) == 2)
        await insert(live, "c")
        await wait_until(lambda: len(heard) == 3)
    assert heard == ["a", "made while nobody listened", "c"]


async def test_a_durable_listener_runs_in_one_process_at_a_time(tmp_path: Path) -> None:
    heard: list[str] = []
    lives = [make(tmp_path / "a.db") for _ in range(2)]
    for number, live in enumerate(lives):

        @live.on(Order, "create", durable="mail")
        async def hear(change: Change, number: int = number) -> None:
            heard.append(f"{number}:{change.seq}")

    async with lives[0], lives[1]:
        await insert(lives[1], *"abcdef")
        await wait_until(lambda: len(heard) == 6)
    assert len({entry[0] for entry in heard}) == 1
    assert len({entry[2:] for entry in heard}) == 6


async def test_a_stop_waits_for_the_call_that_runs(tmp_path: Path) -> None:
    live = make(tmp_path / "a.db")
    entered, ended = asyncio.Event(), asyncio.Event()
    release = asyncio.Event()

    @live.on(Order)
    async def hear(change: Change) -> None:
        entered.set()
        await release.wait()
        ended.set()

    await live.__aenter__()
    await insert(live, "a")
    await entered.wait()
    stopping = asyncio.create_task(live.__aexit__(None, None, None))
    release.set()
    await stopping
    assert ended.is_set()


async def test_a_stop_does_not_wait_for_a_call_that_hangs(tmp_path: Path) -> None:
    live = make(tmp_path / "a.db")
    entered, ended = asyncio.Event(), asyncio.Event()

    @live.on(Order)
    async def hear(change: Change) -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    await live.__aenter__()
    await insert(live, "a")
    await entered.wait()
    started = time.monotonic()
    await live.__aexit__(None, None, None)
    assert time.monotonic() - started < 2
    await asyncio.wait_for(ended.wait(), 5)


@pytest.mark.parametrize("is_taken", [True, False])
async def test_a_durable_call_ends_where_its_lease_is_lost_or_in_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_taken: bool
) -> None:
    monkeypatch.setattr(listeners, "LEASE", 0.1)
    monkeypatch.setattr(listeners, "RETRY", 0.01)
    live = make(tmp_path / "a.db")
    calls: list[str] = []
    cancelled = asyncio.Event()

    @live.on(Order, durable="mail")
    async def hear(change: Change) -> None:
        assert not calls or cancelled.is_set(), "two calls at once"
        calls.append(change.seq)
        if len(calls) == 1:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

    async with live:
        store = live._store
        hold = store.hold_cursor

        async def fail_once(name: str, owner: str, until: float, now: float) -> bool:
            if not calls or cancelled.is_set():
                return await hold(name, owner, until, now)
            if is_taken:
                return False
            raise StoreUnavailable("locked")

        monkeypatch.setattr(store, "hold_cursor", fail_once)
        await wait_until(lambda: store.cursor("mail"))
        await insert(live, "a")
        await wait_until(lambda: len(calls) == 2)
    assert len(set(calls)) == 1, "the change is heard again"


async def test_a_store_that_fails_for_less_than_a_lease_calls_nobody_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first call runs in a thread, which nobody can end."""
    monkeypatch.setattr(listeners, "LEASE", 0.3)
    monkeypatch.setattr(listeners, "RETRY", 0.01)
    monkeypatch.setattr(listeners, "time", SimpleNamespace(time=lambda: 1_000_000.0))
    live = make(tmp_path / "a.db")
    calls: list[str] = []
    release = threading.Event()

    @live.on(Order, durable="mail")
    def hear(change: Change) -> None:
        calls.append(change.seq)
        release.wait(10)

    async with live:
        store = live._store
        hold, holds = store.hold_cursor, [0]

        async def fail_once(name: str, owner: str, until: float, now: float) -> bool:
            holds[0] += bool(calls)
            if calls and holds[0] == 1:
                raise StoreUnavailable("locked")
            return await hold(name, owner, until, now)

        await wait_until(lambda: store.cursor("mail"))
        monkeypatch.setattr(store, "hold_cursor", fail_once)
        await insert(live, "a")
        await wait_until(lambda: holds[0] == 4)
        release.set()

        async def has_moved() -> bool:
            return await store.cursor("mail") == calls[0]

        await wait_until(has_moved)
    assert len(calls) == 1


async def test_listeners_that_hang_are_stopped_together(tmp_path: Path) -> None:
    live = make(tmp_path / "a.db")
    entered: list[int] = []
    for number in range(3):

        @live.on(Order)
        async def hang(change: Change, number: int = number) -> None:
            entered.append(number)
            await asyncio.Event().wait()

    await live.__aenter__()
    await insert(live, "a")
    await wait_until(lambda: len(entered) == 3)
    started = time.monotonic()
    await live.__aexit__(None, None, None)
    assert time.monotonic() - started < 2


def test_a_wrong_declaration_names_what_is_wrong(tmp_path: Path) -> None:
    live = make(tmp_path / "a.db")
    with pytest.raises(ConfigurationError, match="insert"):
        live.on(Order, "insert")(print)
    with pytest.raises(ConfigurationError, match="durable"):
        live.on(Order, durable="")(print)


async def test_a_listener_needs_no_resource(tmp_path: Path) -> None:
    live = Live(f"sqlite:///{tmp_path / 'a.db'}")
    heard: list[Change] = []
    live.on(Order)(heard.append)
    async with live:
        source = live._store.describe(Order)
        await live._store.write(Write(source, None, lambda row: {"text": "a"}))
        await wait_until(lambda: heard)


class Noise(SQLModel, table=True):
    __tablename__ = "listeners_noise"
    id: int | None = Field(default=None, primary_key=True)


async def test_the_cursor_of_a_quiet_listener_follows_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listeners, "LEASE", 0.3)
    heard: list[str] = []

    def build() -> Live:
        live = Live(f"sqlite:///{tmp_path / 'a.db'}", log=Log(changes=10))
        live.add_resource("/orders", Order)
        live.add_resource("/noises", Noise)

        @live.on(Order, "create", durable="mail")
        async def hear(change: Change) -> None:
            assert change.after is not None
            heard.append(change.after["text"])

        return live

    def execute(sql: str) -> list[tuple[int]]:
        with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None, timeout=5)) as connection:
            return connection.execute(sql).fetchall()

    noises = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) "
    async with build() as live:
        await insert(live, "a")
        await wait_until(lambda: heard == ["a"])
        execute(noises + "INSERT INTO listeners_noise (id) SELECT i FROM n")
        await wait_until(lambda: execute("SELECT count(*) FROM live_changes") == [(10,)])
        await asyncio.sleep(0.3)
    execute("INSERT INTO listeners_order (text) VALUES ('made while nobody listened')")
    async with build():
        await wait_until(lambda: heard == ["a", "made while nobody listened"])


async def test_a_durable_listener_that_was_trimmed_past_goes_on_with_what_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[str] = []
    indexed: list[str] = []

    def build() -> Live:
        live = Live(f"sqlite:///{tmp_path / 'a.db'}", log=Log(changes=2))
        live.add_resource("/orders", Order)
        return live

    def listening() -> Live:
        live = build()

        @live.on(Order, durable="mail")
        async def hear(change: Change) -> None:
            assert change.after is not None
            heard.append(change.after["text"])

        @live.on(Order, "create", "reset", durable="index")
        async def index(change: Change) -> None:
            indexed.append("reset" if change.after is None else change.after["text"])

        return live

    def kept() -> list[str]:
        with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None, timeout=5)) as connection:
            rows = connection.execute("SELECT text FROM listeners_order WHERE id > ?", (1 + 60 - count(),))
            return [text for (text,) in rows]

    def count() -> int:
        with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None, timeout=5)) as connection:
            return int(connection.execute("SELECT count(*) FROM live_changes").fetchone()[0])

    async with listening() as live:
        await insert(live, "first")
        await wait_until(lambda: heard == indexed == ["first"])
    async with build() as live:
        await insert(live, *(f"row {number}" for number in range(60)))
        await wait_until(lambda: count() == 2)
    expected = kept()
    assert expected == ["row 58", "row 59"]
    async with listening() as live:
        await wait_until(lambda: len(heard) >= 3)
        await insert(live, "last")
        await wait_until(lambda: heard[-1] == indexed[-1] == "last")
    assert heard == ["first", *expected, "last"]
    assert indexed == ["first", "reset", *expected, "last"], "who asks for resets is told"
    assert "trimmed" in caplog.text


@pytest.mark.parametrize("error", [StoreUnavailable("not now"), ValueError("no store foresaw this")])
@pytest.mark.parametrize("durable", [None, "mail"])
async def test_a_listener_goes_on_after_the_log_could_not_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, durable: str | None
) -> None:
    monkeypatch.setattr(listeners, "RETRY", 0.01)
    live = make(tmp_path / "a.db")
    heard: list[str] = []

    @live.on(Order, durable=durable)
    async def hear(change: Change) -> None:
        assert change.after is not None
        heard.append(change.after["text"])

    store = live._store
    read, failing = store.read, [True]

    async def sometimes(after: str, limit: int, source: str | None = None) -> Batch:
        if source is not None and failing[0]:
            await asyncio.sleep(0.2)
            raise error
        return await read(after, limit, source)

    monkeypatch.setattr(store, "read", sometimes)
    async with live:
        await insert(live, "a")
        await asyncio.sleep(0.4)
        failing[0] = False
        await insert(live, "b")
        await wait_until(lambda: heard == ["a", "b"])
