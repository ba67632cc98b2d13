"""Stream: a resource's changes as Server-Sent Events, for ``curl -N`` and ``EventSource``.

The first lines go at once, with the position as ``id``, so that a browser which is cut off before the first message
resumes where it began. It pulls: a client that reads slowly is only a position, and is squashed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

from ..bayeux.asgi import Server
from ..bayeux.local import Stream
from ..change import Key
from ..errors import BayeuxError, MalformedRequest, StoreUnavailable
from ..policy import ALL
from ..portable import portable
from ..resource import Resource
from ..view import refused
from .accept import quality
from .answer import Header
from .caller import Caller
from .formats import FORMATS
from .listing import wait_gone
from .request import Request

STREAM = "text/event-stream"
HEARTBEAT = 15.0
"""Seconds of silence after which a comment is sent, so that no proxy takes the connection for dead."""
RETRY = 1000
"""Milliseconds after which a browser that was cut off comes back."""

HEADERS: list[Header] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]


def is_asked_for(request: Request) -> bool:
    """Whether the client would rather have a stream than a list."""
    accept = request.headers.get("accept", "")
    if STREAM not in accept.lower():
        return False
    return quality(accept, STREAM) >= max(0.001, *(quality(accept, kind) for kind in FORMATS))


async def open_stream(
    request: Request, resource: Resource, server: Server, caller: Caller, key: Key | None = None
) -> EventStream:
    """Begin a stream at ``Last-Event-ID``, else at ``?since=``, else now. key: of the only document that it is of.

    Raises MalformedRequest, RequestRefused, StoreUnavailable.
    """
    if "subscribe" not in resource.rights:
        raise refused(request.user, "you may not subscribe here", knows_users=caller.knows_users)
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
    if request.user is not None or resource.rights is not ALL:
        stream.session.user = request.user
        caller.watch(stream.session, request.scope, {})
    names = {} if key is None else dict(zip(map(resource.name_of, resource.source.key), key, strict=True))
    return EventStream(stream, stack, {name: portable(part) for name, part in names.items()})


class EventStream:
    """A stream that has begun; sending it ends it.

    only: what a document must show to be told of; of nothing else.
    """

    def __init__(self, stream: Stream, stack: AsyncExitStack, only: Mapping[str, Any]) -> None:
        self.headers: Sequence[Header] = ()
        self._only = only
        # Up to where its reader has been told everything, and whether he knows.
        self._seq = stream.seq
        self._is_told = True
        self._stream = stream
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._stack:
            headers = [*HEADERS, *self.headers]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            if scope["method"] != "HEAD":
                await self._send_all(receive, send)
            await send({"type": "http.response.body", "body": b""})

    async def _send_all(self, receive: Receive, send: Send) -> None:
        await send(part(f": live\nretry: {RETRY}\nid: {self._stream.seq}\n\n".encode()))
        if self._stream.reset:
            await send(part(event({"seq": self._stream.seq}, self._stream.seq, b"reset")))
        gone = asyncio.ensure_future(wait_gone(receive))
        following = asyncio.ensure_future(anext(self._stream, None))
        try:
            while True:
                await asyncio.wait((gone, following), timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    return
                if not following.done():
                    await send(part(self._sign_of_life()))
                    continue
                message = following.result()
                if message is None:
                    if self._stream.is_revoked:
                        await send(part(event({"seq": self._seq}, self._seq, b"reset")))
                    return
                if (told := self._told(message["data"])) is not None:
                    await send(part(told))
                # Not before: the time until the next is pulled tells the stream that this reader is slow.
                following = asyncio.ensure_future(anext(self._stream, None))
        finally:
            gone.cancel()
            following.cancel()
            await asyncio.gather(gone, following, return_exceptions=True)

    def _told(self, data: dict[str, Any]) -> bytes | None:
        """A message as it is sent; None: it is about another document."""
        if self._only:
            body = data.get("body")
            if body is not None and any(body.get(name) != part for name, part in self._only.items()):
                self._seq, self._is_told = data["seq"], False
                return None
            data = {**data, "prev": self._seq}
        self._seq, self._is_told = data["seq"], True
        return event(data, self._seq, b"reset" if data["method"] == "RESET" else b"")

    def _sign_of_life(self) -> bytes:
        """A comment; or a place, which a browser notes and tells nobody."""
        if self._is_told:
            return b":\n\n"
        self._is_told = True
        return b"id: " + self._seq.encode() + b"\n\n"


def event(data: Any, seq: str = "", name: bytes = b"") -> bytes:
    """One event; its data is one line of JSON. seq: its id, if it has one."""
    kind = b"event: " + name + b"\n" if name else b""
    place = b"id: " + seq.encode() + b"\n" if seq else b""
    return kind + place + b"data: " + orjson.dumps(data) + b"\n\n"


def part(body: bytes) -> dict[str, Any]:
    """What ASGI sends of it."""
    return {"type": "http.response.body", "body": body, "more_body": True}
