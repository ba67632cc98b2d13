"""EventSource: a response that never ends, on which a session's messages come as Server-Sent Events.

Three rules. A stream belongs to the session that its path names: it begins only if a message could speak for
that session, and ends with it. Its client sends by POST, and a connect is no more than a sign of life. Only the
writer sends, so a stream whose client takes nothing holds up nobody else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from .. import channel as channels
from .. import message as messages
from ..connection import Connection, Event, Receive, Send
from ..message import REHANDSHAKE, Message
from ..origins import Headers
from ..server import RETRY_AFTER_ERROR, Engine
from ..session import Session
from .buffer import Buffer
from .link import ConnectionLink

logger = logging.getLogger("livecollections.bayeux")

RETRY = 5.0
"""Seconds after which a browser that was cut off comes back, as with Faye."""
FRAME = 8_192
"""Bytes of messages joined into one event."""

_HEADERS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-store"),
    (b"x-content-type-options", b"nosniff"),
    # nginx would keep the messages until it has some pages of them.
    (b"x-accel-buffering", b"no"),
]


def is_asked_for(accept: bytes) -> bool:
    """Whether a GET with this Accept header is for a stream."""
    return b"text/event-stream" in [kind.partition(b";")[0].strip() for kind in accept.lower().split(b",")]


class EventSource(ConnectionLink):
    """One stream; a link (see ``session.Link``).

    Args:
        ping: seconds of silence after which a comment is sent; None: none is.
    """

    def __init__(
        self, engine: Engine, connection: Connection, receive: Receive, send: Send, ping: float | None
    ) -> None:
        super().__init__(engine, connection)
        self._exchange = engine.exchange
        self._send = send
        self._buffer = Buffer(receive, send)
        self._ping = ping
        self._served: Session | None = None
        self._is_closing = False
        self._told: dict[str, Any] | None = None
        self._work = asyncio.Event()
        self._writing: asyncio.Future[None] | None = None

    async def run(
        self, client_id: str, wait_disconnect: Callable[[], Awaitable[None]], headers: Headers
    ) -> None:
        """Serve it until the client goes, the session ends or moves, or the server closes.

        Args:
            client_id: the session's.
            wait_disconnect: returns when the client has gone.
            headers: what the answer bears besides its own.

        Raises:
            BayeuxError: 401, no message from there could speak for such a session; nothing was sent.
        """
        self._served = await self._engine.attach(client_id, self)
        gone = asyncio.ensure_future(wait_disconnect())
        self._writing = asyncio.ensure_future(self._write([*headers, *_HEADERS]))
        try:
            await asyncio.wait((gone, self._writing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._exchange.detach(self)
            for future in (gone, self._writing):
                future.cancel()
            await asyncio.gather(gone, self._writing, return_exceptions=True)

    def abort(self) -> None:
        """End without waiting for a peer that takes nothing."""
        if self._writing is not None:
            self._writing.cancel()

    # The link.

    @property
    def buffered(self) -> int:
        return self._buffer.size

    def reply(self, reply: dict[str, Any]) -> None:
        """Nothing is asked on a stream; what is told nevertheless is the end."""
        self._told = reply

    def wake(self) -> None:
        self._work.set()

    async def wait_room(self) -> None:
        return

    def ended(self) -> None:
        self.close(1000)

    def close(self, code: int) -> None:
        self._is_closing = True
        self._work.set()

    # Writing.

    async def _write(self, headers: Headers) -> None:
        try:
            await self._put({"type": "http.response.start", "status": 200, "headers": headers})
            await self._part(b"retry: %d\n\n" % round(RETRY * 1000))
            while not self._is_closing:
                self._work.clear()
                if taken := self._taken():
                    if bodies := await self._exchange.extensions.bodies(self, [], taken):
                        await self._part(_event(bodies))
                    else:
                        self._exchange.sent(self, self._exchange.clock())
                elif not await self._wait_work():
                    await self._part(b":\n\n")
            await self._put({"type": "http.response.body", "body": self._farewell()})
        except ConnectionError as error:
            # What was in flight is put back when the reader ends.
            logger.debug("a stream could not be written to: %r", error.__cause__)

    def _taken(self) -> list[Message]:
        session = self.session
        if session is None or session.link is not self or session.may_wait:
            return []
        return session.take(FRAME)

    async def _put(self, event: Event) -> None:
        begun = self._exchange.sending(self)
        try:
            await self._send(event)
        except Exception as error:
            # Servers differ in how they say that the peer has gone.
            raise ConnectionError("the peer has gone") from error
        self._exchange.sent(self, begun)

    async def _part(self, body: bytes) -> None:
        await self._put({"type": "http.response.body", "body": body, "more_body": True})

    def _farewell(self) -> bytes:
        """What a client whose session has ended is told, so that it begins anew before its next connect."""
        if self._told is not None:
            return _event([orjson.dumps(self._told)])
        if self._served is None or not self._served.has_ended:
            return b""
        told = messages.refuse({"channel": channels.CONNECT}, messages.unknown_client(self._served.id))
        told["advice"] = messages.advice(REHANDSHAKE, interval=RETRY_AFTER_ERROR)
        return _event([orjson.dumps(told)])

    async def _wait_work(self) -> bool:
        """Return when there is something to do, or with False when a ping is due."""
        try:
            async with asyncio.timeout(self._ping):
                await self._work.wait()
        except TimeoutError:
            return False
        return True


def _event(bodies: list[bytes]) -> bytes:
    return b"data: %b\n\n" % messages.encode(bodies)
