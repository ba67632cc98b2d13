"""Server: Bayeux as an ASGI application, with no framework.

Three rules. Every path below its mount is served, as Faye's clients and CometD's build different ones. A page
of a foreign origin gets in only if ``allowed_origins`` names it: no header is ever reflected. Problems of HTTP
are answered in HTTP, problems of Bayeux in Bayeux with status 200.

This module knows of requests and sockets; what messages mean is in ``server.py``.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import MutableMapping, Sequence
from dataclasses import fields
from typing import Any
from urllib.parse import urlsplit

from ..errors import ConfigurationError, MalformedRequest, RequestError, TooLarge
from . import message as messages
from .connection import Connection
from .exchange import Exchange
from .host import Host
from .message import Limits
from .policy import Policy
from .server import Engine
from .transports.longpoll import Poll
from .transports.websocket import Receive, Send, WebSocket

Scope = MutableMapping[str, Any]
Headers = list[tuple[bytes, bytes]]

_LIMITS = Limits()
_ORIGIN = re.compile(r"\*|null|[a-z][a-z0-9+.-]*://[^/?#\s]+")
_JSON: Headers = [
    (b"content-type", b"application/json; charset=utf-8"),
    (b"cache-control", b"no-cache, no-store"),
    (b"x-content-type-options", b"nosniff"),
]
_TEXT: Headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"x-content-type-options", b"nosniff")]
_HOSTS = (b"host", b"x-forwarded-host")
_ALLOW = b"GET, POST, OPTIONS"
_PREFLIGHT: Headers = [
    (b"access-control-allow-methods", b"POST, GET"),
    (b"access-control-allow-headers", b"Accept, Authorization, Content-Type, Pragma, X-Requested-With"),
    (b"access-control-max-age", b"86400"),
]


class Server(Host):
    """A Bayeux server: an ASGI application to mount anywhere, and a publisher.

    Args:
        timeout: seconds for which a connect is held; less than any proxy's on the way.
        interval: seconds that clients wait between connects.
        ping: seconds between pings, on transports that can send them; None: none.
        policy: who may do what; the default opens the exact channels that have a history, and no others.
        limits: what one client may send and cost.
        allowed_origins: browsers' origins that may use it, as "https://app.example"; "*" for all. Pages of
            its own host always may.

    Raises:
        ConfigurationError: an option is wrong.
    """

    def __init__(
        self,
        *,
        timeout: float = 45,
        interval: float = 0,
        ping: float | None = 20,
        policy: Policy | None = None,
        limits: Limits = _LIMITS,
        allowed_origins: Sequence[str] = (),
    ) -> None:
        _check_seconds("timeout", timeout, above=0)
        _check_seconds("interval", interval)
        if ping is not None:
            _check_seconds("ping", ping, above=0)
        if policy is not None and not isinstance(policy, Policy):
            raise ConfigurationError(f"policy: a Policy or None is expected, not {policy!r}")
        _check_limits(limits)
        self.allowed_origins = _check_origins(allowed_origins)
        self.ping = ping
        self.limits = limits
        super().__init__(Exchange(timeout=timeout, interval=interval, limits=limits))
        self._engine = Engine(self._exchange, policy or Policy())
        self._sockets: set[WebSocket] = set()
        self._serving: set[asyncio.Task[Any] | None] = set()
        self._is_closing = False
        self._is_started = False

    @property
    def running(self) -> bool:
        """Whether it was started and not closed since."""
        return self._is_started

    async def start(self) -> None:
        """Serve, on the loop that runs now; again after ``close``, also on another loop.

        A server that never was started or closed serves too.
        """
        self._is_started, self._is_closing = True, False

    async def close(self) -> None:
        """Stop within 2 seconds: held polls are answered at once, sockets closed with 1012, streams ended.

        Requests that come later are answered 503 until ``start``.
        """
        self._is_started, self._is_closing = False, True
        await self._exchange.close()
        for socket in self._sockets:
            socket.close(1012)
        await self._wait_served()
        for socket in self._sockets:
            socket.abort()
        await self._wait_served()

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
                await self._http(scope, receive, send)
        finally:
            self._serving.discard(task)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            event = await receive()
            if event["type"] == "lifespan.startup":
                await self.start()
                await send({"type": "lifespan.startup.complete"})
            elif event["type"] == "lifespan.shutdown":
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        headers = _headers(scope)
        if self._is_closing or not self._is_welcome(headers):
            await send({"type": "websocket.close", "code": 1012 if self._is_closing else 1008})
            return
        await send({"type": "websocket.accept"})
        # Faye opens its socket before it handshakes, and it may hold one poll in between.
        socket = WebSocket(
            self._engine, Connection("websocket", scope), receive, send, alone=2 * self._exchange.timeout
        )
        self._sockets.add(socket)
        try:
            await socket.run()
        finally:
            self._sockets.discard(socket)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        cors = self._cors(headers)
        method = scope["method"]
        if method == "OPTIONS":
            await _respond(send, 200, cors + (_PREFLIGHT if len(cors) > 1 else []) + _TEXT, b"")
        elif method not in ("GET", "POST"):
            await _respond(send, 405, [*cors, (b"allow", _ALLOW), *_TEXT], b"Method not allowed")
        elif not self._is_welcome(headers):
            await _respond(send, 403, cors + _TEXT, b"Origin not allowed")
        elif self._is_closing:
            await _respond(send, 503, [*cors, (b"retry-after", b"1"), *_TEXT], b"Service unavailable")
        elif method == "GET":
            await _respond(send, 400, cors + _TEXT, b"Bad request")
        else:
            await self._post(scope, cors, receive, send)

    async def _post(self, scope: Scope, cors: Headers, receive: Receive, send: Send) -> None:
        try:
            raw = await self._body(_headers(scope), receive)
            received = messages.parse_body(raw, self.limits) if raw is not None else None
        except RequestError as error:
            await _respond(send, error.status, cors + _TEXT, f"{error.title}: {error.detail}".encode())
            return
        if received is None:
            return
        poll = Poll(self._engine, Connection("long-polling", scope))
        body = await poll.answer(received, lambda: _wait_disconnect(receive))
        if body is None:
            return
        try:
            await _respond(send, 200, cors + _JSON, body)
        except BaseException:
            poll.lost()
            raise
        poll.landed()

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes | None:
        """The request's body; None if the client went."""
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            raise MalformedRequest("Content-Length is not a number")
        if int(length) > self.limits.body:
            raise TooLarge(f"at most {self.limits.body} bytes are accepted at a time")
        parts = []
        size = 0
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                return None
            parts.append(event.get("body", b""))
            size += len(parts[-1])
            if size > self.limits.body:
                raise TooLarge(f"at most {self.limits.body} bytes are accepted at a time")
            if not event.get("more_body"):
                return b"".join(parts)

    # Origins.

    def _is_allowed(self, origin: str) -> bool:
        return "*" in self.allowed_origins or origin.lower() in self.allowed_origins

    def _is_welcome(self, headers: dict[bytes, bytes]) -> bool:
        """Whether this comes from no browser, from a page of our own host, or from an allowed origin."""
        if b"origin" not in headers:
            return True
        origin = headers[b"origin"].decode("latin-1")
        # Pages can't set X-Forwarded-Host on a WebSocket, nor on a request without asking first.
        hosts = {headers[name].decode("latin-1").lower() for name in _HOSTS if headers.get(name)}
        return _host(origin) in hosts or self._is_allowed(origin)

    def _cors(self, headers: dict[bytes, bytes]) -> Headers:
        vary = (b"vary", b"Origin")
        origin = headers.get(b"origin", b"")
        if not origin or not self._is_allowed(origin.decode("latin-1")):
            return [vary]
        if "*" in self.allowed_origins:
            return [vary, (b"access-control-allow-origin", b"*")]
        return [
            vary,
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
        ]


