"""The port by which the load generator has a server in Python publish; it speaks as ``control.js``."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

DATA = {"method": "PUT", "body": {"id": 7, "title": "~" + "x" * 69, "completed": True}}


class Control:
    """Publishes as it is told: so many messages a turn of the loop, never more than a window ahead."""

    def __init__(self, publish: Callable[[], None]) -> None:
        self._publish = publish
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
                self._task = asyncio.create_task(self._run(burst))
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

    async def _run(self, burst: int) -> None:
        while True:
            while self._published + burst > self._acknowledged + self._window:
                self._room.clear()
                await self._room.wait()
            for _ in range(burst):
                self._publish()
            self._published += burst
            await asyncio.sleep(0)


@asynccontextmanager
async def controlled(publish: Callable[[], None]) -> AsyncIterator[None]:
    """Serve the control port, which ``BENCH_CONTROL`` tells."""
    port = int(os.environ["BENCH_CONTROL"])
    async with await asyncio.start_server(Control(publish).serve, "127.0.0.1", port):
        yield


async def lifespan(receive: Any, send: Any, publish: Callable[[], None]) -> None:
    """An ASGI lifespan that is the control port's."""
    await receive()
    async with controlled(publish):
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await send({"type": "lifespan.shutdown.complete"})
