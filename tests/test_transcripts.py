"""The stub server of the collection's histories, held against the real one.

What the stub did in generated histories (tests/js/rules/transcripts.js) is done again to ``Live`` on SQLite:
statuses, bodies, labels, origins and the order of the pushes must agree. Seqs differ in value, so each seq of
the stub must stand for one seq of the server, in the same order. ``v`` and ``era`` are the stub's own.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import httpx
from sqlmodel import Field, SQLModel

from livecollections import Live
from tests.scale import scaled
from tests.serving import served

ROOT = Path(__file__).parent.parent
CHANNEL = "/api/todos"
OWN = ("v", "era")
"""Fields of the stub's bodies that say which state it is."""

Json = dict[str, Any]


class Todo(SQLModel, table=True):
    __tablename__ = "transcript_todo"
    id: int | None = Field(default=None, primary_key=True)
    title: str
    done: bool = False
    note: str | None = None


class User(SQLModel, table=True):
    __tablename__ = "transcript_user"
    id: int | None = Field(default=None, primary_key=True)
    visits: int = 0


class Seqs:
    """Which seq of the server each seq of the stub stands for."""

    def __init__(self) -> None:
        self._pairs: dict[str, str] = {}

    def pair(self, stub: str, real: str) -> None:
        """Both mean the same place; the order of all pairs so far must agree."""
        assert self._pairs.setdefault(stub, real) == real, (stub, real, self._pairs)
        for other, its in self._pairs.items():
            assert (other < stub) == (its < real), (stub, real, other, its)

    def real(self, stub: str) -> str | None:
        return self._pairs.get(stub)


def shown(body: Any) -> Any:
    """A body without what only the stub has."""
    if isinstance(body, list):
        return [shown(row) for row in body]
    if isinstance(body, dict):
        return {name: value for name, value in body.items() if name not in OWN}
    return body


class Receiver:
    """A Bayeux session with one subscription, over long-polling."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._id = ""
        self.messages: list[Json] = []
        self.seq = ""

    async def _send(self, message: Json) -> Json:
        answer = await self._client.post("/faye", json=[{"clientId": self._id, "id": "1", **message}])
        reply: Json = {}
        for received in answer.json():
            if "data" in received:
                self.messages.append(received["data"])
            else:
                reply = received
        assert reply["successful"], reply
        return reply

    async def subscribe(self, channel: str, since: str | None) -> Json:
        """The reply's ``ext.live``."""
        reply = await self._send(
            {
                "channel": "/meta/handshake",
                "version": "1.0",
                "supportedConnectionTypes": ["long-polling"],
                "ext": {"live": {"version": 1}},
            }
        )
        self._id = reply["clientId"]
        message: Json = {"channel": "/meta/subscribe", "subscription": channel}
        if since is not None:
            message["ext"] = {"live": {"since": since}}
        reply = await self._send(message)
        live: Json = reply["ext"]["live"]
        self.seq = live["seq"]
        return live

    async def wait_messages(self, count: int) -> None:
        """Poll until so many have come, and once more, in which no other comes."""
        for _ in range(count + 2):
            if len(self.messages) >= count:
                break
            await self.connect(5_000)
        await self.connect(0)
        assert len(self.messages) == count, (count, self.messages)

    async def connect(self, timeout: int) -> None:
        """Poll, for so many milliseconds at most."""
        await self._send(
            {
                "channel": "/meta/connect",
                "connectionType": "long-polling",
                "advice": {"timeout": timeout},
            }
        )


