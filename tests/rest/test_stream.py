"""Streams over plain HTTP: through a real server and socket, as ``curl -N`` and EventSource read them."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from livecollections import Live
from livecollections.bayeux import Limits, Server
from livecollections.cause import Cause
from livecollections.rest import stream as streams
from tests.databases.database import Database
from tests.databases.fixtures import only
from tests.databases.tables import SQLite
from tests.models import Todo
from tests.rest.conftest import is_problem
from tests.serving import served, wait_until

Blocks = AsyncGenerator[dict[str, str], None]

STREAM = {"Accept": "text/event-stream"}


class Site:
    """A served Live, a client, and its database."""

    def __init__(self, live: Live, client: httpx.AsyncClient, database: Database) -> None:
        self.live, self.client, self.database = live, client, database

    async def create(self, title: str) -> str:
        answer = await self.client.post("/api/todos", json={"title": title}, headers={"Live-Origin": "me"})
        return answer.headers["live-seq"]

    @asynccontextmanager
    async def listen(self, query: str = "", **headers: str) -> AsyncIterator[Blocks]:
        """The blocks of a stream, each as its fields by name; comments are under ""."""
        async with self.client.stream("GET", f"/api/todos{query}", headers={**STREAM, **headers}) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert "no-cache" in answer.headers["cache-control"]
            async with aclosing(blocks(answer)) as found:
                yield found


async def blocks(answer: httpx.Response) -> Blocks:
    block: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if not line:
            yield block
            block = {}
        name, _, value = line.partition(":")
        if line:
            block[name] = value.removeprefix(" ")


async def following(found: Blocks) -> dict[str, Any]:
    """The next block; its data is read as JSON."""
    block: dict[str, Any] = await asyncio.wait_for(anext(found), 5)
    return {**block, "data": orjson.loads(block["data"])} if "data" in block else block


@pytest.fixture
async def site(database: Database) -> AsyncIterator[Site]:
    live = database.live(allowed_origins=["https://app.example"])
    live.add_resource("/api/todos", Todo)
    async with served(live.app) as address, httpx.AsyncClient(base_url=address, timeout=10) as client:
        yield Site(live, client, database)


async def test_a_stream_begins_at_once_and_tells_each_change(site: Site) -> None:
    async with site.listen() as found:
        first = await following(found)
        assert first["retry"] == "1000"
        listed = await site.client.get("/api/todos")
        assert site.database.is_level(listed.headers["live-seq"], first["id"])
        seq = await site.create("milk")
        await site.client.patch("/api/todos/1", json={"title": "bread"})
        await site.client.delete("/api/todos/1")
        heard = [await following(found) for _ in range(3)]
    assert heard[0]["data"].pop("prev", "") <= first["id"]
    assert heard[0] == {
        "id": seq,
        "data": {
            "method": "POST",
            "body": {"id": 1, "title": "milk", "completed": False, "order": None},
            "seq": seq,
            "origin": "me",
        },
    }
    assert [each["data"]["method"] for each in heard] == ["POST", "PUT", "DELETE"]
    assert [each["id"] for each in heard] == sorted(each["id"] for each in heard)
    assert heard[1]["data"]["prev"] == seq


async def test_what_a_shell_writes_is_heard(site: Site) -> None:
    async with site.listen() as found:
        await following(found)
        site.database.insert(Todo, {"title": "by hand"})
        assert (await following(found))["data"]["body"]["title"] == "by hand"


async def test_it_resumes_since_a_seq(site: Site) -> None:
    seqs = [await site.create(title) for title in "abc"]
    for query, headers in (
        (f"?since={seqs[0]}", {}),
        ("", {"Last-Event-ID": seqs[0]}),
        ("?since=0", {"Last-Event-ID": seqs[0]}),
        (f"?since={seqs[0]}", {"Last-Event-ID": ""}),
    ):
        async with site.listen(query, **headers) as found:
            assert (await following(found))["id"] == seqs[0]
            assert [(await following(found))["id"] for _ in range(2)] == seqs[1:]


@pytest.mark.parametrize("epoch", ["", "0" * 8, "f" * 8])
async def test_correctness_28_a_since_that_is_not_known_is_a_reset(site: Site, epoch: str) -> None:
    seq = await site.create("a")
    since = epoch + "0" * (len(seq) - 8) if epoch else "nonsense"
    await wait_until(lambda: site.live.statistics().seq >= seq)
    async with site.listen(f"?since={since}") as found:
        head = (await following(found))["id"]
        reset = await following(found)
        assert (reset["event"], reset["id"], reset["data"]) == ("reset", head, {"seq": head})
        (cause,) = site.live.bayeux.statistics().resets
        assert cause is (Cause.NOT_A_SEQ if since == "nonsense" else Cause.OTHER_EPOCH)
        seq = await site.create("b")
        assert (await following(found))["id"] == seq


async def test_a_reset_in_mid_stream_is_the_same_event(site: Site) -> None:
    async with site.listen() as found:
        await following(found)
        cause = site.database.spoil(Todo)
        reset = await following(found)
        data = reset["data"]
        assert (reset["event"], data["method"], data["seq"]) == ("reset", "RESET", reset["id"])
        assert site.live.bayeux.statistics().resets == {cause: 1}
        seq = await site.create("b")
        assert (heard := await following(found))["id"] == seq
        assert "event" not in heard


@only("sqlite", because="a file is put back as it was")
async def test_correctness_6_a_backup_put_back_while_it_runs_is_a_reset(site: Site) -> None:
    assert isinstance(site.database, SQLite)
    with (
        closing(sqlite3.connect(site.database.path)) as database,
        closing(sqlite3.connect(":memory:")) as backup,
    ):
        async with site.listen() as found:
            await following(found)
            kept = await site.create("a")
            database.backup(backup)
            lost = [await site.create(title) for title in "bcd"]
            assert [(await following(found))["id"] for _ in range(4)] == [kept, *lost]
            backup.backup(database)
            reset = await following(found)
            assert (reset["event"], reset["data"]["method"]) == ("reset", "RESET")
            assert reset["id"][:8] != kept[:8], "the log goes on in a new epoch"
            seq = await site.create("e")
            assert (await following(found))["id"] == seq
    for since in lost:
        async with site.listen(f"?since={since}") as found:
            assert (await following(found))["id"] == seq
            assert (await following(found))["event"] == "reset"


async def test_silence_is_broken_by_comments(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT", 0.02)
    async with site.listen() as found:
        await following(found)
        assert await following(found) == {"": ""}
        assert await following(found) == {"": ""}
        seq = await site.create("a")
        while "id" not in (heard := await following(found)):
            pass
        assert heard["id"] == seq


async def test_a_client_that_goes_leaves_nothing(site: Site) -> None:
    exchange = site.live.bayeux._exchange
    async with site.listen() as found:
        await following(found)
        assert exchange.sessions
    await wait_until(lambda: not exchange.sessions)


async def test_the_server_ends_streams_when_it_stops(database: Database) -> None:
    live = database.live()
    live.add_resource("/api/todos", Todo)
    async with (
        served(live.app) as address,
        httpx.AsyncClient(base_url=address) as client,
        client.stream("GET", "/api/todos", headers=STREAM) as answer,
    ):
        found = blocks(answer)
        await following(found)
        await live.bayeux.close()
        with pytest.raises(StopAsyncIteration):
            await following(found)


@pytest.mark.parametrize(
    ("accept", "is_stream"),
    [
        ("text/event-stream", True),
        ("text/event-stream, */*;q=0.1", True),
        ("application/json;q=0.5, text/event-stream", True),
        ("TEXT/EVENT-STREAM", True),
        ("text/event-stream;q=0.5, application/json", False),
        ("text/event-stream;q=0", None),
        ("text/event-stream;q=x", None),
        ("*/*", False),
        ("text/html, application/xhtml+xml", None),
    ],
)
async def test_accept_decides(site: Site, accept: str, is_stream: bool | None) -> None:
    answer = await site.client.head("/api/todos", headers={"Accept": accept})
    if is_stream is None:
        assert answer.status_code == 406
        return
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream" if is_stream else "application/json")


async def test_a_stream_takes_no_filter(site: Site) -> None:
    for query in ("?completed=true", "?limit=1", "?since=" + "x" * 200):
        is_problem(await site.client.get(f"/api/todos{query}", headers=STREAM), 400)


async def test_streams_too_are_seen_across_origins(site: Site) -> None:
    headers = {**STREAM, "Origin": "https://app.example"}
    async with site.client.stream("GET", "/api/todos", headers=headers) as answer:
        assert answer.headers["access-control-allow-origin"] == "https://app.example"


class Writing:
    """An application whose last stream is watched: for how long the server has not taken what it writes."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._since: float | None = None

    def waited(self) -> float:
        """Seconds; 0 if it writes nothing."""
        return 0.0 if self._since is None else time.monotonic() - self._since

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def watched(event: Any) -> None:
            self._since = time.monotonic()
            await send(event)
            self._since = None

        streamed = (
            scope["type"] == "http" and dict(scope["headers"]).get(b"accept") == STREAM["Accept"].encode()
        )
        await self._app(scope, receive, watched if streamed else send)


