"""FaultProxy: a TCP proxy on loopback that does to connections what networks do to them.

Three rules. A fault begins when it is asked for, and is for the connections that are there as for those that
come; ``heal`` ends it. Bytes are late, or lost with all that follows them, but never changed, doubled or put
in another order; what ``inject`` adds is the caller's. A connection that became half-open never comes back:
neither end is told that the other has gone.

It knows TCP, and of HTTP only what ``inject`` and ``answer`` need: that a WebSocket begins with a 101, and how a
status is said.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlsplit

CHUNK = 16_384
"""Bytes read at a time."""
LATE = 64
"""Chunks kept per direction; a sender that is ahead by more has to wait, as on a real line."""
PIECES = 20
"""Writes per second into which a throttled line cuts what it carries, so that it is slow and not merely late."""
RESET = b"\1\0\0\0\0\0\0\0"
"""SO_LINGER: on, 0 seconds. What is closed so is reset."""
UPGRADED = b"HTTP/1.1 101 "
"""How a server's side of a WebSocket begins."""
LINGER = 1.0
"""Seconds for which what a client still sends is read after it was answered in the server's place."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a proxy has carried since it was opened.

    accepted: connections.  refused: those that were reset at once.  open: those that are there now.
    up: bytes that came from clients.  down: bytes that came from the server.  swallowed: those of both that
    went nowhere, because their connection was half-open.  answered: requests that were told a status in the
    server's place.  aged: connections that were closed for their age.
    """

    accepted: int = 0
    refused: int = 0
    open: int = 0
    up: int = 0
    down: int = 0
    swallowed: int = 0
    answered: int = 0
    aged: int = 0


class FaultProxy:
    """A proxy in front of one server: ``async with FaultProxy(url) as proxy``, and connect to ``proxy.url``.

    Its own address stays the same while servers come and go behind it.

    Args:
        target: the server, as "http://127.0.0.1:8000" (the path does not matter); None: none yet, so that
            connections are refused until ``aim``.
    """

    def __init__(self, target: str | None = None) -> None:
        self.port = 0
        self._target: tuple[str, int] | None = None
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._traffic = Traffic()
        self._delay = 0.0
        self._rate: float | None = None
        self._refuses = False
        self._swallows = False
        self._status: int | None = None
        self._oldest: float | None = None
        if target is not None:
            self.aim(target)

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._listener is not None
        self._listener.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._listener.wait_closed()

    @property
    def url(self) -> str:
        """The proxy's own address, ``http://127.0.0.1:<port>``."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def traffic(self) -> Traffic:
        """The counts as of now."""
        return replace(self._traffic, open=len(self._connections))

    # Faults.

    def aim(self, target: str) -> None:
        """Let connections that come from now on lead to another server."""
        parts = urlsplit(target)
        if not parts.hostname or not parts.port:
            raise ValueError(f"an address such as 'http://127.0.0.1:8000' is expected, not {target!r}")
        self._target = parts.hostname, parts.port

    def cut(self, *, reset: bool = True) -> int:
        """End every connection; returns how many there were.

        Args:
            reset: with RST, as a router that lost its table; False: with FIN, as a server that closes.
        """
        cut = list(self._connections)
        for connection in cut:
            connection.end(reset)
        return len(cut)

    def half_open(self) -> None:
        """Swallow whatever either end sends, and tell neither: as a cable that was pulled.

        What connects is accepted, and swallowed too, until ``heal``.
        """
        self._swallows = True
        for connection in self._connections:
            connection.is_dead = True

    def refuse(self) -> None:
        """Reset what connects; connections that are there stay."""
        self._refuses = True

    def offline(self) -> None:
        """Cut every connection and refuse those that come: as a laptop without a network."""
        self.refuse()
        self.cut()

    def delay(self, seconds: float) -> None:
        """Deliver everything so many seconds late, each way."""
        self._delay = seconds

    def throttle(self, rate: float) -> None:
        """Carry at most ``rate`` bytes per second, each way on each connection."""
        if rate <= 0:
            raise ValueError(f"bytes per second are expected, more than 0, not {rate!r}")
        self._rate = rate

    def age(self, seconds: float) -> None:
        """Close, with FIN, every connection that becomes so old, as proxies do whatever is on it."""
        self._oldest = seconds
        for connection in self._connections:
            connection.grow_old(seconds)

    def answer(self, status: int) -> None:
        """Answer every request with a status in the server's place, as a proxy does whose server is away.

        Requests that wait are answered so too; all other connections are closed, and nobody connects.
        """
        self._status = status
        for connection in list(self._connections):
            connection.answer(status)

    def inject(self, noise: bytes, *, up: bool = False) -> int:
        """Put bytes between those that WebSockets carry; returns how many had them.

        Args:
            noise: they come whole, but perhaps in the middle of a frame.
            up: to the server, rather than to the client.
        """
        sockets = [connection for connection in self._connections if connection.is_socket]
        for connection in sockets:
            connection.inject(noise, up)
        return len(sockets)

    def heal(self) -> None:
        """Carry everything at once again. What is half-open stays so; cut it if it is to go."""
        self._refuses = self._swallows = False
        self._delay, self._rate = 0.0, None
        self._status = self._oldest = None

    # Connections.

    def _count(self, **more: int) -> None:
        counts = {name: getattr(self._traffic, name) + count for name, count in more.items()}
        self._traffic = replace(self._traffic, **counts)

    def _answered(self, asked: bytes) -> None:
        """Count a request that was answered in the server's place. asked: how it began."""
        self._count(answered=1)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._status is not None:
            if asked := await _say(self._status, reader, writer):
                self._answered(asked)
            return
        try:
            if self._refuses or self._target is None:
                raise ConnectionRefusedError
            far = await asyncio.open_connection(*self._target)
        except BaseException as error:
            _end(writer, reset=True)
            if not isinstance(error, OSError):
                raise
            self._count(refused=1)
            return
        self._count(accepted=1)
        connection = _Connection(self, (reader, writer), far)
        self._connections.add(connection)
        if self._oldest is not None:
            connection.grow_old(self._oldest)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            connection.end(reset=False)


