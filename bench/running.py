"""A server under measurement, and the clients of the load generator that are connected to it.

One rule: both stay up through all rounds of a scenario, so that a round measures no start.
"""

from __future__ import annotations

import os
import random
import select
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson
import psutil

from .contenders import CONTROL, PORT, Contender
from .machine import ROOT, cores
from .native import PROGRAMS, program

START = 60.0
"""Seconds that a server may take to listen."""
CONNECT = 180.0
"""Seconds that all clients may take to subscribe."""
ANSWER = 180.0
"""Seconds that a round may take beyond its own."""
LOWEST = 12_000
"""Of the ports for servers."""
FIRST_OF_CLIENTS = 32_768
"""Of the ports that a system gives to clients, where it does not say."""
TRIES = 500
STARTS = 3
"""How often a server is started, if its port is taken."""


class Served(AbstractContextManager["Served"]):
    """A server in its own process; it may still be starting until it is waited for."""

    def __init__(self, contender: Contender) -> None:
        self.contender = contender
        self.port, self.control = free_ports(2)
        command = [self._filled(part) for part in contender.command]
        if command[0] in PROGRAMS:
            command[0] = program(command[0])
        environment = {name: self._filled(value) for name, value in contender.environment.items()}
        with cores(for_servers=True):
            self._process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment})
        self._ps = psutil.Process(self._process.pid)
        self._is_listening = False

    def _filled(self, part: str) -> str:
        return part.replace(PORT, str(self.port)).replace(CONTROL, str(self.control))

    def wait_listening(self) -> None:
        """Return when it listens.

        Raises:
            RuntimeError: it does not.
        """
        if not self._is_listening:
            if not all(is_listening(port, self._process) for port in (self.port, self.control)):
                raise RuntimeError(f"{self.contender.name} did not start")
            self._is_listening = True

    @property
    def cpu(self) -> float:
        """Seconds of processor that it has used."""
        times = self._ps.cpu_times()
        return times.user + times.system

    @property
    def resident(self) -> int:
        """Bytes of memory that it has."""
        return int(self._ps.memory_info().rss)

    def collect(self) -> None:
        """Have it collect its garbage, where there is such a thing."""
        with socket.create_connection(("127.0.0.1", self.control), timeout=ANSWER) as asked:
            asked.sendall(b"collect\n")
            asked.recv(64)

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Clients(AbstractContextManager["Clients"]):
    """The load generator's clients of one server, all subscribed once this is made.

    Args:
        number: of them.  polls: by long-polling.  extra: channels of its own that each subscribes to besides.
        rooms: they are in ten of a hundred rooms instead.
    """

    def __init__(
        self, server: Served, number: int, *, polls: bool = False, extra: int = 0, rooms: bool = False
    ) -> None:
        server.wait_listening()
        self.server = server
        self.number = number
        contender = server.contender
        protocol = "poll" if polls else contender.protocol
        ports = map(str, (server.port, server.control))
        arguments = [protocol, *ports, contender.path, str(number), str(extra), str(int(rooms))]
        with cores(for_servers=False):
            self._process = subprocess.Popen(
                [program("load"), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        try:
            self.seconds = float(self._answer(CONNECT)["seconds"])
        except BaseException:
            self.stop()
            raise

    def ask(self, command: str, *values: float, seconds: float = 0.0) -> dict[str, Any]:
        """What the generator found.

        Args:
            seconds: that the command is to take.

        Raises:
            RuntimeError: it failed; with its words.
        """
        assert self._process.stdin is not None
        line = " ".join([command, *(f"{value:g}" for value in values)])
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        return self._answer(seconds + ANSWER)

    def _answer(self, patience: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        can_read, _, _ = select.select([self._process.stdout], [], [], patience)
        line = self._process.stdout.readline() if can_read else b""
        if line:
            found: dict[str, Any] = orjson.loads(line)
            return found
        self._process.kill()
        assert self._process.stderr is not None
        words = self._process.stderr.read().decode(errors="replace").strip()
        raise RuntimeError(f"{self.server.contender.name}: {words or 'the load generator gave no answer'}")

    def stop(self) -> None:
        """Close all of them."""
        with suppress(OSError):
            self._process.kill()
        self._process.communicate()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


@contextmanager
def serving(command: Sequence[str], settings: Mapping[str, str]) -> Iterator[tuple[int, psutil.Process]]:
    """A server that is no fan-out, in a process of its own; gives its port and the process.

    Args:
        command: with ``PORT`` where its port belongs.
        settings: of its environment.
    """
    for _ in range(STARTS):
        (port,) = free_ports(1)
        process = started(command, settings, port)
        try:
            if is_listening(port, process):
                yield port, psutil.Process(process.pid)
                return
        finally:
            process.kill()
            process.wait()
    raise RuntimeError(f"{' '.join(command)} did not start")


def started(command: Sequence[str], settings: Mapping[str, str], port: int) -> subprocess.Popen[bytes]:
    """The process of such a server; it may still be starting."""
    filled = [part.replace(PORT, str(port)) for part in command]
    with cores(for_servers=True):
        return subprocess.Popen(filled, cwd=ROOT, env={**os.environ, **settings})


def is_listening(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Whether it came to listen; its port may have been taken meanwhile."""
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.02)
    return False


def free_ports(number: int) -> Sequence[int]:
    """Ports on which nobody listens, and that the system gives to no client, which could take it before the server."""
    found: list[int] = []
    for port in random.sample(range(LOWEST, _first_of_clients()), TRIES):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == number:
            return found
    raise RuntimeError(f"{number} free ports were not found")


def _first_of_clients() -> int:
    path = Path("/proc/sys/net/ipv4/ip_local_port_range")
    return int(path.read_text("ascii").split()[0]) if path.exists() else FIRST_OF_CLIENTS