def _headers(scope: Scope) -> dict[bytes, bytes]:
    return {name.lower(): value for name, value in scope["headers"]}


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


async def _respond(send: Send, status: int, headers: Headers, body: bytes) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def _wait_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _check_seconds(name: str, value: Any, *, above: float | None = None) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or value < 0 or (above is not None and value <= above):
        raise ConfigurationError(f"{name}: seconds are expected, a number from {above or 0}, not {value!r}")


def _check_limits(limits: Any) -> None:
    if not isinstance(limits, Limits):
        raise ConfigurationError(f"limits: a Limits is expected, not {limits!r}")
    for field in fields(limits):
        value = getattr(limits, field.name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise ConfigurationError(f"limits.{field.name}: a number above 0 is expected, not {value!r}")


def _check_origins(origins: Any) -> frozenset[str]:
    if isinstance(origins, str) or not isinstance(origins, Sequence | set | frozenset):
        raise ConfigurationError(f"allowed_origins: a sequence of origins is expected, not {origins!r}")
    for origin in origins:
        if not isinstance(origin, str) or not _ORIGIN.fullmatch(origin.lower()):
            raise ConfigurationError(
                f"allowed_origins: {origin!r} is not an origin such as 'https://app.example', nor '*' or 'null'"
            )
    return frozenset(origin.lower() for origin in origins)
