"""An end: one side of a simulated connection, as the transport that asyncio gives to a protocol.

Two rules. It does what asyncio's own transport over TCP does: flow control, half-closed streams, what is told when.
Its protocol is called in steps of the process that owns it, and never after that was killed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from socket import AF_INET
from typing import TYPE_CHECKING, Any

from .pipe import END, Pipe, Reset
from .process import Process

if TYPE_CHECKING:
    from .connection import Connection

HIGH = 65_536
"""Bytes kept for a slow connection before its writer is told to pause."""


class Plug:
    """What stands for a socket of the system where a library asks for one."""

    family = AF_INET

    def __init__(self, end: End) -> None:
        self._end = end

    def getsockname(self) -> tuple[str, int]:
        return self._end.address

    def getpeername(self) -> tuple[str, int]:
        return self._end.peer

    def setsockopt(self, *options: Any) -> None:
        """There is nothing to set."""

    @property
    def is_readable(self) -> bool:
        """Whether there is something to read, if only the end."""
        return self._end.has_news


class End(asyncio.Transport):
    """A transport.

    address, peer: of this side and the other.  loop: that runs the simulation.
    """

    def __init__(
        self,
        connection: Connection,
        process: Process,
        address: tuple[str, int],
        peer: tuple[str, int],
    ) -> None:
        super().__init__({"sockname": address, "peername": peer, "socket": Plug(self)})
        self.connection = connection
        self.process = process
        self.address = address
        self.peer = peer
        self.is_gone = False
        self.is_slow = False
        self.outgoing: Pipe
        self.incoming: Pipe
        self._context = process.context
        self._loop = connection.loop
        self._protocol: Any = None
        self._inbox: deque[bytes] = deque()
        self._outbox: deque[bytes] = deque()
        self._kept = 0
        self._high, self._low = HIGH, HIGH // 4
        self._trouble: OSError | None = None
        self._is_reading = True
        self._is_paused = False
        self._is_closing = False
        self._has_ended = False
        self._is_told = False

    def __repr__(self) -> str:
        return f"<end of {self.connection} at {self.process.name}>"

    # What asyncio promises of a transport.

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> Any:
        return self._protocol

    def is_closing(self) -> bool:
        return self._is_closing

    def is_reading(self) -> bool:
        return self._is_reading and not self._is_closing

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        if not self._is_closing:
            self._is_reading = True
            self.tell()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = high if high is not None else 4 * low if low is not None else HIGH
        self._low = low if low is not None else self._high // 4
        self._pause()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        return self._kept

    def can_write_eof(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._has_ended:
            raise RuntimeError("Cannot call write() after write_eof()")
        if not data or self._is_closing:
            return
        if self._trouble is not None:
            self._soon(self._lose, self._trouble)
            return
        piece = self.connection.sent(self, bytes(data))
        if piece:
            self._outbox.append(piece)
            self._kept += len(piece)
            self._flush()
            self._pause()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        if not self._has_ended and not self._is_closing:
            self._has_ended = True
            self._flush()

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._flush()

    def abort(self) -> None:
        if not self.is_gone:
            self._outbox.clear()
            self._kept = 0
            self._is_closing = True
            self._leave(None)

    # Outgoing.

    def _flush(self) -> None:
        while self._outbox and (room := self.outgoing.room):
            piece = self._outbox.popleft()
            if len(piece) > room:
                self._outbox.appendleft(piece[room:])
                piece = piece[:room]
            self._kept -= len(piece)
            self.outgoing.put(piece)
        if self._outbox or self.is_gone:
            return
        if self._is_closing:
            self._leave(None)
        elif self._has_ended:
            self.outgoing.put(END)

    def _pause(self) -> None:
        if self._kept > self._high and not self._is_paused:
            self._is_paused = True
            self._protocol.pause_writing()

    def freed(self) -> None:
        """The other end has read: send more."""
        if not self.is_gone and (self._outbox or self._is_paused):
            self._soon(self._refill)

    def _refill(self) -> None:
        if self.is_gone:
            return
        if self._outbox:
            self._flush()
        if self._is_paused and self._kept <= self._low:
            self._is_paused = False
            self._protocol.resume_writing()

    # Incoming.

    @property
    def has_news(self) -> bool:
        """Whether something has come, if only the end."""
        return self.is_gone or bool(self._inbox) or self._trouble is not None

    def arrive(self, piece: bytes | Reset) -> None:
        """Bytes, the end of the stream, or a reset have come."""
        self.connection.arrived(self, piece)
        if self.is_gone:
            if not isinstance(piece, Reset) and piece is not END:
                self.outgoing.reset()
        elif isinstance(piece, Reset):
            self.fail(ConnectionResetError(104, "Connection reset by peer"))
        else:
            self._inbox.append(piece)
            self.tell()

    def fail(self, error: OSError) -> None:
        """The machine has given the connection up."""
        self._inbox.clear()
        self._outbox.clear()
        self._kept = 0
        self._trouble = error
        self.tell()

    def tell(self) -> None:
        """Let the protocol read what is there, if it wants to."""
        if self._is_told or self.is_gone or not (self._inbox or self._trouble):
            return
        if self._is_reading and (not self.is_slow or self._trouble):
            self._is_told = True
            self._soon(self._read)

    def _read(self) -> None:
        self._is_told = False
        if self.is_gone or not self._is_reading:
            return
        if self._trouble is not None:
            self._lose(self._trouble)
            return
        if self._is_closing or self.is_slow:
            return
        pieces = []
        while self._inbox and self._inbox[0] is not END:
            pieces.append(self._inbox.popleft())
        try:
            if pieces:
                data = b"".join(pieces)
                self.incoming.read(len(data))
                self._protocol.data_received(data)
            elif self._inbox:
                self._inbox.popleft()
                if not self._protocol.eof_received():
                    self.close()
        except Exception as error:
            self._loop.call_exception_handler(
                {
                    "message": "a protocol failed",
                    "exception": error,
                    "transport": self,
                    "protocol": self._protocol,
                }
            )
            self.abort()
        self.tell()

    # The end.

    def open(self, protocol: asyncio.BaseProtocol) -> None:
        """Give it to its protocol."""
        self._protocol = protocol
        self._soon(protocol.connection_made, self)

    def _lose(self, error: OSError) -> None:
        if not self.is_gone:
            self._is_closing = True
            self.is_gone = True
            self._soon(self._protocol.connection_lost, error)

    def _leave(self, error: OSError | None) -> None:
        """The program lets go: what was sent arrives, what comes now finds nobody."""
        self.is_gone = True
        if self._trouble is None:
            self.vanish(is_told=True)
        self._soon(self._protocol.connection_lost, error)

    def vanish(self, *, is_told: bool) -> None:
        """The machine closes it, for a program that has gone. is_told: whether the other side hears of it."""
        self.is_gone = self._is_closing = True
        if not is_told:
            self.outgoing.end()
        elif any(self._inbox):
            self.outgoing.reset()
        else:
            self.outgoing.put(END)
        self._inbox.clear()
        self._outbox.clear()

    def _soon(self, function: Callable[..., None], *arguments: Any) -> None:
        self._loop.call_soon(function, *arguments, context=self._context)