async def test_a_slow_reader_is_squashed_and_converges(tmp_path: Path) -> None:
    """A socket that is not read while much happens: it is told each document's last state, in order."""
    path = tmp_path / "slow.db"
    live = Live(f"sqlite:///{path}", bayeux=Server(limits=Limits(stall=0.05)), synchronous="NORMAL")
    live.add_resource("/api/todos", Todo)
    writes = 4_000
    writing = Writing(live.app)
    async with served(writing) as address, httpx.AsyncClient(base_url=address) as client:
        await client.post("/api/todos", json={"title": "first"})
        narrow = socket.socket()
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        narrow.connect(("127.0.0.1", client.base_url.port))
        reader, writer = await asyncio.open_connection(sock=narrow, limit=2**24)
        writer.write(b"GET /api/todos HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
        await reader.readuntil(b"id: ")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        with closing(sqlite3.connect(path)) as shell, shell:
            titles = ((f"{count:05}" + "x" * 2_000,) for count in range(writes))
            shell.executemany("UPDATE rest_todo SET title = ?", titles)
        final = (await client.patch("/api/todos/1", json={"title": "last"})).headers["live-seq"]
        (session,) = live.bayeux._exchange.sessions.values()

        def is_stuck() -> bool:
            """Whether what is being written has waited for longer than a stall, or buffers took all that was left."""
            return writing.waited() > 0.3 or session.positions["/api/todos"].sent >= final

        await wait_until(lambda: live.statistics().seq >= final and is_stuck(), within=20)
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        heard = await asyncio.wait_for(reader.readuntil(f"id: {final}\n".encode()), 20)
        writer.close()
    ids = [line[4:] for line in heard.split(b"\n") if line.startswith(b"id: ")]
    assert ids == sorted(set(ids))
    assert len(ids) < writes, "nothing was squashed"
