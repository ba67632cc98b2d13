"""The HTTP side of a server: from a request to a transport, or to a refusal.

Three rules. What a request is, its method, its Accept header and its body say: never its path below the mount,
as Faye's clients and CometD's build different ones, and never its content type, on which they disagree. Problems
of HTTP are answered in HTTP, problems of Bayeux in Bayeux with status 200. A body has its bounds, in bytes and in
time.

This module knows requests; what messages mean is in ``server.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from ..errors import BayeuxError, MalformedRequest, RequestError, TooLarge
from . import message as messages
from .connection import MOUNT, Connection, Receive, Scope, Send, anonymous
from .origins import Headers, Origins, Trust
from .script import Script, is_script
from .server import Engine
from .transports import eventsource, jsonp
from .transports.eventsource import EventSource
from .transports.longpoll import Poll

DISCARDING = 2.0
"""Seconds for which a body that is too large is read on before it is refused."""

_NOSNIFF = (b"x-content-type-options", b"nosniff")
_NO_STORE = (b"cache-control", b"no-cache, no-store")
_JSON: Headers = [(b"content-type", b"application/json; charset=utf-8"), _NO_STORE, _NOSNIFF]
_TEXT: Headers = [(b"content-type", b"text/plain; charset=utf-8"), _NOSNIFF]
_SCRIPT: Headers = [
    (b"content-type", b"text/javascript; charset=utf-8"),
    # No plug-in takes an attachment for one of its programs.
    (b"content-disposition", b"attachment; filename=f.txt"),
    _NO_STORE,
    _NOSNIFF,
]


class Http:
    """Answers HTTP requests.

    is_closing: whether the server refuses what comes now.  streams: those that are open.

    Args:
        types: the connection types that are offered.
        ping: seconds between comments on a stream; None: none.
    """

    def __init__(self, engine: Engine, origins: Origins, types: Sequence[str], ping: float | None) -> None:
        self.is_closing = False
        self.streams: dict[EventSource, None] = {}
        self._engine = engine
        self._limits = engine.exchange.limits
        self._origins = origins
        self._has_streams = "eventsource" in types
        self._has_scripts = "callback-polling" in types
        self._ping = ping
        self._script = Script()
        served = {"GET": self._has_streams or self._has_scripts, "POST": "long-polling" in types}
        self._methods = [*(name for name, is_served in served.items() if is_served), "OPTIONS"]

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = _Request(scope, receive, send)
        request.headers += self._origins.headers(request.asked)
        if request.method in ("GET", "HEAD") and is_script(scope["path"]):
            await self._give_script(request)
        elif request.method == "OPTIONS":
            request.headers = self._origins.preflight(request.asked)
            await request.refuse(200, b"")
        elif request.method not in self._methods:
            request.headers.append((b"allow", ", ".join(self._methods).encode()))
            await request.refuse(405, b"Method not allowed")
        elif request.length > self._limits.url:
            await request.refuse(414, b"URI Too Long: at most %d bytes are accepted" % self._limits.url)
        else:
            await self._serve_messages(request)

    async def _serve_messages(self, request: _Request) -> None:
        answer, trust = self._post, self._origins.trust(request.asked)
        if request.method == "GET":
            answer = self._stream
            if not (self._has_streams and eventsource.is_asked_for(request.asked.get(b"accept", b""))):
                answer, trust = self._jsonp, self._origins.trust_script(request.asked)
        if trust is Trust.NONE:
            await request.refuse(403, b"Origin not allowed")
            return
        if self.is_closing:
            request.headers.append((b"retry-after", b"1"))
            await request.refuse(503, b"Service unavailable")
            return
        if trust is Trust.ANONYMOUS:
            request.scope = anonymous(request.scope)
        try:
            await answer(request)
        except RequestError as error:
            # What has not been read of the body must not be taken for the next request.
            request.close()
            await request.refuse(error.status, f"{error.title}: {error.detail}".encode())

    # The transports.

    async def _post(self, request: _Request) -> None:
        try:
            async with asyncio.timeout(self._limits.upload):
                raw = await self._body(request)
        except TimeoutError:
            request.close()
            seconds = f"{self._limits.upload:g}"
            await request.refuse(408, f"Request Timeout: a body may take {seconds} seconds".encode())
            return
        if raw is not None:
            received = messages.parse_body(raw, self._limits)
            await self._poll(request, "long-polling", received, lambda body: (_JSON, body))

    async def _jsonp(self, request: _Request) -> None:
        if not self._has_scripts:
            raise MalformedRequest("only streams are asked for by GET here")
        received, callback = jsonp.read(request.scope.get("query_string", b""), self._limits)
        await self._poll(
            request, "callback-polling", received, lambda body: (_SCRIPT, jsonp.script(callback, body))
        )

    async def _poll(
        self,
        request: _Request,
        transport: str,
        received: list[Any],
        present: Callable[[bytes], tuple[Headers, bytes]],
    ) -> None:
        poll = Poll(self._engine, Connection(transport, request.scope))
        body = await poll.answer(received, request.wait_disconnect)
        if body is None:
            return
        try:
            headers, body = present(body)
            await request.respond(200, [*headers, *(poll.headers or ())], body)
        except BaseException:
            poll.lost()
            raise
        poll.landed()

    async def _stream(self, request: _Request) -> None:
        stream = EventSource(
            self._engine,
            Connection("eventsource", request.scope),
            request.receive,
            request.send,
            self._ping,
        )
        self.streams[stream] = None
        try:
            client_id = request.scope["path"].rpartition("/")[2]
            await stream.run(client_id, request.wait_disconnect, request.headers)
        except BayeuxError:
            # Any error makes a browser give up this stream, and Faye's client take another transport; whether
            # there is such a session is told to nobody.
            await request.refuse(404, b"Unknown client")
        finally:
            del self.streams[stream]

    async def _give_script(self, request: _Request) -> None:
        mount = request.scope.get(MOUNT) or request.scope.get("root_path", "")
        file = self._script.answer(request.scope["path"], mount, request.asked)
        await request.respond(file.status, file.headers, b"" if request.method == "HEAD" else file.body)

    async def _body(self, request: _Request) -> bytes | None:
        """The request's body; None if the client went."""
        length = request.asked.get(b"content-length", b"0")
        if not length.isdigit():
            raise MalformedRequest("Content-Length is not a number")
        if int(length) > self._limits.body:
            await request.discard()
            raise TooLarge(f"at most {self._limits.body} bytes are accepted at a time")
        parts = []
        size = 0
        while True:
            event = await request.receive()
            if event["type"] == "http.disconnect":
                return None
            parts.append(event.get("body", b""))
            size += len(parts[-1])
            if size > self._limits.body:
                if event.get("more_body"):
                    await request.discard()
                raise TooLarge(f"at most {self._limits.body} bytes are accepted at a time")
            if not event.get("more_body"):
                return b"".join(parts)


