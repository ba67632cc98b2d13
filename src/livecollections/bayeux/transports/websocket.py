"""A WebSocket: one reader and one writer, over plain ASGI.

Two rules. Only the writer sends, so a socket that takes nothing holds up nobody else. The reader doesn't read
on while replies wait, so who doesn't read can't ask.

ASGI has no ping frames. The exchange answers held connects instead, and aborts the socket of a client that asks no
more; uvicorn's own pings (``ws_ping_interval``, ``ws_ping_timeout``) go on below.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from ...errors import RequestError
from .. import message as messages
from ..connection import Connection, Receive, Send
from ..message import Message
from ..server import Engine
from ..session import arranged
from ..strangers import Strangers
from .buffer import Buffer
from .link import ConnectionLink

logger = logging.getLogger("livecollections.bayeux")

FRAME = 8_192
"""Bytes of messages joined into one frame: what the socket underneath may have to keep beyond its own bound."""


class WebSocket(ConnectionLink):
    """One socket; a link (see ``session.Link``).

    Args:
        strangers: those that are without one.
    """

    is_socket = True

    def __init__(
        self,
        engine: Engine,
        connection: Connection,
        receive: Receive,
        send: Send,
        *,
        strangers: Strangers,
    ) -> None:
        super().__init__(engine, connection)
        self._strangers = strangers
        self._address = connection.network
        self._exchange = engine.exchange
        self._receive = receive
        self._send = send
        self._buffer = Buffer(receive, send)
        # Faye opens its socket before it handshakes, and it may hold one poll in between.
        self._alone = engine.exchange.limits.alone
        self._replies: list[bytes] = []
        self._size = 0
        self._errors = 0
        self._code: int | None = None
        self._patience: asyncio.Timeout | None = None
        self._work: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Serve an accepted socket until it closes."""
        self._strangers.add(self, self._address)
        writer = asyncio.create_task(self._write())
        try:
            async with asyncio.timeout(self._alone) as self._patience:
                await self._read()
        except TimeoutError:
            self.close(1008)
        finally:
            self._patience = None
            self._strangers.discard(self)
            self._exchange.detach(self)
            if self._code is None or writer.done():
                writer.cancel()
            await asyncio.wait([writer], timeout=1.0)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    def abort(self) -> None:
        """Close without waiting for a peer that takes nothing."""
        self._give(0)

    def _give(self, patience: float) -> None:
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(asyncio.get_running_loop().time() + patience)

    # The link.

    @property
    def buffered(self) -> int:
        return self._size + self._buffer.size

    def reply(self, reply: dict[str, Any]) -> None:
        body = messages.to_json(reply)
        self._replies.append(body)
        self._size += len(body)
        self.wake()

    def wake(self) -> None:
        work = self._work
        if work is not None and not work.done():
            work.set_result(None)

    async def wait_room(self) -> None:
        while self._size > FRAME and self._code is None:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    def ended(self) -> None:
        if self._patience is not None:
            self._strangers.add(self, self._address)
        self._give(self._alone)
        self.wake()

    def close(self, code: int) -> None:
        if self._code is None:
            self._code = code
            self.wake()

    # Reading.

    async def _read(self) -> None:
        while (event := await self._receive())["type"] != "websocket.disconnect":
            self._exchange.heard(self)
            text = event.get("text")
            await self._handle(text.encode() if text is not None else event.get("bytes") or b"")
            if self.session is not None and self.session.link is self and self._patience is not None:
                self._patience.reschedule(None)
                self._strangers.discard(self)

    async def _handle(self, raw: bytes) -> None:
        try:
            received = messages.parse(raw, self._exchange.limits)
        except RequestError as error:
            self._errors += 1
            self.reply({"successful": False, "error": f"{error.status}::{error.title}"})
            if self._errors >= self._exchange.limits.errors:
                self.close(1008)
            return
        if not received:
            # Old Faye clients and Halley send [] as a ping and want it back.
            await self.wait_room()
            self._replies.append(b"")
            self._size += len(b"[]")
            self.wake()
            return
        await self._engine.receive(received, self)

    # Writing.

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            frame = await self._passed() if self._exchange.extensions.outgoing else self._frame()
            if frame is None:
                if self._code is not None:
                    await self._end()
                    return
                self._work = loop.create_future()
                await self._work
                continue
            begun = self._exchange.sending(self)
            try:
                await self._send({"type": "websocket.send", "text": frame})
            except Exception as error:
                # Servers differ in how they say that the peer has gone. What was in flight is put back when
                # the reader ends.
                logger.debug("a socket could not be written to: %r", error)
                self._code = 1006
                self._release_room()
                self.abort()
                return
            self._exchange.sent(self, begun)

    def _frame(self) -> str | None:
        """What to send next: all replies, and some messages; None if nothing waits."""
        taken = self._take()
        if not self._replies:
            if len(taken) == 1:
                return taken[0].frame
            return messages.encode([message.body for message in taken]).decode() if taken else None
        # An empty one stands for the answer to a ping, which is an array by itself.
        replies = [reply for reply in self._take_replies() if reply]
        return messages.encode(arranged(self.session, replies, taken)).decode()

    async def _passed(self) -> str | None:
        """As ``_frame``, where extensions see what goes, and may leave nothing of it."""
        while (taken := self._take()) or self._replies:
            replies = self._take_replies()
            begun = self._exchange.sending(self)
            bodies = await self._exchange.extensions.bodies(self, [*filter(None, replies)], taken)
            if bodies or replies:
                return messages.encode(bodies).decode()
            self._exchange.sent(self, begun)
        return None

    def _take(self) -> list[Message]:
        session = self.session
        if session is None or session.link is not self or not (session.queue or session.flight.is_open):
            return []
        return session.take(FRAME) if self._replies or not session.may_wait else []

    def _take_replies(self) -> list[bytes]:
        replies, self._replies, self._size = self._replies, [], 0
        self._release_room()
        return replies

    def _release_room(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    async def _end(self) -> None:
        try:
            await self._send({"type": "websocket.close", "code": self._code})
        except Exception as error:
            logger.debug("a socket was closed by its peer first: %r", error)
