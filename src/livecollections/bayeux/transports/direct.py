"""Direct: uvicorn's WebSocket protocol, which lets frames past ASGI to its transport.

Four rules. It is uvicorn's own in all that it does; it only offers a writer in ``scope["extensions"]`` beside. Whole
frames go, while the socket is open and its buffer not full, so they never cross a close, and pings and pongs stand
between them. What was compressed once may go to all, since no frame needs the one before it. On uvloop they go to the
socket's descriptor while nothing waits in its buffer: uvloop closes it only after it has told ``connection_lost``.

    uvicorn site:app --ws livecollections.bayeux.transports.direct:DirectProtocol
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Coroutine
from functools import lru_cache
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.protocol import State

from ..load import framed
from ..straight import NONE, Straight
from .keepalive import Keepalive
from .waiter import Flag, Inbox
from .writer import EXTENSION

WINDOW, MEMORY = 12, 5
"""Of zlib: as uvicorn has it."""
_DEFLATED = b"\xc1"
"""The first byte of a text frame that is whole and compressed."""
WORTH_IT = 1_024
"""Bytes from which on a frame is compressed for those who agreed to that."""
REPEATED = 512
"""Names of headers, and values of those that many share, that are kept once."""
_COMMON = {
    b"accept-encoding", b"accept-language", b"cache-control", b"connection", b"host", b"origin", b"pragma",
    b"sec-websocket-extensions", b"sec-websocket-version", b"upgrade", b"user-agent",
}  # fmt: skip
SHARED = 64
"""Compressed frames that are remembered while they go to many."""


class DirectProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol, and a writer (see ``writer.Writer``)."""

    # What uvicorn's has too: in a dictionary of each instance's own it takes five times as much.
    __slots__ = (
        "_changed", "_keepalive", "_slot", "_straight", "app", "app_state", "asgi_version", "client", "close_sent",
        "close_timeout", "close_timer", "config", "conn", "connections", "curr_msg_data_type", "default_headers",
        "disconnected", "frames", "handshake_complete", "handshake_initiated", "initial_response", "last_ping_rtt",
        "logger", "loop", "pending_ping_payload", "ping_interval", "ping_sent_at", "ping_timeout", "ping_timer",
        "pong_timer", "queue", "read_paused", "request", "response", "root_path", "scheme", "scope", "server",
        "tasks", "transport", "writable",
    )  # fmt: skip

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.queue = Inbox()  # type: ignore[assignment]
        self.writable = Flag()  # type: ignore[assignment]
        self._changed: Callable[[], None] | None = None
        self._keepalive = _keepalive_of(server_state, self.loop)
        self._slot = 0
        self._straight: Straight | None = None
        if self.conn.available_extensions:
            self.conn.available_extensions = _EXTENSIONS

    def run_asgi(self) -> Coroutine[Any, Any, None]:
        extensions: dict[str, Any] = self.scope["extensions"]
        extensions[EXTENSION] = self
        self.scope["headers"] = [
            (_one(name), _one(value) if name in _COMMON else value) for name, value in self.scope["headers"]
        ]
        return super().run_asgi()

    def start_keepalive(self) -> None:
        super().start_keepalive()
        # The handshake is over: for as long as the socket lives nobody asks for it again.
        self.request.headers.clear()
        del self.response

    # The writer.

    @property
    def is_open(self) -> bool:
        return self.writable.is_set() and self.handshake_complete and not self.is_gone

    @property
    def is_gone(self) -> bool:
        return self.disconnected or self.conn.state is not State.OPEN or self.transport.is_closing()

    @property
    def put(self) -> Callable[[bytes], None]:
        if self.conn.extensions:
            return self._put_deflated
        if self._straight is None and _lends(self.transport):
            self._straight = Straight(self.transport.write)
        return self._straight or self.transport.write

    def _put_deflated(self, frame: bytes) -> None:
        if len(frame) >= WORTH_IT:
            (extension,) = self.conn.extensions
            assert isinstance(extension, PerMessageDeflate)
            frame = _deflated(frame, extension.local_max_window_bits)
        self.transport.write(frame)

    def bound(self, size: int) -> None:
        # Compressed ones count by what they are when unpacked.
        self.conn.max_message_size = size

    def watch(self, changed: Callable[[], None] | None) -> None:
        self._changed = changed
        if self._straight is not None and changed is not None:
            # It says that it is paused as soon as anything waits in it, and goes on when nothing does.
            self.transport.set_write_buffer_limits(high=0)
        self._lend()

    def _lend(self) -> None:
        if self._straight is not None:
            is_lent = self._changed is not None and self.is_open
            self._straight.descriptor = self.transport.get_extra_info("socket").fileno() if is_lent else NONE

    def _change(self) -> None:
        self._lend()
        if self._changed is not None:
            self._changed()

    # What may open or close it.

    def pause_writing(self) -> None:
        super().pause_writing()
        self._change()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._change()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._straight is not None:
            self._straight.descriptor = NONE
        super().connection_lost(exc)
        self._change()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.state is not State.OPEN:
            self._change()

    def shutdown(self) -> None:
        # uvicorn's sends a close here too, which is refused and ends the whole server's stop before its lifespan's.
        if not self.transport.is_closing():
            super().shutdown()
        self._change()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._change()

    # Pings.

    def schedule_ping(self) -> None:
        assert self.ping_interval is not None
        self._slot = self._keepalive.add(self, max(0.0, self.ping_interval - self.last_ping_rtt))

    def ping(self) -> None:
        self._slot = 0
        self.send_keepalive_ping()

    def stop_keepalive(self) -> None:
        super().stop_keepalive()
        if self._slot:
            self._keepalive.discard(self, self._slot)
            self._slot = 0


def _lends(transport: asyncio.Transport) -> bool:
    """Whether what is written to the socket's descriptor is what its transport would write to it, and no sooner."""
    kind = type(transport)
    return kind.__module__ == "uvloop.loop" and kind.__name__ in ("TCPTransport", "UnixTransport")


_KEPT = "livecollections.keepalive"
_EXTENSIONS = [
    ServerPerMessageDeflateFactory(
        server_no_context_takeover=True,
        client_no_context_takeover=True,
        server_max_window_bits=WINDOW,
        client_max_window_bits=WINDOW,
        compress_settings={"memLevel": MEMORY},
    )
]


def _keepalive_of(state: ServerState, loop: asyncio.AbstractEventLoop) -> Keepalive:
    """That of a server, kept with it: any table would hold on to the server, since the loop leads to it."""
    kept = vars(state)
    if _KEPT not in kept:
        kept[_KEPT] = Keepalive(loop)
    found: Keepalive = kept[_KEPT]
    return found


@lru_cache(REPEATED)
def _one(text: bytes) -> bytes:
    """The same for all sockets whose headers say the same."""
    return text


@lru_cache(SHARED)
def _deflated(frame: bytes, bits: int) -> bytes:
    """The same frame compressed, by no context."""
    header = {126: 4, 127: 10}.get(frame[1], 2)
    encoder = zlib.compressobj(wbits=-bits, memLevel=MEMORY)
    payload = encoder.compress(frame[header:]) + encoder.flush(zlib.Z_SYNC_FLUSH)
    return framed(payload[:-4], _DEFLATED)
