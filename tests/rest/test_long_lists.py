"""Lists that are long, and readers who take their time: little memory, one snapshot, and none that is held."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import sqlalchemy as sa

from livecollections import Live
from livecollections.errors import SchemaMismatch, StoreUnavailable
from livecollections.query import Equal, Look, Query
from livecollections.stores import sqlite_limit
from livecollections.stores.base import Listing
from livecollections.stores.spool import Rows, Spool
from livecollections.stores.spooled_list import PIECE
from livecollections.stores.sql_query import Statement
from livecollections.stores.sqlite import SQLiteStore
from livecollections.stores.sqlite_connection import connect
from livecollections.stores.sqlite_limit import SNAPSHOT
from tests.databases.fixtures import only
from tests.models import Todo
from tests.serving import wait_until

from .conftest import Api, is_problem

ROWS = 200_000
TITLE = "x" * 150
"""Wide enough for a list of 40 MB."""
MEMORY = 16_000_000
"""Bytes by which the process may grow while it is read."""

SITE = """
from livecollections import Live
from tests.models import Todo

live = Live({url!r}, synchronous="NORMAL")
live.add_resource("/api/todos", Todo)
app = live.app
"""


@contextmanager
def serving(path: Path) -> Iterator[tuple[int, psutil.Process]]:
    """A site in a process of its own; gives its port and the process."""
    (path.parent / "long_site.py").write_text(SITE.format(url=f"sqlite:///{path}"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "long_site:app",
        "--port",
        str(port),
        "--log-level",
        "warning",
    ]
    folders = os.pathsep.join([str(path.parent), str(Path(__file__).parents[2])])
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": folders})
    try:
        yield port, psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


def fill(path: Path, rows: int) -> None:
    """Put rows into the table, which is made if need be; a site that finds them at its start tells nobody of them."""
    engine = sa.create_engine(f"sqlite:///{path}")
    Todo.metadata.tables["rest_todo"].create(engine, checkfirst=True)
    engine.dispose()
    with closing(sqlite3.connect(path)) as shell, shell:
        values = ((f"{number:06}{TITLE}",) for number in range(rows))
        shell.executemany("INSERT INTO rest_todo (title, completed) VALUES (?, 0)", values)


async def wait_answered(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        with suppress(httpx.TransportError):
            async with httpx.AsyncClient() as client:
                if (await client.get(f"http://127.0.0.1:{port}/api/todos?limit=1")).status_code == 200:
                    return
        assert time.monotonic() < deadline, "the site did not answer in time"
        await asyncio.sleep(0.02)


async def test_a_slow_reader_of_200_000_rows_costs_little_and_holds_no_snapshot(tmp_path: Path) -> None:
    """Finding 5: a list that is streamed to a slow reader pins the WAL."""
    path = tmp_path / "long.db"
    fill(path, ROWS)
    with serving(path) as (port, process):
        await wait_answered(port)
        before = process.memory_info().rss
        narrow = socket.socket()
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        narrow.connect(("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=narrow)
        writer.write(b"GET /api/todos HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)).decode().lower()
        assert "transfer-encoding: chunked" in head
        assert "\r\nlive-channel: /api/todos\r\n" in head
        grown = [process.memory_info().rss - before]
        with closing(sqlite3.connect(path, isolation_level=None)) as shell:
            # While it stands at the beginning, everything changes, and the log of the database can be cleared.
            shell.execute("UPDATE rest_todo SET title = 'changed' WHERE id <= 1000 OR id > 199000")
            shell.execute("DELETE FROM rest_todo WHERE id BETWEEN 100000 AND 100999")
            busy, _, _ = shell.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            assert busy == 0
            assert (tmp_path / "long.db-wal").stat().st_size == 0
        body = bytearray()
        while True:
            size = int(await asyncio.wait_for(reader.readline(), 20), 16)
            body += (await asyncio.wait_for(reader.readexactly(size + 2), 20))[:-2]
            if not size:
                break
            grown.append(process.memory_info().rss - before)
        writer.close()
        assert max(grown) < MEMORY < len(body) / 2
    documents = json.loads(body)
    assert [document["id"] for document in documents] == list(range(1, ROWS + 1))
    assert all(document["title"] == f"{document['id'] - 1:06}{TITLE}" for document in documents)


async def test_a_reader_who_goes_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "gone.db"
    fill(path, 20_000)
    with serving(path) as (port, process):
        await wait_answered(port)
        before = spools(process)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /api/todos HTTP/1.1\r\nHost: x\r\n\r\n")
        await wait_until(lambda: spools(process) != before, 20)
        writer.transport.abort()
        await wait_until(lambda: spools(process) == before, 20)
        await wait_answered(port)


def spools(process: psutil.Process) -> list[str]:
    """The files without a name that a process holds."""
    found = []
    for number in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(OSError):
            found.append(str(number.readlink()))
    return [path for path in found if path.startswith(tempfile.gettempdir()) and path.endswith("(deleted)")]


# The same, seen from inside.


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SQLiteStore]:
    store = SQLiteStore(f"sqlite:///{tmp_path}/a.db", synchronous="NORMAL")
    fill(tmp_path / "a.db", 12_345)
    await store.start([store.describe(Todo)])
    yield store
    await store.stop()


async def all_of(listing: Listing) -> list[Any]:
    rows: list[Any] = []
    while piece := await listing.piece():
        rows += piece
    listing.close()
    return rows


async def test_a_long_list_is_what_a_short_one_would_be(store: SQLiteStore) -> None:
    found = await store.find(store._sources[0], Query())
    listing = await store.listing(store._sources[0], Query())
    assert (listing.seq, listing.count, listing.is_short) == (found.seq, 12_345, False)
    first = await listing.piece()
    assert 0 < len(first) < 12_345
    assert sum(len(str(row)) for row in first) < 4 * PIECE
    assert first + await all_of(listing) == found.rows


@pytest.mark.parametrize("limit", [0, 1, 99, 100, 101, 200, 2_000])
async def test_each_length_is_read_to_its_end(store: SQLiteStore, limit: int) -> None:
    listing = await store.listing(store._sources[0], Query(limit=limit))
    assert listing.count == limit
    assert [row["id"] for row in await all_of(listing)] == list(range(1, limit + 1))


async def test_texts_that_are_not_utf8_are_read_all_the_same(store: SQLiteStore) -> None:
    with closing(sqlite3.connect(store._path)) as shell, shell:
        shell.execute("UPDATE rest_todo SET title = CAST(x'ff61' AS TEXT) WHERE id = 9000")
    rows = await all_of(await store.listing(store._sources[0], Query()))
    assert [row["id"] for row in rows] == list(range(1, 12_346))
    assert rows[8_999]["title"] == "\ufffda"
    assert (await store.find(store._sources[0], Query())).rows == rows


async def test_others_read_and_write_while_a_list_is_read(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written meanwhile is not in it."""
    begun, done, put = threading.Event(), threading.Event(), Spool.put

    def waiting(spool: Spool, rows: Rows) -> None:
        begun.set()
        assert done.wait(20)
        put(spool, rows)

    monkeypatch.setattr(Spool, "put", waiting)
    source = store._sources[0]
    reading = asyncio.create_task(store.listing(source, Query()))
    assert await asyncio.to_thread(begun.wait, 20)
    for times in (1, 2, 3):
        assert (await store.get(source, (times,))).rows
        with closing(sqlite3.connect(store._path)) as shell, shell:
            shell.execute("UPDATE rest_todo SET title = ? WHERE id IN (1, 12345)", (f"at {times}",))
    done.set()
    listing = await reading
    rows = await all_of(listing)
    assert rows[0]["title"][6:] == rows[-1]["title"][6:] or rows[0]["title"] == rows[-1]["title"]
    changed = (await store.read(listing.seq, 10)).changes
    assert [change.before for change in changed[:2]] == [rows[0], rows[-1]]


