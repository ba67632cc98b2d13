"""Server: Bayeux as an ASGI application, with no framework.

Two rules. A page of a foreign origin gets in only if ``allowed_origins`` names it, whatever the transport. What
is closed ends in time, whoever does not take its last message.

This module knows of scopes and sockets; requests are in ``http.py``, what messages mean is in ``server.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from ..errors import ConfigurationError
from .connection import Connection, Receive, Scope, Send, anonymous
from .exchange import PATIENCE_WITH_HOOKS, Exchange
from .host import Host
from .http import Http, headers_of
from .lifetimes import Pace
from .message import Limits
from .options import (
    TRANSPORTS,
    check_cookie,
    check_limits,
    check_seconds,
    check_subprotocol,
    connection_types,
)
from .origins import Origins, Trust
from .policy import Policy
from .server import Engine
from .signals import Signals
from .strangers import Strangers
from .transports.eventsource import EventSource
from .transports.websocket import WebSocket
from .transports.writer import writer_of

_LIMITS = Limits()


class Server(Host):
    """A Bayeux server: an ASGI application to mount anywhere, and a publisher.

    Args:
        timeout: seconds for which a connect is held; less than any proxy's on the way.
        interval: seconds that clients wait between connects.
        ping: seconds after which a client that is only heard is asked whether it is there: a WebSocket's connect is
            answered, a stream gets a comment; None: none is.
        pong: seconds after which a WebSocket whose connect was answered, and on which nothing came since, is
            aborted; its session lives on until it expires.
        cookie: the name of a cookie that binds sessions to the browser that made them; None: none is given.
        policy: who may do what; the default opens the exact channels that have a history, and no others.
        limits: what one client may send and cost.
        hook_timeout: seconds that a hook of an extension may take for one message.
        allowed_origins: browsers' origins that may use it, as "https://app.example"; "*" for all. Pages of
            its own host always may. Those that only "*" lets in are served without their cookies.
        transports: what is offered; ``"eventsource"`` needs ``"long-polling"``.
        subprotocol: the WebSocket subprotocol that is agreed to if a client offers it; None: none is.

    Raises:
        ConfigurationError: an option is wrong.
    """

    def __init__(
        self,
        *,
        timeout: float = 45,
        interval: float = 0,
        ping: float | None = 20,
        pong: float = 10,
        cookie: str | None = "livecollections",
        policy: Policy | None = None,
        limits: Limits = _LIMITS,
        hook_timeout: float = PATIENCE_WITH_HOOKS,
        allowed_origins: Sequence[str] = (),
        transports: Sequence[str] = TRANSPORTS,
        subprotocol: str | None = None,
    ) -> None:
        check_seconds("timeout", timeout, above=0)
        check_seconds("interval", interval)
        check_seconds("hook_timeout", hook_timeout, above=0)
        if ping is not None:
            check_seconds("ping", ping, above=0)
        check_seconds("pong", pong, above=0)
        check_cookie(cookie)
        if policy is not None and not isinstance(policy, Policy):
            raise ConfigurationError(f"policy: a Policy or None is expected, not {policy!r}")
        check_limits(limits)
        check_subprotocol(subprotocol)
        types = connection_types(transports)
        self._origins = Origins(allowed_origins)
        self.allowed_origins = self._origins.allowed
        self.subprotocol = subprotocol
        self.ping = ping
        self.limits = limits
        pace = Pace(timeout, interval, ping, pong)
        super().__init__(Exchange(pace=pace, limits=limits, patience=hook_timeout))
        self._engine = Engine(self._exchange, policy or Policy(), types, cookie)
        self._http = Http(self._engine, self._origins, types, ping)
        self._strangers = Strangers(limits)
        self._sockets: dict[WebSocket, None] = {}
        self._serving: set[asyncio.Task[Any] | None] = set()
        self._signals: Signals | None = None
        self._is_started = False

    @property
    def running(self) -> bool:
        """Whether it was started and not closed since."""
        return self._is_started

    async def start(self) -> None:
        """Serve, on the loop that runs now; again after ``close``, also on another loop.

        A server that never was started or closed serves too.
        """
        self._is_started, self._http.is_closing = True, False

    async def close(self) -> None:
        """Stop within 2 seconds: held polls are answered at once, sockets closed with 1012, streams ended.

        Requests that come later are answered 503 until ``start``.
        """
        self._is_started, self._http.is_closing = False, True
        await self._exchange.close()
        links: list[WebSocket | EventSource] = [*self._sockets, *self._http.streams]
        for link in links:
            link.close(1012)
        await self._wait_served()
        for link in links:
            link.abort()
        await self._wait_served()

    async def __aenter__(self) -> Server:
        """Start; a SIGTERM or SIGINT closes it, before the server underneath waits for what is held."""
        await self.start()
        self._signals = Signals(asyncio.get_running_loop(), self.close)
        self._signals.install()
        return self

    async def __aexit__(self, *error: object) -> None:
        """Close."""
        if self._signals is not None:
            self._signals.restore()
        await self.close()

    async def _wait_served(self) -> None:
        serving = [task for task in self._serving if task is not None and task is not asyncio.current_task()]
        if serving:
            await asyncio.wait(serving, timeout=0.7)

    # ASGI.

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await self._lifespan(receive, send)
            return
        task = asyncio.current_task()
        self._serving.add(task)
        try:
            if kind == "websocket":
                await self._websocket(scope, receive, send)
            elif kind == "http":
                await self._http.serve(scope, receive, send)
        finally:
            self._serving.discard(task)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            event = await receive()
            if event["type"] == "lifespan.startup":
                await self.__aenter__()
                await send({"type": "lifespan.startup.complete"})
            elif event["type"] == "lifespan.shutdown":
                await self.__aexit__()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        trust = self._origins.trust(headers_of(scope))
        seen = scope if trust is Trust.FULL else anonymous(scope)
        connection = Connection("websocket", seen, opened=self._exchange.clock())
        code = self._why_not(trust, connection.network)
        if code is not None:
            await send({"type": "websocket.close", "code": code})
            return
        writer = writer_of(scope)
        if writer is not None:
            # A little too much is told so; what is far beyond is no mistake, and not even read.
            writer.bound(2 * self._exchange.limits.body)
        socket = WebSocket(self._engine, connection, receive, send, strangers=self._strangers, writer=writer)
        self._sockets[socket] = None
        try:
            offered = scope.get("subprotocols") or ()
            chosen = {"subprotocol": self.subprotocol} if self.subprotocol in offered else {}
            await send({"type": "websocket.accept", **chosen})
            await socket.run()
        finally:
            del self._sockets[socket]

    def _why_not(self, trust: Trust, address: str | None) -> int | None:
        """The code with which a socket is refused; None if it is not."""
        if self._http.is_closing:
            return 1012
        if trust is Trust.NONE or "websocket" not in self._engine.types:
            return 1008
        return None if self._strangers.has_room(address) else 1013
