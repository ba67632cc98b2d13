"""The hosts: each an ASGI server with an application in it, run as a process of its own on loopback."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..command import ROOT, Command, command
from ..ports import free_port
from ..scale import FULL

UVICORN = ("uvicorn", "{app}", "--host", "127.0.0.1", "--port", "{port}", "--log-level", "warning")
# Its worker processes are not told of a stop before their requests have ended; without them it is one process.
HYPERCORN = ("hypercorn", "{app}", "--workers", "0", "--bind", "127.0.0.1:{port}", "--log-level", "warning")
GRANIAN = ("granian", "{app}", "--interface", "asgi", "--host", "127.0.0.1", "--port", "{port}", "--no-log")


@dataclass(frozen=True, slots=True)
class Host:
    """How one is started.

    application: the module of ``apps`` that it serves.  is_behind: whether nginx stands in front.
    """

    name: str
    command: tuple[str, ...]
    application: str = "bare"
    is_behind: bool = False

    def arguments(self, port: int) -> list[str]:
        """The command line with everything in it."""
        app = f"tests.conformance.apps.{self.application}:app"
        return [part.format(app=app, port=port) for part in self.command]


DIRECT = "livecollections.bayeux.transports.direct:DirectProtocol"

ALL = (
    Host("uvicorn-direct", (*UVICORN, "--ws", DIRECT, "--loop", "uvloop", "--http", "httptools")),
    Host(
        "uvicorn-uvloop", (*UVICORN, "--ws", "websockets-sansio", "--loop", "uvloop", "--http", "httptools")
    ),
    Host("uvicorn-h11", (*UVICORN, "--ws", "websockets-sansio", "--loop", "asyncio", "--http", "h11")),
    Host("uvicorn-wsproto", (*UVICORN, "--ws", "wsproto", "--loop", "uvloop")),
    Host("uvicorn-websockets", (*UVICORN, "--ws", "websockets", "--loop", "asyncio")),
    Host("hypercorn-asyncio", HYPERCORN),
    Host("hypercorn-uvloop", (*HYPERCORN, "--worker-class", "uvloop")),
    Host("granian-uvloop", (*GRANIAN, "--loop", "uvloop")),
    Host("granian-asyncio", (*GRANIAN, "--loop", "asyncio")),
    Host("FastAPI", UVICORN, "in_fastapi"),
    Host("Starlette", UVICORN, "in_starlette"),
    Host("Django", UVICORN, "in_django"),
    Host("nginx", UVICORN, is_behind=True),
)
FEWER = {
    "uvicorn-direct",
    "uvicorn-uvloop",
    "hypercorn-asyncio",
    "granian-uvloop",
    "FastAPI",
    "Starlette",
    "Django",
    "nginx",
}
"""One of each, in a small run."""
HOSTS = tuple(host for host in ALL if FULL or host.name in FEWER)


@dataclass(frozen=True, slots=True)
class Running:
    """A host that serves; ``url`` is its address without a path."""

    host: Host
    process: Command
    url: str


@contextmanager
def running(host: Host) -> Iterator[Running]:
    """Start a host, and end it with all its processes."""
    port = free_port()
    program, *arguments = host.arguments(port)
    path = Path(sys.executable).with_name(program)
    with command(*arguments, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, program=path) as process:
        wait_served(process, port)
        yield Running(host, process, f"http://127.0.0.1:{port}")


def wait_served(process: Command, port: int, within: float = 30) -> None:
    """Return when somebody listens there."""
    deadline = time.monotonic() + within
    while not listens(port):
        assert process.process.poll() is None, process.said()
        assert time.monotonic() < deadline, process.said()
        time.sleep(0.02)


def listens(port: int) -> bool:
    """Whether a connection is taken."""
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0