async def test_a_list_that_takes_too_long_is_given_up_and_its_snapshot_let_go(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_limit, "SNAPSHOT", -1.0)
    monkeypatch.setattr(sqlite_limit, "INSTRUCTIONS", 1_000)
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="ask for a part of it"):
            await store.listing(store._sources[0], Query(sort=()))
    monkeypatch.setattr(sqlite_limit, "SNAPSHOT", SNAPSHOT)
    with closing(connect(store._path)) as shell:
        assert shell.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    assert len(await all_of(await store.listing(store._sources[0], Query()))) == 12_345


async def test_a_statement_that_takes_too_long_by_itself_is_given_up(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No row has come yet, so no step has ended: a sort without an index, a filter that nothing meets."""
    monkeypatch.setattr(sqlite_limit, "SNAPSHOT", 0.05)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0"
    with pytest.raises(StoreUnavailable, match="ask for a part of it"):
        await asyncio.wait_for(store._lists.read("things", Statement(endless), []), 10)


async def test_a_filter_that_python_judges_is_given_up_too(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_limit, "INSTRUCTIONS", 10**9)
    asked = itertools.count()
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE live_holds(0, i)"
    monkeypatch.setattr(store._lists._limit, "_worked", Clock(0.1))
    statement = Statement(endless, predicates=[lambda stored, look: next(asked) < 0])
    with pytest.raises(StoreUnavailable, match="ask for a part of it"):
        await asyncio.wait_for(store._lists.read("things", statement, []), 10)
    assert 0 < next(asked) < 30, "its time is looked at before each row"
    monkeypatch.undo()
    assert len(await all_of(await store.listing(store._sources[0], Query()))) == 12_345


async def test_nobody_waits_for_a_list_that_python_judges(store: SQLiteStore) -> None:
    """It may need two seconds for one row, and its user may ask again at once."""
    begun, done = threading.Event(), threading.Event()

    def judge(stored: object, look: Look) -> bool:
        begun.set()
        return done.wait(20)

    source = store._sources[0]
    statement = Statement("SELECT id FROM rest_todo WHERE id = 1 AND live_holds(0, id)", predicates=[judge])
    judged = asyncio.create_task(store._lists.read(source.name, statement, source.shown[:1]))
    try:
        assert await asyncio.to_thread(begun.wait, 20)
        async with asyncio.timeout(10):
            assert len(await all_of(await store.listing(source, Query(limit=3)))) == 3
            assert (await store.count(source, Query((Equal("id", 7),)))).number == 1
            assert (await store.get(source, (1,))).rows
        assert not judged.done()
    finally:
        done.set()
    assert await all_of(await judged) == [{"id": 1}]


@only("sqlite", because="it bounds SQLite's lists")
async def test_one_huge_document_is_given_up_too(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is one row, of which Python asks each condition of each element."""
    monkeypatch.setattr(sqlite_limit, "INSTRUCTIONS", 10**9)
    created = await api.client.post("/api/everything", json={"text": "", "meta": {"a": list(range(2_000))}})
    assert created.status_code == 201
    asked = {"meta.a": {"$elemMatch": {"$not": {"$gte": 0}, "$lt": 0}}}
    query = {"conditions": json.dumps(asked)}
    assert (await api.client.get("/api/everything", params=query)).json() == []
    looks = Clock(0.1)
    monkeypatch.setattr(api.live._store._lists._limit, "_worked", looks)  # type: ignore[attr-defined]
    is_problem(await api.client.get("/api/everything", params=query), 503)
    assert looks() < 5, "it is given up when its time is past"


@only("sqlite", because="it bounds SQLite's lists")
async def test_what_is_to_be_deleted_is_looked_for_no_longer_than_a_list(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(api.path, 5_000)
    before = api.held()
    writer = api.live._store._writer  # type: ignore[attr-defined]
    monkeypatch.setattr(sqlite_limit, "INSTRUCTIONS", 1_000)
    monkeypatch.setattr(writer._limit, "_worked", Clock(0.1))
    problem = is_problem(await api.client.delete("/api/cleared?title=nothing"), 503)
    assert "takes more than 2 s" in problem["detail"]
    assert api.held() == before
    together = asyncio.gather(
        api.client.delete("/api/cleared?title=nothing"), *(api.todo(order=number) for number in range(5))
    )
    refused, *created = await together
    is_problem(refused, 503)
    assert [each["order"] for each in created] == list(range(5)), (
        "whoever shares its transaction is not undone"
    )
    monkeypatch.undo()
    assert (await api.client.delete("/api/cleared?order=3")).json() == 1


class Clock:
    """Each look at it takes some seconds."""

    def __init__(self, seconds: float) -> None:
        self._now, self._seconds = 0.0, seconds

    def __call__(self) -> float:
        self._now += self._seconds
        return self._now


async def test_a_list_may_wait_for_a_processor_but_not_for_ever(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_limit, "INSTRUCTIONS", 20_000)
    looks = Clock(1)
    monkeypatch.setattr(store._lists._limit, "_worked", looks)
    with pytest.raises(StoreUnavailable, match="ask for a part of it"):
        await store.listing(store._sources[0], Query())
    monkeypatch.setattr(store._lists._limit, "_worked", Clock(0))
    monkeypatch.setattr(store._lists._limit, "_clock", Clock(0.4))
    assert len(await all_of(await store.listing(store._sources[0], Query()))) == 12_345
    monkeypatch.setattr(store._lists._limit, "_clock", Clock(4))
    with pytest.raises(StoreUnavailable, match="ask for a part of it"):
        await store.listing(store._sources[0], Query())


async def test_another_error_is_told_as_what_it_is_however_late(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store._lists._limit, "_clock", Clock(100))
    with pytest.raises(SchemaMismatch, match="no table nowhere"):
        await store._lists.read("nowhere", Statement("SELECT * FROM nowhere"), [])


async def test_who_is_cancelled_leaves_no_snapshot(store: SQLiteStore) -> None:
    for _ in range(5):
        reading = asyncio.create_task(store.listing(store._sources[0], Query()))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    await store.listing(store._sources[0], Query(limit=1))  # after them
    with closing(connect(store._path)) as shell:
        assert shell.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0


@only("sqlite", because="it bounds SQLite's lists")
async def test_a_long_list_over_http_is_503_if_it_takes_too_long(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(api.path, 12_345)
    long = await api.client.get("/api/todos")
    assert "content-length" not in long.headers
    assert len(long.json()) == 12_345
    assert (await api.client.head("/api/todos")).content == b""
    page = await api.client.get("/api/todos?limit=5000&skip=10")
    assert [document["id"] for document in page.json()] == list(range(11, 5_011))
    assert page.links["next"]["url"] == "?limit=5000&skip=5010"
    monkeypatch.setattr(sqlite_limit, "SNAPSHOT", -1.0)
    problem = is_problem(await api.client.get("/api/todos"), 503)
    assert "limit and skip" in problem["detail"]


async def test_it_works_with_a_private_database_too() -> None:
    live = Live("sqlite://")
    live.add_resource("/api/todos", Todo)
    transport = httpx.ASGITransport(live.app)
    async with live, httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        fill(Path(live._store._path), 5_000)  # type: ignore[attr-defined]
        assert len((await client.get("/api/todos")).json()) == 5_000
