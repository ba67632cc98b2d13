"""A small Bayeux client over a raw WebSocket, of which thousands fit into one process.

Three rules. It asks as Faye's client does: at once when its socket was cut, else when the server's advice says. It
knows where it is: a gap, a repeat or a reset is counted, never mended. It sends no frames but text and the answers to
pings, without which uvicorn cuts a socket after 40 s; all masked with zeros.
"""

from __future__ import annotations

import asyncio
import random
import socket
import time
import zlib
from base64 import b64encode
from typing import Any

import orjson

CHANNEL = "/api/items"
REFUSED = 0.25, 2.0
"""Seconds until one whose socket could not be opened tries again: at first, and at most."""
SMALL = 4_096
SEGMENT = 1_000
UPGRADE = (
    b"GET /faye HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + b64encode(bytes(16)) + b"\r\n%b\r\n"
)
DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"


class Subscriber(asyncio.Protocol):
    """One client of one channel.

    changes: by key the title that it heard last, None for a removed one; kept where ``is_keeping``.  heard: messages.
    position: the last seq.  at: when it was heard.  arrived: when it first heard something on this socket.
    delays: seconds from the writing of each change to its hearing.  refusal: the last answer that was none.
    """

    def __init__(self, port: int, *, is_keeping: bool = False, is_compressing: bool = False) -> None:
        self.client_id: str | None = None
        self.refusal: dict[str, Any] | None = None
        self.is_live = False
        self.position = ""
        self.at = self.arrived = 0.0
        self.heard = self.gaps = self.repeats = self.resets = self.handshakes = self.tries = 0
        self.intervals: list[float] = []
        self.changes: dict[Any, str | None] = {}
        self.delays: list[float] = []
        self._port = port
        self._is_keeping = is_keeping
        self._is_compressing = is_compressing
        self._is_leaving = False
        self._transport: asyncio.Transport | None = None
        self._opening: asyncio.Task[None] | None = None
        self._buffer = bytearray()
        self._is_open = False
        self._refused = 0

    def __repr__(self) -> str:
        line = "no line" if self._transport is None else "an open line" if self._is_open else "a line"
        told = f"{self.tries} tries, {self.handshakes} handshakes, refused {self.refusal or 'nothing'}"
        return f"{self.client_id} on {line}, live {self.is_live}, at {self.position}: {told}"

    # The socket.

    async def open(self) -> None:
        """Try once; it goes on by itself."""
        self.tries += 1
        try:
            await (self._open_small() if self._is_keeping else self._open_usual())
        except OSError:
            self._retry()

    async def _open_usual(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self._port)

    async def _open_small(self) -> None:
        """What the two ends of the system keep for it is small, so that it is soon the server's to keep.

        Not for a crowd that comes while its server goes: uvloop closes a socket that it was given, and that is lost
        before it is ready, a second time, as its number is another's (uvloop issues 645, 738).
        """
        loop = asyncio.get_running_loop()
        end = socket.socket()
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
        try:
            await loop.sock_connect(end, ("127.0.0.1", self._port))
            await loop.create_connection(lambda: self, sock=end)
        except OSError:
            end.close()
            raise

    def _retry(self) -> None:
        if not self._is_leaving:
            first, most = REFUSED
            wait = min(most, first * 2**self._refused) * (0.5 + random.random() / 2)
            self._refused += 1
            asyncio.get_running_loop().call_later(wait, self._open)

    def _open(self) -> None:
        if not self._is_leaving:
            self._opening = asyncio.get_running_loop().create_task(self.open())

    def cut(self) -> None:
        """The network breaks."""
        if self._transport is not None:
            self._transport.abort()

    def leave(self) -> None:
        """Go, without a word, and do not come back."""
        self._is_leaving = True
        self.cut()

    def stop_reading(self) -> None:
        assert self._transport is not None
        self._transport.pause_reading()

    def read_again(self) -> None:
        assert self._transport is not None
        self._transport.resume_reading()

    def connection_made(self, transport: Any) -> None:
        self._transport, self._is_open, self.arrived = transport, False, 0.0
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._buffer.clear()
        transport.write(UPGRADE % (DEFLATE if self._is_compressing else b""))

    def connection_lost(self, error: Exception | None) -> None:
        was_open, self.is_live, self._transport = self._is_open, False, None
        if was_open:
            self._refused = 0
            self._open()
        else:
            self._retry()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._is_open and not self._upgraded():
            return
        while (frame := self._frame()) is not None:
            for message in orjson.loads(frame):
                self._receive(message)

    def _upgraded(self) -> bool:
        head, end, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        if not end:
            return False
        if not head.startswith(b"HTTP/1.1 101"):
            self.cut()
            return False
        self._buffer = bytearray(rest)
        self._is_open = True
        self._begin()
        return True

    def _frame(self) -> bytes | None:
        """The text of the next frame that has come whole."""
        buffer = self._buffer
        while len(buffer) >= 2:
            length, start = buffer[1], 2
            if length >= 126:
                start = 4 if length == 126 else 10
                length = int.from_bytes(buffer[2:start], "big")
            if len(buffer) < max(start, 4) or len(buffer) < start + length:
                return None
            kind, text = buffer[0] & 15, bytes(buffer[start : start + length])
            if buffer[0] & 64:
                text = self._inflater.decompress(text + b"\0\0\xff\xff")
            del buffer[: start + length]
            if kind == 1:
                return text
            if kind == 8:
                self.cut()
                return None
            if kind == 9 and self._transport is not None:
                self._transport.write(bytes([0x8A, 0x80 | length]) + bytes(4) + text)
        return None

    def _send(self, *messages: dict[str, Any]) -> None:
        if self._transport is None or not self._is_open:
            return
        text = orjson.dumps(messages)
        size = len(text)
        head = bytes([0x81, 0x80 | size]) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
        self._transport.write(head + bytes(4) + text)

    def _later(self, seconds: float, call: Any) -> None:
        transport = self._transport

        def now() -> None:
            if self._transport is transport:
                call()

        asyncio.get_running_loop().call_later(seconds, now)

    # Bayeux.

    def _begin(self) -> None:
        if self.client_id is None:
            self._handshake()
        else:
            self._connect({"live": {"at": {CHANNEL: self.position}}} if self.position else None)

    def _handshake(self) -> None:
        self.handshakes += 1
        self._send(
            {
                "channel": "/meta/handshake",
                "version": "1.0",
                "supportedConnectionTypes": ["websocket"],
                "ext": {"live": {"version": 1}},
            }
        )

    def _subscribe(self) -> None:
        live = {"since": self.position} if self.position else {}
        self._send(
            {
                "channel": "/meta/subscribe",
                "clientId": self.client_id,
                "subscription": CHANNEL,
                "ext": {"live": live},
            }
        )

    def _connect(self, ext: dict[str, Any] | None = None) -> None:
        message = {"channel": "/meta/connect", "clientId": self.client_id, "connectionType": "websocket"}
        self._send({**message, "ext": ext} if ext else message)

    def _receive(self, message: dict[str, Any]) -> None:
        self.arrived = self.arrived or time.monotonic()
        if "data" in message:
            self._hear(message["data"])
            return
        channel, is_success = message["channel"], message.get("successful")
        self.refusal = self.refusal if is_success else message
        wait = message.get("advice", {}).get("interval", 0) / 1000
        if channel == "/meta/handshake":
            if not is_success:
                self._wait(wait, self._handshake)
                return
            self.client_id = message["clientId"]
            self._subscribe()
            self._connect()
        elif channel == "/meta/subscribe" and is_success:
            live = message["ext"]["live"]
            self.resets += bool(live.get("reset"))
            if not self.position or live.get("reset"):
                self.position = live["seq"]
        elif channel == "/meta/connect" and is_success:
            self.is_live = True
            self._wait(wait, self._connect)
        elif channel == "/meta/connect":
            self.client_id = None
            self._wait(wait, self._handshake)

    def _wait(self, seconds: float, call: Any) -> None:
        if seconds:
            self.intervals.append(seconds)
            self._later(seconds, call)
        else:
            call()

    def _hear(self, data: dict[str, Any]) -> None:
        now = time.monotonic()
        seq, prev = data["seq"], data.get("prev")
        if seq <= self.position:
            self.repeats += 1
            return
        if prev is not None and prev > self.position:
            self.gaps += 1
        if data["method"] == "RESET":
            self.resets += 1
        self.position, self.at = seq, now
        self.heard += 1
        if "body" not in data:
            return
        title = data["body"]["title"]
        self.delays.append(now - float(title.partition(" ")[0]))
        if self._is_keeping:
            self.changes[data["body"]["id"]] = None if data["method"] == "DELETE" else title