class _Connection:
    """A client's connection, and the one to the server that it stands for."""

    def __init__(
        self,
        proxy: FaultProxy,
        near: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        far: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self.is_dead = proxy._swallows
        self.is_socket = False
        self._asked = b""
        self._proxy = proxy
        self._near = near
        self._far = far
        self._born = asyncio.get_running_loop().time()
        self._ended = asyncio.Event()

    def end(self, reset: bool) -> None:
        """End both halves."""
        for _, writer in (self._near, self._far):
            _end(writer, reset)
        self._ended.set()

    def grow_old(self, seconds: float) -> None:
        """End when it is so old, unless the proxy is healed before."""
        asyncio.get_running_loop().call_at(self._born + seconds, self._too_old, seconds)

    def _too_old(self, seconds: float) -> None:
        if self._proxy._oldest == seconds and not self._ended.is_set():
            self._proxy._count(aged=1)
            self.end(reset=False)

    def answer(self, status: int) -> None:
        """Answer what waits with a status, and close."""
        if self._asked and not self.is_socket and not self.is_dead:
            self._near[1].write(_response(status))
            self._proxy._answered(self._asked)
        self.end(reset=False)

    def inject(self, noise: bytes, up: bool) -> None:
        """Write what neither end has sent."""
        if not self.is_dead:
            (self._far if up else self._near)[1].write(noise)

    def _met(self, chunk: bytes, up: bool) -> None:
        self.is_socket = self.is_socket or (not up and chunk.startswith(UPGRADED))
        self._asked = self._asked or chunk if up else b""
        self._proxy._count(**{"up" if up else "down": len(chunk)})

    async def run(self) -> None:
        """Carry bytes until both ends have gone; a half-open one stays until it is cut."""
        (client, to_client), (server, to_server) = self._near, self._far
        await asyncio.gather(
            self._carry(client, to_server, lambda chunk: self._met(chunk, up=True)),
            self._carry(server, to_client, lambda chunk: self._met(chunk, up=False)),
        )
        if self.is_dead:
            await self._ended.wait()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, meet: Callable[[bytes], None]
    ) -> None:
        late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(LATE)
        delivery = asyncio.ensure_future(self._deliver(late, writer))
        try:
            async for chunk in _chunks(reader):
                meet(chunk)
                await late.put((asyncio.get_running_loop().time() + self._proxy._delay, chunk))
            await late.put((asyncio.get_running_loop().time() + self._proxy._delay, b""))
            await delivery
        finally:
            delivery.cancel()

    async def _deliver(self, late: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            due, chunk = await late.get()
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            if self.is_dead:
                self._proxy._count(swallowed=len(chunk))
            elif chunk:
                await self._write(writer, chunk)
            else:
                _end(writer, reset=False)
            if not chunk:
                return

    async def _write(self, writer: asyncio.StreamWriter, chunk: bytes) -> None:
        try:
            while (rate := self._proxy._rate) is not None and chunk and not writer.is_closing():
                piece = max(1, int(rate / PIECES))
                writer.write(chunk[:piece])
                await writer.drain()
                await asyncio.sleep(min(piece, len(chunk)) / rate)
                chunk = chunk[piece:]
            writer.write(chunk)
            await writer.drain()
        except OSError:
            # It has gone; who still sends to it hears so from its other half.
            self.end(reset=True)


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """What a reader gives until it ends, in whatever way."""
    while True:
        try:
            chunk = await reader.read(CHUNK)
        except OSError:
            return
        if not chunk:
            return
        yield chunk


def _end(writer: asyncio.StreamWriter, reset: bool) -> None:
    raw = writer.get_extra_info("socket")
    if not reset:
        writer.close()
        return
    if raw is not None and not writer.transport.is_closing():
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


def _response(status: int) -> bytes:
    body = f"<html><body>{status}</body></html>".encode()
    head = f"HTTP/1.1 {status} Away\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body


async def _say(status: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Answer one request with a status, if one comes, and tell how it began; its rest is read, since else the answer
    would be lost in a reset."""
    asked = b""
    try:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(LINGER):
                if asked := await reader.read(CHUNK):
                    writer.write(_response(status))
                    writer.write_eof()
                async for _ in _chunks(reader):
                    pass
    finally:
        _end(writer, reset=False)
    return asked
