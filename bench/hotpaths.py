"""Runs the hot paths without a socket, and counts what they execute: ``python -m bench.hotpaths``, which prints JSON.

It uses nothing but ASGI and the public API, so that it counts in any commit's tree the same way. Bytecode instructions
and calls are those of livecollections itself; what it calls in C counts as one call. Blocks of memory are Python's.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import orjson

import livecollections
from livecollections.bayeux import Limits, Policy, Server

PACKAGE = str(Path(livecollections.__file__).parent)
SUBSCRIBERS = 100
BURST = 50
TURNS = 100_000
DATA = {"method": "PUT", "body": {"id": 7, "title": "x" * 70, "completed": True}}

Work = Callable[[], Awaitable[Any]]


class Counts:
    """What was executed in the package while it was on."""

    def __init__(self) -> None:
        self.instructions = self.calls = 0
        self._is_ours: dict[CodeType, bool] = {}

    async def of(self, work: Work) -> dict[str, int]:
        """Count twice: calls would be seen among the instructions."""
        self.instructions = self.calls = 0
        with self._counting_instructions():
            await work()
        sys.setprofile(self._profile)
        try:
            await work()
        finally:
            sys.setprofile(None)
        return {"instructions": self.instructions, "calls": self.calls}

    @contextmanager
    def _counting_instructions(self) -> Iterator[None]:
        if sys.version_info >= (3, 12):
            # A trace function of these misses the instructions of what it has not met before.
            watch, instruction = sys.monitoring, sys.monitoring.events.INSTRUCTION
            watch.use_tool_id(watch.PROFILER_ID, "hotpaths")
            watch.register_callback(watch.PROFILER_ID, instruction, self._instruction)
            watch.set_events(watch.PROFILER_ID, instruction)
            try:
                yield
            finally:
                watch.set_events(watch.PROFILER_ID, 0)
                watch.free_tool_id(watch.PROFILER_ID)
        else:
            sys.settrace(self._trace)
            try:
                yield
            finally:
                sys.settrace(None)

    def _instruction(self, code: CodeType, offset: int) -> None:
        self.instructions += self._is_of_package(code)

    def _is_of_package(self, code: CodeType) -> bool:
        if code not in self._is_ours:
            self._is_ours[code] = code.co_filename.startswith(PACKAGE)
        return self._is_ours[code]

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "opcode":
            self.instructions += 1
        elif event == "call" and not self._is_of_package(frame.f_code):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._trace

    def _profile(self, frame: FrameType, event: str, argument: Any) -> None:
        if event in ("call", "c_call") and self._is_of_package(frame.f_code):
            self.calls += 1


class Writer:
    """What ``transports/direct.py`` offers with a socket; a tree that does not know it sends by ASGI."""

    is_open, is_gone = True, False

    def __init__(self, put: Callable[[bytes], None]) -> None:
        self.put = put

    def bound(self, size: int) -> None:
        """No message here is that large."""

    def watch(self, changed: Callable[[], None] | None) -> None:
        """It never closes."""


class Socket:
    """A WebSocket's client, joined to the application without a network."""

    def __init__(self, server: Server, *, is_direct: bool = False) -> None:
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[str | bytes] = []
        scope = {
            "type": "websocket", "path": "/faye", "raw_path": b"/faye", "root_path": "", "query_string": b"",
            "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
            "scheme": "ws", "subprotocols": [],
            "extensions": {"livecollections.writer": Writer(self._put)} if is_direct else {},
        }  # fmt: skip
        self._events.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(server(scope, self._events.get, self._send))
        self.id = ""

    async def _send(self, event: Any) -> None:
        if "text" in event:
            self.sent.append(event["text"])

    def _put(self, frame: bytes) -> None:
        head = {126: 4, 127: 10}.get(frame[1], 2)
        self.sent.append(frame[head:])

    async def ask(self, message: dict[str, Any]) -> Any:
        """Send one, and give what came in answer."""
        before = len(self.sent)
        self._events.put_nowait({"type": "websocket.receive", "text": orjson.dumps([message]).decode()})
        await wait(lambda: len(self.sent) > before)
        return orjson.loads(self.sent[-1])[0]

    async def begin(self) -> None:
        """Handshake, subscribe, connect."""
        types = {"version": "1.0", "supportedConnectionTypes": ["websocket"]}
        self.id = (await self.ask({"channel": "/meta/handshake", **types}))["clientId"]
        await self.ask({"channel": "/meta/subscribe", "clientId": self.id, "subscription": "/bench"})
        await self.ask({"channel": "/meta/connect", "clientId": self.id, "connectionType": "websocket"})


async def wait(is_so: Callable[[], bool]) -> None:
    """Let the loop turn until it is."""
    for _ in range(TURNS):
        if is_so():
            return
        await asyncio.sleep(0)
    raise RuntimeError("what was waited for did not happen")


