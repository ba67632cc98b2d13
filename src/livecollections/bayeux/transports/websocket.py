"""A WebSocket: one reader, and what writes while there is something to write.

Three rules. Only the writer sends, so a socket that takes nothing holds up nobody else. The reader doesn't read
on while replies wait, so who doesn't read can't ask. Where the server lets frames past ASGI (``writer.py``) they go
straight to the transport at the end of a turn of the loop, and no task runs for that; elsewhere, to close, and
while extensions look at each message, a task sends.

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
from ..load import FRAME, framed
from ..message import Message
from ..server import Engine
from ..session import Session, arranged
from ..strangers import Strangers
from .buffer import Buffer
from .link import ConnectionLink
from .writer import Writer

logger = logging.getLogger("livecollections.bayeux")


class WebSocket(ConnectionLink):
    """One socket; a link (see ``session.Link``).

    Args:
        strangers: those that are without one.  writer: what writes past ASGI, if the server offers it.
    """

    __slots__ = (
        "_address", "_alone", "_begun", "_buffer", "_code", "_errors", "_exchange", "_is_over", "_patience",
        "_receive", "_replies", "_room", "_send", "_size", "_strangers", "_task", "_writer",
    )  # fmt: skip
    is_socket = True

    def __init__(
        self,
        engine: Engine,
        connection: Connection,
        receive: Receive,
        send: Send,
        *,
        strangers: Strangers,
        writer: Writer | None = None,
    ) -> None:
        super().__init__(engine, connection)
        self._writer = writer
        self.put = writer.put if writer is not None else None
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
        self._is_over = False
        self._patience: asyncio.Timeout | None = None
        self._task: asyncio.Task[None] | None = None
        self._begun: float | None = None
        self._room: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Serve an accepted socket until it closes."""
        self._strangers.add(self, self._address)
        if self._writer is not None:
            self._writer.watch(self._look)
        try:
            async with asyncio.timeout(self._alone) as self._patience:
                await self._read()
        except TimeoutError:
            self.close(1008)
        finally:
            self._patience = None
            self._strangers.discard(self)
            self._exchange.detach(self)
            if self._writer is not None:
                self._writer.watch(None)
            await self._finish()

    async def _finish(self) -> None:
        """Let it send what was replied, and the close; then stop it, also in the middle."""
        if self._code is not None:
            self.flush()
        if (task := self._task) is not None:
            if self._code is None:
                task.cancel()
            await asyncio.wait([task], timeout=1.0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._is_over = True

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
        if self._task is not None:
            return
        if self._writer is None:
            self._exchange.turn.start(self)
            return
        if (session := self._attached()) is not None:
            session.stand_apart()
        self._exchange.turn.wake(self)

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

    def _attached(self) -> Session | None:
        """The session whose messages go here."""
        session = self.session
        return session if session is not None and session.link is self else None

    def flush(self) -> None:
        """Write what waits, or have it written."""
        if self._task is not None or self._is_over:
            return
        if self._writer is None or self._code is not None or self._exchange.extensions.outgoing:
            self._task = asyncio.get_running_loop().create_task(self._write())
        else:
            self._put(self._writer)

    def _put(self, writer: Writer) -> None:
        """Write to the transport until nothing waits or it takes no more."""
        while writer.is_open:
            frame = self._frame()
            if frame is None:
                self._rest()
                return
            try:
                writer.put(framed(frame))
            except Exception as error:
                self._broke(error)
                return
            if (session := self._attached()) is not None:
                session.landed()
        self._hold()

    def _rest(self) -> None:
        """Nothing waits: what is published may go straight to the transport."""
        session = self._attached()
        if session is None or session.queue:
            return
        session.apart.pop(session, None)
        if session.is_behind:
            self._exchange.wake(session)

    def _hold(self) -> None:
        """The transport takes nothing."""
        if (session := self._attached()) is not None:
            session.stand_apart()
        if self._writer is not None and self._writer.is_gone and self._replies:
            self._broke(ConnectionError("the peer has gone"))
        elif self._begun is None:
            self._begun = self._exchange.sending(self)

    def _look(self) -> None:
        """The transport takes no more, takes again, or has gone."""
        if self._writer is None or self._task is not None:
            return
        if not self._writer.is_open:
            self._hold()
        elif self._begun is not None:
            self._exchange.sent(self, self._since(self._begun))
            self.wake()

    def _since(self, now: float) -> float:
        """When it began to write what it writes: it may have been held up before."""
        begun, self._begun = self._begun, None
        return now if begun is None else begun

    async def _write(self) -> None:
        """Send what waits, and the close if it is time for that."""
        while (frame := await self._next()) is not None:
            begun = self._since(self._exchange.sending(self))
            try:
                await self._send({"type": "websocket.send", "text": frame})
            except Exception as error:
                self._broke(error)
                break
            self._exchange.sent(self, begun)
        else:
            if self._code is not None:
                self._is_over = True
                await self._end()
        self._task = None
        if self._writer is not None:
            self._look()
            if not self._exchange.extensions.outgoing:
                self.flush()

    async def _next(self) -> str | None:
        if self._exchange.extensions.outgoing:
            return await self._passed()
        taken = self._take()
        if len(taken) == 1 and not self._replies:
            return taken[0].frame
        frame = self._joined(taken)
        return None if frame is None else frame.decode()

    def _broke(self, error: Exception) -> None:
        # Servers differ in how they say that the peer has gone. What was in flight is put back when the reader ends.
        logger.debug("a socket could not be written to: %r", error)
        self._code, self._is_over = 1006, True
        self._release_room()
        self.abort()

    def _frame(self) -> bytes | None:
        """What to send next: all replies, and some messages; None if nothing waits."""
        return self._joined(self._take())

    def _joined(self, taken: list[Message]) -> bytes | None:
        if not self._replies:
            return messages.encode([message.body for message in taken]) if taken else None
        # An empty one stands for the answer to a ping, which is an array by itself.
        replies = [reply for reply in self._take_replies() if reply]
        return messages.encode(arranged(self.session, replies, taken))

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
