"""Sources: where time and random numbers come from while a simulation runs, for whoever asks Python for them.

Two rules. What a process asks is answered by its host: its wall clock, its random numbers; other threads get the real
ones. Everything is put back afterwards.

SQLite is asked too: ``randomblob``, ``random`` and ``julianday`` of each connection that is opened are the host's.
"""

from __future__ import annotations

import gc
import os
import random
import signal
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from .host import EPOCH
from .loop import START, Loop
from .process import PROCESS, Process

JULIAN = 2_440_587.5
"""The Julian day on which 1970 began."""
_KEPT = ("seed", "getstate", "setstate")
_DRAWS = [
    name
    for name in random.__all__
    if getattr(getattr(random, name), "__self__", None) is random._inst and name not in _KEPT
]


@contextmanager
def installed(loop: Loop) -> Iterator[None]:
    """Answer for the loop's hosts on this thread."""
    sources = _Sources(loop)
    with ExitStack() as stack:
        for module, name, substitute in sources.all():
            stack.enter_context(patch.object(module, name, sources.here(getattr(module, name), substitute)))
        proxies = [name for name in os.environ if name.lower().endswith("_proxy")]
        stack.enter_context(patch.dict(os.environ))
        for name in proxies:
            del os.environ[name]
        # httpcore looks for it at each request, in all folders if it is not there.
        if "sniffio" not in sys.modules:
            sys.modules["sniffio"] = None  # type: ignore[assignment]
            stack.callback(sys.modules.pop, "sniffio")
        # What is collected when depends on everything that this program has done before.
        if gc.isenabled():
            gc.disable()
            stack.callback(gc.enable)
        yield


class _Sources:
    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._thread = threading.get_ident()
        self._nobody = random.Random(0)
        self._connect = sqlite3.connect

    def here(self, real: Callable[..., Any], substitute: Callable[..., Any]) -> Callable[..., Any]:
        """The substitute on this thread, what is real on others."""
        if isinstance(real, type):
            return substitute

        def ask(*arguments: Any, **named: Any) -> Any:
            is_here = threading.get_ident() == self._thread
            return (substitute if is_here else real)(*arguments, **named)

        return ask

    def all(self) -> Iterator[tuple[Any, str, Callable[..., Any]]]:
        """Modules, names in them, and what is to stand there."""
        import httpcore._backends.anyio

        yield time, "time", self.wall
        yield time, "time_ns", lambda: int(self.wall() * 1e9)
        yield time, "monotonic", self._loop.time
        yield time, "monotonic_ns", lambda: int(self._loop.time() * 1e9)
        yield time, "perf_counter", self._loop.time
        yield time, "sleep", self.no_sleep
        for name in _DRAWS:
            yield random, name, self.drawing(name)
        yield random, "_urandom", self.bytes
        yield os, "urandom", self.bytes
        yield threading.Thread, "start", self.no_thread
        yield socket.socket, "connect", self.no_socket
        yield signal, "signal", self.set_signal
        yield signal, "getsignal", self.get_signal
        yield signal, "raise_signal", lambda number: None
        yield sqlite3, "connect", self.connect
        yield httpcore._backends.anyio, "is_socket_readable", lambda plug: plug.is_readable

    # Time and chance.

    def wall(self) -> float:
        process = PROCESS.get(None)
        return process.host.wall() if process is not None else EPOCH + self._loop.time() - START

    def random(self) -> random.Random:
        process = PROCESS.get(None)
        return process.random if process is not None else self._nobody

    def drawing(self, name: str) -> Callable[..., Any]:
        return lambda *arguments, **named: getattr(self.random(), name)(*arguments, **named)

    def bytes(self, size: int) -> bytes:
        return self.random().randbytes(size)

    # What there is not.

    def no_sleep(self, seconds: float) -> None:
        raise self._loop.violation(f"the only thread was to sleep for {seconds:g} s")

    def no_thread(self, thread: threading.Thread) -> None:
        raise self._loop.violation(f"a thread was started: {thread.name}")

    def no_socket(self, made: socket.socket, address: Any) -> None:
        raise self._loop.violation(f"a socket of the system was to connect to {address}")

    # Signals.

    def set_signal(self, number: int, handler: Any) -> Any:
        before = self.get_signal(number)
        PROCESS.get().handlers[number] = handler
        return before

    def get_signal(self, number: int) -> Any:
        process = PROCESS.get(None)
        return signal.SIG_DFL if process is None else process.handlers.get(number, signal.SIG_DFL)

    # SQLite.

    def connect(self, *arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = self._connect(*arguments, **options)
        process = PROCESS.get(None)
        if process is not None:
            process.connections.append(connection)
            seed_connection(connection, process)
        return connection


def seed_connection(connection: sqlite3.Connection, process: Process) -> None:
    """Give a connection the host's clock and the process's chance."""

    def julianday(*arguments: Any) -> float:
        if arguments not in ((), ("now",)):
            raise ValueError("only the day of now is known here")
        return process.host.wall() / 86_400 + JULIAN

    connection.create_function("randomblob", 1, lambda size: process.random.randbytes(max(1, size)))
    connection.create_function("random", 0, lambda: process.random.getrandbits(64) - 2**63)
    connection.create_function("julianday", -1, julianday)
