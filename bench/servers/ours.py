"""Our Bayeux server, with nothing else: everything open, and no limit on how many come from one address.

The port in ``BENCH_CONTROL`` speaks as that of the other servers (``control.js``).
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from livecollections.bayeux import Limits, Policy, Server

DATA = {"method": "PUT", "body": {"id": 7, "title": "~" + "x" * 69, "completed": True}}
MANY = 1_000_000

server = Server(
    timeout=1800,
    ping=None,
    policy=Policy(subscribe=["/**"], publish=["/**"]),
    limits=Limits(
        arrivals=MANY, sessions_per_address=MANY, strangers=MANY, strangers_address=MANY, queue_bytes=262_144
    ),
)


class Control:
    """Publishes as it is told: so many messages a turn of the loop, never more than a window ahead."""

    def __init__(self) -> None:
        self._room = asyncio.Event()
        self._published = self._acknowledged = self._window = 0
        self._task: asyncio.Task[None] | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection to the control port."""
        while line := await reader.readline():
            name, *values = line.decode().split()
            if name == "go":
                burst, self._window = map(int, values)
                self._published = self._acknowledged = 0
                self._task = asyncio.create_task(self._publish(burst))
            elif name == "ack":
                self._acknowledged = int(values[0])
                self._room.set()
            elif name == "stop":
                assert self._task is not None
                self._task.cancel()
                await asyncio.wait([self._task])
                writer.write(b"stopped %d\n" % self._published)
            elif name == "collect":
                gc.collect()
                writer.write(b"collected\n")
        writer.close()

    async def _publish(self, burst: int) -> None:
        while True:
            while self._published + burst > self._acknowledged + self._window:
                self._room.clear()
                await self._room.wait()
            for _ in range(burst):
                server.publish_nowait("/bench", DATA)
            self._published += burst
            await asyncio.sleep(0)


@asynccontextmanager
async def controlled() -> AsyncIterator[None]:
    """Serve the control port."""
    listening = await asyncio.start_server(Control().serve, "127.0.0.1", int(os.environ["BENCH_CONTROL"]))
    async with listening, server:
        yield


async def app(scope: Any, receive: Any, send: Any) -> None:
    """The server, and with its lifespan that of the control port."""
    if scope["type"] != "lifespan":
        await server(scope, receive, send)
        return
    await receive()
    async with controlled():
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await send({"type": "lifespan.shutdown.complete"})
