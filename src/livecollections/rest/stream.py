"""Stream: a resource's changes as Server-Sent Events, for ``curl -N`` and ``EventSource``.

The first lines go at once, with the position as ``id``, so that a browser which is cut off before the first message
resumes where it began. It pulls: a client that reads slowly is only a position, and is squashed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

from ..bayeux.asgi import Server
from ..bayeux.local import Stream
from ..errors import BayeuxError, MalformedRequest, StoreUnavailable
from ..resource import Resource
from .accept import quality
from .answer import Header
from .formats import FORMATS
from .listing import wait_gone
from .request import Request

STREAM = "text/event-stream"
HEARTBEAT = 15.0
"""Seconds of silence after which a comment is sent, so that no proxy takes the connection for dead."""
RETRY = 1000
"""Milliseconds after which a browser that was cut off comes back."""

_HEADERS: list[Header] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]


def is_asked_for(request: Request) -> bool:
    """Whether the client would rather have a stream than a list."""
    accept = request.headers.get("accept", "")
    if STREAM not in accept.lower():
        return False
    return quality(accept, STREAM) >= max(0.001, *(quality(accept, kind) for kind in FORMATS))


async def open_stream(request: Request, resource: Resource, server: Server) -> EventStream:
    """Begin a stream at ``Last-Event-ID``, else at ``?since=``, else now. Raises MalformedRequest, StoreUnavailable."""
    since = request.headers.get("last-event-id")
    for name, value in request.parameters():
        if name == "since":
            since = since or value
        elif name != "_":
            raise MalformedRequest(f"{name}: a stream takes no parameter but `since`")
    if since is not None and len(since) > 100:
        raise MalformedRequest("since: this is no seq")
    stack = AsyncExitStack()
    try:
        stream = await stack.enter_async_context(server.stream(resource.channel, since or None))
    except BayeuxError:
        raise StoreUnavailable(f"{resource.path} is not being published yet; try again") from None
    return EventStream(stream, stack)


class EventStream:
    """A stream that has begun; sending it ends it."""

    def __init__(self, stream: Stream, stack: AsyncExitStack) -> None:
        self.headers: Sequence[Header] = ()
        self._stream = stream
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._stack:
            headers = [*_HEADERS, *self.headers]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            if scope["method"] != "HEAD":
                await self._send_all(receive, send)
            await send({"type": "http.response.body", "body": b""})

    async def _send_all(self, receive: Receive, send: Send) -> None:
        await send(_part(f": live\nretry: {RETRY}\nid: {self._stream.seq}\n\n".encode()))
        if self._stream.reset:
            await send(_part(event({"seq": self._stream.seq}, self._stream.seq, b"reset")))
        gone = asyncio.ensure_future(wait_gone(receive))
        following = asyncio.ensure_future(anext(self._stream, None))
        try:
            while True:
                await asyncio.wait((gone, following), timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    return
                if not following.done():
                    await send(_part(b":\n\n"))
                    continue
                message = following.result()
                if message is None:
                    return
                data = message["data"]
                await send(_part(event(data, data["seq"], b"reset" if data["method"] == "RESET" else b"")))
                # Not before: the time until the next is pulled tells the stream that this reader is slow.
                following = asyncio.ensure_future(anext(self._stream, None))
        finally:
            gone.cancel()
            following.cancel()
            await asyncio.gather(gone, following, return_exceptions=True)


def event(data: Any, seq: str, name: bytes = b"") -> bytes:
    """One event; its data is one line of JSON."""
    kind = b"event: " + name + b"\n" if name else b""
    return kind + b"id: " + seq.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"


def _part(body: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": True}