class _Request:
    """One request and its answer. asked: its headers by lower-case name.  headers: those of every answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.method: str = scope["method"]
        self.asked = headers_of(scope)
        self.headers: Headers = []

    @property
    def length(self) -> int:
        """Bytes of its path and query."""
        return len(self.scope["path"].encode()) + len(self.scope.get("query_string", b""))

    def close(self) -> None:
        """Have the connection closed after the answer; HTTP/2 ends the request alone, without being told."""
        if str(self.scope.get("http_version", "")).startswith("1"):
            self.headers.append((b"connection", b"close"))

    async def discard(self) -> None:
        """Read what is left of the body and forget it, for a while: closing earlier would reset the connection under
        a client that still sends, and it, or the proxy in front, would never see the answer."""
        if b"expect" in self.asked:
            # It asks before it sends.
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(DISCARDING):
                while (await self.receive()).get("more_body"):
                    pass

    async def refuse(self, status: int, text: bytes) -> None:
        await self.respond(status, _TEXT, text)

    async def respond(self, status: int, headers: Headers, body: bytes) -> None:
        told = [*self.headers, *headers, (b"content-length", b"%d" % len(body))]
        await self.send({"type": "http.response.start", "status": status, "headers": told})
        await self.send({"type": "http.response.body", "body": body})

    async def wait_disconnect(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """A scope's headers by lower-case name; of several with one name the last."""
    return {name.lower(): value for name, value in scope["headers"]}
