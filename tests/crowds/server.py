"""The server in a process of its own: ``python -m tests.crowds.server <database> <port> <options>``.

It is served as the command line serves it. What waits in a transport is read from the transport, not from what the
product says of itself; its memory is what the system says.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import resource
import socket
import sys
from typing import Any

import uvicorn
from sqlmodel import Field, SQLModel

from livecollections import Live
from livecollections.bayeux import Limits, Server
from livecollections.cli.server import uvicorn_settings

from ..serving import wait_until
from .child import allow_files, answer

PAGE = resource.getpagesize()


class Item(SQLModel, table=True):
    """What the crowd watches."""

    __tablename__ = "crowd_item"
    id: int | None = Field(default=None, primary_key=True)
    title: str = ""


class Watched:
    """The application, and the transports below it."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._protocols: dict[Any, None] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        protocol = getattr(receive, "__self__", None)
        if protocol is None or scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        self._protocols[protocol] = None
        try:
            await self._app(scope, receive, send)
        finally:
            self._protocols.pop(protocol, None)

    def buffered(self) -> list[int]:
        """Bytes in each transport that has any, the most first."""
        sizes = (int(protocol.transport.get_write_buffer_size()) for protocol in self._protocols)
        return sorted((size for size in sizes if size), reverse=True)


def memory() -> int:
    """Bytes of this process that are in memory now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * PAGE


def most_memory() -> int:
    """The most bytes that were in memory since ``forget_most``, as the system counts them."""
    with open("/proc/self/status") as file:
        (found,) = (line.split()[1] for line in file if line.startswith("VmHWM:"))
    return int(found) * 1024


def forget_most() -> None:
    """From now on the most is counted anew."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def cpu() -> float:
    """Seconds of the processor that this process has used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def waited() -> float:
    """Seconds for which its first thread could have run and others did."""
    with open("/proc/self/schedstat") as file:
        return int(file.read().split()[1]) / 1e9


class Serving:
    """A Live under uvicorn, and what it is asked."""

    def __init__(self, database: str, port: int, options: dict[str, Any]) -> None:
        limits = Limits(**options.pop("limits", {}))
        self._below: int | None = options.pop("below", None)
        settings = uvicorn_settings() | options.pop("uvicorn", {})
        self.live = Live(f"sqlite:///{database}", bayeux=Server(limits=limits, **options))
        self.live.resource("/api/items")(Item)
        self._watched = Watched(self.live.app)
        self._server = uvicorn.Server(
            uvicorn.Config(self._watched, port=port, log_level="warning", **settings)
        )
        self._serving: asyncio.Task[None] | None = None
        self._began = 0.0, 0.0

    async def run(self) -> None:
        await answer(self._questions())
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving

    def _questions(self) -> dict[str, Any]:
        names = "begin", "measure", "wait", "wait_stopped", "calm"
        return {name: getattr(self, name) for name in names}

    async def begin(self) -> int:
        """Serve, if it does not yet; the port."""
        if self._serving is None:
            self._began = cpu(), waited()
            self._serving = asyncio.create_task(self._server.serve())
        await wait_until(lambda: self._server.started, 30)
        if self._below is not None:
            self._bound_below(self._below)
        return self._port()

    def _bound_below(self, size: int) -> None:
        """Have the system keep so many bytes for each client that comes, and not as many as it has learned to."""
        for listening in self._server.servers[0].sockets:
            with socket.socket(fileno=os.dup(listening.fileno())) as end:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)

    def _port(self) -> int:
        port: int = self._server.servers[0].sockets[0].getsockname()[1]
        return port

    async def wait(self, seq: str) -> None:
        """Return when a change has been published."""
        await wait_until(lambda: self.live.statistics().seq >= seq, 30)

    async def wait_stopped(self, count: int) -> None:
        """Return when so many clients have taken nothing for a while."""
        await wait_until(lambda: self.live.bayeux.statistics().stopped == count, 10)

    async def calm(self) -> None:
        """Return when no client waits for its turn; the most memory is measured from then on."""
        exchange = self.live.bayeux._exchange
        sessions = exchange.sessions
        await wait_until(lambda: not any(session.pause for session in sessions.values()), 60)
        # What those who joined have shown of the machine is forgotten, as after a longer calm.
        exchange.arrivals._rate.forget()
        gc.collect()
        forget_most()

    def measure(self) -> dict[str, Any]:
        """What it holds now."""
        exchange = self.live.bayeux._exchange
        late = [one for one in exchange.sessions.values() if one.writing_since is not None]
        found = self.live.statistics()
        return {
            "port": self._port(),
            "memory": memory(),
            "most": most_memory(),
            "cpu": cpu() - self._began[0],
            "waited": waited() - self._began[1],
            "transports": self._watched.buffered(),
            "queues": sorted((session.size for session in late), reverse=True),
            "sessions": len(exchange.sessions),
            "handshakes": found.bayeux.handshakes,
            "buffered": found.bayeux.buffered_bytes,
            "stopped": found.bayeux.stopped,
            "paced": found.bayeux.paced,
            "replays": found.bayeux.replays,
            "resets": {cause.value: count for cause, count in found.bayeux.resets.items()},
            "rows": found.rows_read,
            "seq": found.seq,
        }


def main() -> None:
    import uvloop

    logging.getLogger("livecollections").setLevel(logging.ERROR)
    allow_files()
    database, port, options = sys.argv[1:]
    uvloop.run(Serving(database, int(port), json.loads(options)).run())


if __name__ == "__main__":
    main()
