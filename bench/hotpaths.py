"""Runs the hot paths without a socket, and counts what they execute: ``python -m bench.hotpaths``, which prints JSON.

It uses nothing but ASGI and the public API, so that it counts in any commit's tree the same way. Bytecode instructions
and calls are those of livecollections itself; what it calls in C counts as one call. Blocks of memory are Python's.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable
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
        sys.settrace(self._trace)
        try:
            await work()
        finally:
            sys.settrace(None)
        sys.setprofile(self._profile)
        try:
            await work()
        finally:
            sys.setprofile(None)
        return {"instructions": self.instructions, "calls": self.calls}

    def _counts(self, frame: FrameType) -> bool:
        code = frame.f_code
        if code not in self._is_ours:
            self._is_ours[code] = code.co_filename.startswith(PACKAGE)
        return self._is_ours[code]

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "opcode":
            self.instructions += 1
        elif event == "call" and not self._counts(frame):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._trace

    def _profile(self, frame: FrameType, event: str, argument: Any) -> None:
        if event in ("call", "c_call") and self._counts(frame):
            self.calls += 1


class Socket:
    """A WebSocket's client, joined to the application without a network."""

    def __init__(self, server: Server) -> None:
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[str] = []
        scope = {
            "type": "websocket", "path": "/faye", "raw_path": b"/faye", "root_path": "", "query_string": b"",
            "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
            "scheme": "ws", "subprotocols": [], "extensions": {},
        }  # fmt: skip
        self._events.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(server(scope, self._events.get, self._send))
        self.id = ""

    async def _send(self, event: Any) -> None:
        if "text" in event:
            self.sent.append(event["text"])

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


async def count() -> dict[str, dict[str, int]]:
    """By path, what it executes."""
    server = Server(
        timeout=1800,
        ping=None,
        policy=Policy(subscribe=["/**"], publish=["/**"]),
        limits=Limits(strangers_address=1_000_000, arrivals=1_000_000),
    )
    counts = Counts()
    sockets = [Socket(server) for _ in range(SUBSCRIBERS)]
    await asyncio.gather(*(socket.begin() for socket in sockets))

    async def publish(messages: int) -> None:
        for socket in sockets:
            socket.sent.clear()
        for _ in range(messages):
            server.publish_nowait("/bench", DATA)
        await wait(lambda: all(socket.sent for socket in sockets))

    async def queue(messages: int) -> None:
        for _ in range(messages):
            server.publish_nowait("/bench", DATA)

    async def begin() -> None:
        await leave(await enter())

    async def enter() -> Socket:
        socket = Socket(server)
        await socket.begin()
        return socket

    async def leave(socket: Socket) -> None:
        await socket.ask({"channel": "/meta/disconnect", "clientId": socket.id})
        socket.task.cancel()
        await asyncio.gather(socket.task, return_exceptions=True)

    async def subscribe() -> None:
        first = sockets[0]
        for verb in ("subscribe", "unsubscribe"):
            asked = {"channel": f"/meta/{verb}", "clientId": first.id, "subscription": "/a/b/c/d"}
            await first.ask(asked)

    paths: dict[str, Work] = {
        f"one publish to {SUBSCRIBERS} WebSockets": lambda: publish(1),
        f"{BURST} publishes in a turn to {SUBSCRIBERS} WebSockets": lambda: publish(BURST),
        "a session from handshake to disconnect": begin,
        "a subscribe and an unsubscribe": subscribe,
    }
    holds: dict[str, Work] = {
        f"a message that waits for {SUBSCRIBERS} WebSockets": lambda: queue(1),
        "a session that hears by a WebSocket": enter,
    }
    found = {}
    for name, work in paths.items():
        # What is loaded or cached at the first time is no part of the path.
        await work()
        found[name] = await counts.of(work)
    entered = []
    for name, work in holds.items():
        for _ in range(3):
            blocks, made = await held(work)
            entered.append(made)
            await wait_idle()
        found[name] = {"blocks": blocks}
    for socket in [*sockets, *(one for one in entered if one is not None)]:
        socket.task.cancel()
    await asyncio.gather(*(socket.task for socket in sockets), return_exceptions=True)
    await server.close()
    return found


async def held(work: Work) -> tuple[int, Any]:
    """Blocks of memory that are there after some work and were not before, and what it gave."""
    gc.collect()
    gc.disable()
    try:
        before = sys.getallocatedblocks()
        made = await work()
        return sys.getallocatedblocks() - before, made
    finally:
        gc.enable()


async def wait_idle() -> None:
    """Let all that waits be written."""
    for _ in range(100):
        await asyncio.sleep(0)


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(asyncio.run(count())))
