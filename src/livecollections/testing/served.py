"""Served: one life of an application under uvicorn, from its lifespan's start to its end.

Two rules. That the application fails at its start is an error that says why, with the application's own as its cause.
It stops as it does in production when it is told to: held polls are answered and sockets closed first, then requests
that run end, then the lifespan.

It knows no thread: it runs on the loop that it is started on.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from math import inf
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import ConfigurationError
from ..lifespan import HostLifespan
from ..live import Live
from .parts import Part
from .waiting import wait_until

KEEP = 10 * 365 * 86_400
"""Seconds for which idle connections are kept: no jump of the clock takes a test's HTTP client its connection away."""
GRACE = 3
"""Seconds that requests which run may take when the application is to stop."""
ACCEPTING = 3
"""Turns of the loop after which a socket that was accepted is a connection: a server of Python 3.11 that is closed
before that leaves it open, and unknown to all."""


class Served:
    """An application, served.

    Args:
        parts: the Lives and Bayeux servers in it.  listening: a bound socket, which is closed at the end.
    """

    def __init__(self, app: ASGIApp, parts: Sequence[Part], listening: socket.socket) -> None:
        self._app = app
        self._parts = parts
        self._listening = listening
        self._state: dict[str, Any] = {}
        self._lifespan: HostLifespan | None = None
        self._server: Uvicorn | None = None

    async def start(self) -> None:
        """Start the application, then serve it. Raises ConfigurationError; then nothing is left running."""
        try:
            await self._begin()
            await self._serve()
        except BaseException:
            await self.stop()
            raise

    async def _begin(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
        lifespan = self._lifespan = HostLifespan(self._app, scope)
        answer = await lifespan.tell({"type": "lifespan.startup"})
        if answer is not None and answer["type"] == "lifespan.startup.failed":
            await lifespan.wait_ended()
            why = repr(lifespan.error) if lifespan.error is not None else answer.get("message", "")
            raise ConfigurationError(f"the application fails at its start: {why}") from lifespan.error
        for part in self._parts:
            if isinstance(part, Live) and part._started is None:
                why = f" ({lifespan.error!r})" if lifespan.error is not None else ""
                raise ConfigurationError(
                    f"the application has started, but not its Live{why}: use `live.mount(app)`, `live.wrap(app)`, "
                    "or `lifespan=live.lifespan`"
                ) from lifespan.error
            if not isinstance(part, Live) and not part.running:
                await part.start()

    async def _serve(self) -> None:
        config = uvicorn.Config(
            self._call,
            interface="asgi3",
            lifespan="off",
            http="auto",
            ws="livecollections.bayeux.transports.direct:DirectProtocol",
            log_config=None,
            timeout_graceful_shutdown=GRACE,
            timeout_keep_alive=KEEP,
        )
        server = self._server = Uvicorn(config)
        await server.begin(self._listening)

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._state:
            scope["state"] = {**self._state, **scope.get("state", {})}
        await self._app(scope, receive, send)

    async def stop(self) -> None:
        """Stop serving, then stop the application. Raises ConfigurationError if that fails."""
        for part in self._parts:
            if isinstance(part, Live):
                await part._end()
            else:
                await part.close()
        if self._server is not None:
            await self._server.end()
        self._listening.close()
        if self._lifespan is not None:
            answer = await self._lifespan.tell({"type": "lifespan.shutdown"})
            await self._lifespan.wait_ended()
            if answer is not None and answer["type"] == "lifespan.shutdown.failed":
                error = self._lifespan.error
                raise ConfigurationError(f"the application fails at its end: {error!r}") from error


class Uvicorn(uvicorn.Server):
    """uvicorn on the loop that it is started on, whose signals are not its own.

    It says when it listens, and stops as soon as nothing runs any more: as it is, that takes it a quarter of a second.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._listens = asyncio.Event()
        self._is_told = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None

    async def begin(self, *sockets: socket.socket) -> None:
        """Serve, on sockets that are bound or where the configuration says. Raises what keeps it from that."""
        self._serving = asyncio.create_task(self.serve(sockets=[*sockets] or None))
        listens = asyncio.create_task(self._listens.wait())
        await asyncio.wait({listens, self._serving}, return_when=asyncio.FIRST_COMPLETED)
        if not listens.done():
            listens.cancel()
            await self._serving

    async def end(self) -> None:
        """Stop serving: requests that run end first."""
        self._is_told.set()
        if self._serving is not None:
            await asyncio.wait({self._serving})

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listens.set()

    async def main_loop(self) -> None:
        ticking = asyncio.create_task(super().main_loop())
        await self._is_told.wait()
        ticking.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        state = self.server_state
        loop = asyncio.get_running_loop()
        for accepting in (one for server in self.servers for one in server.sockets):
            with suppress(NotImplementedError):  # not on Windows, whose loop accepts otherwise
                loop.remove_reader(accepting.fileno())
        for _ in range(ACCEPTING):
            await asyncio.sleep(0)
        for listening in (*self.servers, *(sockets or ())):
            listening.close()
        for connection in [*state.connections]:
            connection.shutdown()
        try:
            grace = self.config.timeout_graceful_shutdown
            await wait_until(
                lambda: not state.connections and not state.tasks, inf if grace is None else grace
            )
        except AssertionError:
            for task in state.tasks:
                task.cancel()
        await self.lifespan.shutdown()
