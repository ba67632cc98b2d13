"""The network: hosts, the connections between them, and everything that goes wrong with these.

Three rules. A fault is for the connections that are there as for those that come, until ``heal``; what was cut or
severed stays so. Connections are independent of each other, so what travels on two may arrive in either order.
Whatever is drawn is drawn from the seed.

There is TCP, and no TLS. Names are those of the hosts.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

from .connection import Connection
from .end import End
from .host import Host
from .line import Line
from .listener import Listener
from .loop import Loop
from .pipe import Reset
from .process import PROCESS, Process
from .repeat import ANSWER, repeat
from .requests import Request
from .trace import Trace

TOO_LATE = 127.0
"""Seconds after which the system gives up connecting."""
WRITING = ("POST", "PUT", "PATCH", "DELETE")

RETRY = 0.02
"""Seconds at most between a request that a proxy sent on a connection that was closed, and the same again."""

Matches = Callable[[Connection, bytes], bool]


@dataclass(frozen=True, slots=True)
class Loss:
    """What is to be lost: the next bytes to a host that match."""

    host: Host
    matches: Matches
    severs: bool


@dataclass(frozen=True, slots=True)
class Hold:
    """What is to be late: the next answer to a host's request. sent: set when that answer is on its way."""

    host: Host
    methods: Sequence[str]
    seconds: float
    sent: asyncio.Event


@dataclass(frozen=True, slots=True)
class Repeat:
    """What is to come twice: the next request of a host that matches."""

    host: Host
    matches: Callable[[Request], bool]
    is_retried: bool