class Changes:
    """A channel with a history that nobody reads, since all who subscribe have heard all of it."""

    def __init__(self, server: Server, channel: str) -> None:
        self._server = server
        self._channel = channel
        self._published = 0
        server.add_history(channel, self)

    def _seq(self, place: int) -> str:
        return f"5e1f03aa{place:016x}{'0001' if place else '0000'}"

    def position(self) -> str:
        return self._seq(self._published)

    async def why_reset(self, channel: str, since: str, /) -> Any:
        """All can be told."""

    async def read(self, channel: str, after: str, limit: int, squash: bool, /) -> Any:
        raise RuntimeError("somebody has not heard all")

    def add(self) -> None:
        """Publish the next."""
        before, self._published = self.position(), self._published + 1
        data = {**DATA, "seq": self.position(), "prev": before}
        self._server.publish_nowait(self._channel, data, self.position())


class Paths:
    """The hot paths of a server with a hundred subscribers."""

    def __init__(self, *, is_direct: bool) -> None:
        self.server = Server(
            timeout=1800,
            ping=None,
            policy=Policy(subscribe=["/**"], publish=["/**"]),
            # What is counted is slow: nobody is to be taken for one that stalls.
            limits=Limits(strangers_address=1_000_000, arrivals=1_000_000, stall=3_600),
        )
        self._changes = Changes(self.server, "/resource")
        self._is_direct = is_direct
        self._sockets: list[Socket] = []

    async def open(self) -> None:
        """Have all subscribe."""
        for _ in range(SUBSCRIBERS):
            await self.enter()

    async def close(self) -> None:
        """End all."""
        for socket in self._sockets:
            socket.task.cancel()
        await asyncio.gather(*(socket.task for socket in self._sockets), return_exceptions=True)
        await self.server.close()

    async def enter(self) -> Socket:
        """One more session."""
        socket = Socket(self.server, is_direct=self._is_direct)
        self._sockets.append(socket)
        await socket.begin()
        return socket

    async def visit(self) -> None:
        """A session that comes and goes."""
        socket = await self.enter()
        await socket.ask({"channel": "/meta/disconnect", "clientId": socket.id})
        self._sockets.remove(socket)
        socket.task.cancel()
        await asyncio.gather(socket.task, return_exceptions=True)

    async def subscribe(self) -> None:
        """Subscribe to something else, and no longer."""
        first = self._sockets[0]
        for verb in ("subscribe", "unsubscribe"):
            await first.ask({"channel": f"/meta/{verb}", "clientId": first.id, "subscription": "/a/b/c/d"})

    async def publish(self, messages: int) -> None:
        """Publish in one turn of the loop, and wait until every socket was written to."""
        for socket in self._sockets:
            socket.sent.clear()
        self.queue(messages)
        await wait(lambda: all(socket.sent for socket in self._sockets))

    async def listen(self) -> None:
        """Have all subscribe to the resource, too."""
        for socket in self._sockets:
            await socket.ask(
                {"channel": "/meta/subscribe", "clientId": socket.id, "subscription": "/resource"}
            )

    async def change(self) -> None:
        """As ``publish``, once and on the resource."""
        for socket in self._sockets:
            socket.sent.clear()
        self._changes.add()
        await wait(lambda: all(socket.sent for socket in self._sockets))

    def queue(self, messages: int) -> None:
        """Publish, and leave it at that."""
        for _ in range(messages):
            self.server.publish_nowait("/bench", DATA)


async def count() -> dict[str, dict[str, int]]:
    """By path, what it executes or holds."""
    found = {}
    for is_direct, sockets in ((False, "WebSockets"), (True, "direct WebSockets")):
        paths = Paths(is_direct=is_direct)
        await paths.open()
        works: dict[str, Work] = {
            f"one publish to {SUBSCRIBERS} {sockets}": partial(paths.publish, 1),
            f"{BURST} publishes in a turn to {SUBSCRIBERS} {sockets}": partial(paths.publish, BURST),
            f"a session on {sockets}, from handshake to disconnect": paths.visit,
            f"a subscribe and an unsubscribe on {sockets}": paths.subscribe,
        }
        counts = Counts()
        for name, work in works.items():
            # What is loaded or cached at the first time is no part of the path.
            await work()
            found[name] = await counts.of(work)

        async def queue(paths: Paths = paths) -> None:
            paths.queue(1)

        holds: dict[str, Work] = {
            f"a message that waits for {SUBSCRIBERS} {sockets}": queue,
            f"a session on {sockets}": paths.enter,
        }
        for name, work in holds.items():
            for _ in range(3):
                found[name] = {"blocks": await held(work)}
                await wait_idle()
        await paths.listen()
        await paths.change()
        found[f"a change of a resource to {SUBSCRIBERS} {sockets}"] = await counts.of(paths.change)
        await paths.close()
    return found


async def held(work: Work) -> int:
    """Blocks of memory that are there after some work and were not before."""
    gc.collect()
    gc.disable()
    try:
        before = sys.getallocatedblocks()
        await work()
        return sys.getallocatedblocks() - before
    finally:
        gc.enable()


async def wait_idle() -> None:
    """Let all that waits be written."""
    for _ in range(100):
        await asyncio.sleep(0)


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(asyncio.run(count())))