class Replay:
    """One transcript against one server."""

    def __init__(self, client: httpx.AsyncClient, database: sqlite3.Connection) -> None:
        self.client = client
        self.database = database
        self.seqs = Seqs()
        self.receivers: dict[int, Receiver] = {}
        self.observer = Receiver(client)
        self.all: list[str] = []
        self.pages: dict[str, str] = {}
        """The server's URL for each of the stub's that leads to a next page."""

    async def run(self, transcript: Json) -> None:
        await self.observer.subscribe(CHANNEL, None)
        self.all = [message["seq"] for message in transcript["all"]]
        for step in transcript["steps"]:
            await getattr(self, step["step"])(step)
        for number, heard in enumerate(transcript["heard"]):
            receiver = self.receivers[number]
            await receiver.wait_messages(len(heard))
            self._compare(receiver, heard)

    def _compare(self, receiver: Receiver, heard: list[Json]) -> None:
        position = receiver.seq
        for stub, real in zip(heard, receiver.messages, strict=True):
            assert real["method"] == stub["method"]
            assert real["body"] == shown(stub["body"])
            assert real.get("origin") == stub.get("origin")
            self.seqs.pair(stub["seq"], real["seq"])
            assert real.get("prev", "") <= position < real["seq"], "no gap, no repeat"
            position = real["seq"]

    async def request(self, step: Json) -> None:
        asked, expected = step["request"], step["answer"]
        answer = await self.client.request(
            asked["method"],
            self.pages.get(asked["url"], asked["url"]),
            headers=asked["headers"],
            json=shown(asked["body"]) if asked.get("body") is not None else None,
        )
        assert answer.status_code == expected["status"], (asked, answer.text)
        for name in ("Live-Channel", "Live-Signal", "Location"):
            assert answer.headers.get(name) == expected["headers"].get(name), (asked, answer.headers)
        if "Live-Seq" in expected["headers"]:
            self.seqs.pair(expected["headers"]["Live-Seq"], answer.headers["Live-Seq"])
        if expected["status"] < 400 and expected.get("body") is not None:
            assert answer.json() == shown(expected["body"])
        self._pair_next(expected["headers"].get("Link"), answer)

    def _pair_next(self, stub: str | None, answer: httpx.Response) -> None:
        real = answer.links.get("next")
        assert (stub is None) == (real is None), (stub, answer.headers)
        if stub is not None and real is not None:
            url = stub.removeprefix("<").partition(">")[0]
            self.pages[CHANNEL + url] = str(answer.url.join(real["url"]))

    async def write(self, step: Json) -> None:
        """Somebody else's, past every program of ours."""
        key, body = step["id"], shown(step.get("body"))
        with self.database:
            if step["channel"] != CHANNEL:
                self.database.execute("update transcript_user set visits = visits + 1")
            elif step["method"] == "DELETE":
                self.database.execute("delete from transcript_todo where id = ?", [key])
            elif step["method"] == "POST":
                self.database.execute(
                    "insert into transcript_todo (id, title, done, note) values (:id, :title, :done, :note)",
                    body,
                )
            else:
                self.database.execute(
                    "update transcript_todo set title = :title, done = :done, note = :note where id = :id",
                    body,
                )

    async def subscribe(self, step: Json) -> None:
        receiver = self.receivers[step["receiver"]] = Receiver(self.client)
        since = None if step.get("since") is None else await self._real(step["since"])
        if since is None:
            await self._wait_published(step["live"]["seq"])
        live = await receiver.subscribe(step["channel"], since)
        assert live.get("reset", False) == step["live"].get("reset", False)
        if since is not None:
            self.seqs.pair(step["live"]["seq"], live["seq"])

    async def _real(self, stub: str) -> str:
        """The server's seq for one of the stub's, which perhaps only a push has told so far."""
        real = self.seqs.real(stub)
        if real is None:
            place = self.all.index(stub)
            while len(self.observer.messages) <= place:
                await self.observer.connect(5_000)
            real = self.observer.messages[place]["seq"]
            self.seqs.pair(stub, real)
        return real

    async def _wait_published(self, stub: str) -> None:
        """What was committed before a subscription that begins *now* has been published."""
        head = (await self.client.get(CHANNEL)).headers["Live-Seq"]
        self.seqs.pair(stub, head)
        probe = Receiver(self.client)
        deadline = time.monotonic() + 5
        while (await probe.subscribe(CHANNEL, None))["seq"] < head:
            assert time.monotonic() < deadline, "the feed does not catch up"
            await asyncio.sleep(0.002)


@asynccontextmanager
async def started(path: Path, limit: int | None) -> AsyncIterator[Replay]:
    """A fresh server on a database of its own. limit: documents of a page."""
    live = Live(f"sqlite:///{path}", synchronous="NORMAL")
    live.add_resource(CHANNEL, Todo, sort="done,id", limit=limit)
    live.add_resource("/api/users", User)
    async with live:
        transport = httpx.ASGITransport(app=live.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://server", timeout=20) as client:
            with closing(sqlite3.connect(path)) as database:
                database.execute("pragma synchronous=off")
                with database:
                    database.execute("insert into transcript_user (visits) values (0)")
                yield Replay(client, database)


def transcripts(count: int) -> list[Json]:
    """What the stub did in so many histories."""
    done = subprocess.run(
        ["node", str(ROOT / "tests/js/rules/transcripts.js"), "--histories", str(count), "--seed", "7"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


async def test_the_stub_does_what_the_server_does(tmp_path: Path) -> None:
    count = scaled(60, 300)
    written = transcripts(count)
    assert len(written) == count
    running = asyncio.Semaphore(8)

    async def run(number: int, transcript: Json) -> None:
        async with running, started(tmp_path / f"{number}.db", transcript["limit"] or None) as replay:
            await replay.run(transcript)

    async with asyncio.TaskGroup() as group:
        for number, transcript in enumerate(written):
            group.create_task(run(number, transcript))
    steps = [step["step"] for transcript in written for step in transcript["steps"]]
    for kind in ("request", "write", "subscribe"):
        assert steps.count(kind) >= count


def write_by_shell(path: Path, rounds: int, seed: int) -> None:
    """Somebody at a database shell, who knows nothing of us."""
    chance = random.Random(seed)
    with closing(sqlite3.connect(path, timeout=10)) as database:
        for number in range(rounds):
            with database:
                if chance.random() < 0.3:
                    database.execute(
                        "insert into transcript_todo (title, done) values (?, 0)", [f"d{number}"]
                    )
                elif chance.random() < 0.3:
                    database.execute("update transcript_todo set done = not done")
                else:
                    database.execute(
                        "update transcript_todo set title = ? where id % 3 = ?", [f"d{number}", number % 3]
                    )
            database.execute("select count(*) from transcript_todo").fetchone()


async def test_the_collection_equals_the_real_server(tmp_path: Path) -> None:
    """A live collection beside random writers; then what was said is told to fresh ones in another order."""
    path = tmp_path / "real.db"
    live = Live(f"sqlite:///{path}", synchronous="NORMAL")
    live.add_resource(CHANNEL, Todo)
    async with served(live.app) as address:
        process = await asyncio.create_subprocess_exec(
            "node",
            str(ROOT / "tests/js/rules/real.js"),
            address,
            "--rounds",
            str(scaled(60, 400)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        shell = asyncio.to_thread(write_by_shell, path, scaled(60, 400), 1)
        (output, errors), _ = await asyncio.gather(process.communicate(), shell)
    assert process.returncode == 0, errors.decode()
    report = json.loads(output)
    for transport in ("websocket", "long-polling"):
        assert report[transport]["pushes"] > 60