class Network:
    """All hosts, and what joins them. Hosts are named in every method."""

    def __init__(self, seed: str, loop: Loop, trace: Trace) -> None:
        self.loop = loop
        self.connections: list[Connection] = []
        self.random = Random(seed)
        self._seed = seed
        self._trace = trace
        self._hosts: dict[str, Host] = {}
        self._lines: dict[str, Line] = {}
        self._listeners: dict[tuple[str, int], Listener] = {}
        self._losses: list[Loss] = []
        self._holds: list[Hold] = []
        self._repeats: list[Repeat] = []
        self._cleared = asyncio.Event()
        self._made = 0

    # Hosts.

    def host(self, name: str) -> Host:
        """A host; made when it is first named."""
        if name not in self._hosts:
            address = f"10.0.0.{len(self._hosts) + 1}"
            host = Host(name, address, f"{self._seed}/{name}", self.loop, self._trace)
            host.woken.append(self._resume)
            self._hosts[name] = host
            self._lines[name] = Line()
        return self._hosts[name]

    @property
    def hosts(self) -> list[Host]:
        """All hosts, in the order in which they were named first."""
        return [*self._hosts.values()]

    def line(self, host: Host) -> Line:
        """What joins a host to the rest."""
        return self._lines[host.name]

    def resolve(self, host: str | bytes) -> str:
        """The address of a name."""
        return self._named(host).address

    def _named(self, name: str | bytes) -> Host:
        name = name.decode() if isinstance(name, bytes) else name
        for host in self._hosts.values():
            if name in (host.name, host.address):
                return host
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    # Connecting.

    async def connect(
        self, factory: Callable[[], Any], host: str, port: int, source: str | None = None
    ) -> tuple[Any, Any]:
        """As ``create_connection`` of a loop. source: the address that the server sees, if not the host's own."""
        process = PROCESS.get()
        here, there = process.host, self._named(host)
        self._made += 1
        number = self._made
        random = Random(f"{self._seed}/{here.name}/{number}")
        try:
            async with asyncio.timeout(TOO_LATE):
                await self._travel(here, there, random)
        except TimeoutError:
            raise TimeoutError(errno.ETIMEDOUT, "Connection timed out") from None
        listener = self._listeners.get((there.name, port))
        if listener is None or self.line(here).refuses or self.line(there).refuses:
            self._trace.note(here.name, f"#{number} to {there.name} is refused")
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        self._trace.note(here.name, f"#{number} to {there.name} is open")
        connection = Connection(self, number, process, listener.process, port, random, source)
        self.connections = [each for each in self.connections if not each.is_over]
        self.connections.append(connection)
        for end in connection.ends:
            end.is_slow = self.line(end.process.host).is_slow
        connection.server.open(listener.process.call(listener.factory))
        protocol = factory()
        connection.client.open(protocol)
        await asyncio.sleep(0)
        return connection.client, protocol

    async def _travel(self, here: Host, there: Host, random: Random) -> None:
        """There and back, once there is a way."""
        lines = self.line(here), self.line(there)
        while True:
            await asyncio.sleep(2 * sum(line.latency(random) for line in lines))
            if not any(line.is_cut_off for line in lines) and not there.is_asleep:
                return
            await self._cleared.wait()

    def listen(self, factory: Callable[[], Any], host: str | None, port: int) -> Listener:
        """As ``create_server`` of a loop."""
        process = PROCESS.get()
        key = process.host.name, port
        if key in self._listeners:
            raise OSError(errno.EADDRINUSE, "Address already in use")
        listener = Listener(process, factory, port, lambda: self._listeners.pop(key, None))
        self._listeners[key] = listener
        return listener

    # What travels.

    def sent(self, connection: Connection, end: End, data: bytes) -> bytes:
        """Bytes are sent from an end; the answer is what is left of them."""
        if end is connection.client:
            request = connection.requests.feed(data)
            if request is not None and self._repeats:
                self._repeat(connection, request)
            return data
        for loss in self._losses:
            if loss.host is connection.client.process.host and loss.matches(connection, data):
                self._losses.remove(loss)
                self._trace.note(loss.host.name, f"{connection} loses", data)
                if loss.severs:
                    connection.sever()
                else:
                    connection.cut()
                return b""
        self._hold(connection, data)
        return data

    def _hold(self, connection: Connection, data: bytes) -> None:
        for hold in self._holds:
            if hold.host is connection.client.process.host and _answers(connection, data, hold.methods):
                self._holds.remove(hold)
                self._trace.note(hold.host.name, f"{connection} is held for {hold.seconds:g} s", data)
                connection.late = hold.seconds
                hold.sent.set()
                return

    def arrived(self, connection: Connection, end: End, piece: bytes | Reset) -> None:
        """A piece has come to an end."""
        place, data = end.process.host.name, None
        what = f"#{connection.number} gets"
        if isinstance(piece, Reset):
            what += " a reset"
        elif piece:
            data = piece
        else:
            what += " the end"
        self._trace.note(place, what, data)

    # Faults.

    def of(self, host: str) -> list[Connection]:
        """The connections of a host that are not over."""
        named = self.host(host)
        return [
            each
            for each in self.connections
            if not each.is_over and named in (each.client.process.host, each.server.process.host)
        ]

    def delay(self, host: str, low: float, high: float) -> None:
        """Let each piece to and from a host take from ``low`` to ``high`` seconds more."""
        line = self.line(self.host(host))
        line.low, line.high = low, high
        self._trace.note(host, f"its line takes {low:g} to {high:g} s")

    def cut(self, host: str, *, reset: bool = True) -> int:
        """End all connections of a host, with RST or with FIN; returns how many there were."""
        cut = self.of(host)
        self._trace.note(host, f"{len(cut)} connections are cut{'' if reset else ' with FIN'}")
        for connection in cut:
            connection.cut(reset=reset)
        return len(cut)

    def half_open(self, host: str) -> int:
        """Let nothing through on the connections that a host has now, and tell nobody; returns how many."""
        severed = self.of(host)
        self._trace.note(host, f"{len(severed)} connections are half open")
        for connection in severed:
            connection.sever()
        return len(severed)

    def refuse(self, host: str) -> None:
        """Refuse what a host connects to, and what connects to it; connections that are there stay."""
        self.line(self.host(host)).refuses = True
        self._trace.note(host, "connections are refused")

    def partition(self, host: str) -> None:
        """Let nothing through to and from a host until it is healed; what is sent meanwhile arrives then."""
        self.line(self.host(host)).is_cut_off = True
        self._trace.note(host, "is cut off")

    def slow(self, host: str) -> None:
        """Have the programs of a host read nothing of what comes, until it is healed."""
        self.line(self.host(host)).is_slow = True
        self._trace.note(host, "stops reading")
        for connection in self.of(host):
            for end in connection.ends:
                end.is_slow = end.is_slow or end.process.host.name == host

    def lose(self, host: str, matches: Matches, *, severs: bool = False) -> None:
        """Lose the next bytes to a host for which ``matches(connection, bytes)`` is true, with their connection.

        severs: nobody is told, as with ``half_open``; else both sides get a reset.
        """
        self._losses.append(Loss(self.host(host), matches, severs))

    def lose_answer(self, host: str, methods: Sequence[str] = WRITING, *, severs: bool = False) -> None:
        """Lose the next answer to a request of a host, obeyed or not, with its connection."""
        self.lose(host, lambda connection, data: _answers(connection, data, methods), severs=severs)

    def hold_answer(self, host: str, methods: Sequence[str], seconds: float) -> asyncio.Event:
        """Have the next answer to such a request of a host travel longer; the event is set when it was sent.

        Args:
            seconds: how much longer.
        """
        hold = Hold(self.host(host), methods, seconds, asyncio.Event())
        self._holds.append(hold)
        return hold.sent

    def lose_push(self, host: str, channel: str, *, severs: bool = False) -> None:
        """Lose the next bytes to a host that tell of a channel, with their connection."""
        text = f'"channel":"{channel}"'.encode()
        self.lose(host, lambda connection, data: text in data, severs=severs)

    def repeat(self, host: str, matches: Callable[[Request], bool], *, is_retried: bool = False) -> None:
        """Have the next request of a host for which ``matches(request)`` is true sent twice; one answer counts.

        is_retried: that of the second, as with a proxy whose connection was closed before the answer to the first;
        else the second gets lost, or comes to nobody.
        """
        self._repeats.append(Repeat(self.host(host), matches, is_retried))

    def duplicate(self, host: str, methods: Sequence[str] = WRITING) -> None:
        """Have the next such request of a host sent twice, as a proxy does that got no answer; one answer counts."""
        self.repeat(host, lambda request: request.method in methods)

    def heal(self, host: str | None = None) -> None:
        """End the faults of a host, or of all; what is cut or half open stays so."""
        names = [*self._hosts] if host is None else [host]
        for name in names:
            self.line(self.host(name)).heal()
            for connection in self.of(name):
                for end in connection.ends:
                    if end.process.host.name == name:
                        end.is_slow = False
                        end.tell()
        self._losses = [each for each in self._losses if each.host.name not in names]
        self._repeats = [each for each in self._repeats if each.host.name not in names]
        self._holds = [each for each in self._holds if each.host.name not in names]
        self._trace.note(host or "network", "is healed")
        self._resume()

    def kill(self, process: Process, *, is_told: bool) -> None:
        """Close all that a process held. is_told: whether the other sides hear of it."""
        for connection in self.connections:
            for end in connection.ends:
                if end.process is process and not end.is_gone:
                    end.vanish(is_told=is_told)
        for listener in [*self._listeners.values()]:
            if listener.process is process:
                listener.close()

    def close(self) -> None:
        """End it: nobody is reached any more."""
        self._listeners.clear()
        for connection in self.connections:
            connection.sever()
            for end in connection.ends:
                end.vanish(is_told=False)
        for line in self._lines.values():
            line.heal()
            line.refuses = True

    def _resume(self) -> None:
        self._cleared.set()
        self._cleared = asyncio.Event()
        for connection in self.connections:
            connection.resume()

    def _repeat(self, connection: Connection, request: Request) -> None:
        for wanted in self._repeats:
            if connection.client.process.host is wanted.host and wanted.matches(request):
                self._repeats.remove(wanted)
                again = "is sent on a connection that is closed" if wanted.is_retried else "is repeated"
                self._trace.note(wanted.host.name, f"{connection} {again}: {request.method} {request.path}")
                seconds = self.random.random() * RETRY
                if wanted.is_retried:
                    connection.late = seconds
                self.host("proxy").start(self._send_again(connection, request.raw, seconds, wanted), "repeat")
                return

    async def _send_again(self, connection: Connection, raw: bytes, seconds: float, wanted: Repeat) -> None:
        (there, port), (source, _) = connection.server.address, connection.client.address
        if not wanted.is_retried:
            await asyncio.sleep(seconds)
        with suppress(OSError):
            await repeat(raw, there, port, source, seconds if wanted.is_retried else ANSWER)


def _answers(connection: Connection, data: bytes, methods: Sequence[str]) -> bool:
    last = connection.requests.last
    is_whole = last is not None and not connection.requests.is_socket
    return is_whole and last is not None and last.method in methods and data.startswith(b"HTTP/1.1")
