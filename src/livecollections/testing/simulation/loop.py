"""The loop: an asyncio event loop with a time of its own, that never asks the operating system for anything.

Three rules. When nothing is ready, time jumps to the next timer. What is ready runs in the order in which it became
so. No thread and no file descriptor exists: whoever asks for one is told so, and the run fails.

It knows whose each callback is (``process.py``), and leaves connections to the network.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from typing import Any, NoReturn, Protocol

from .process import PROCESS

START = 1_000.0
"""What the loop's clock says at first: a machine that has run for a while."""
TURN = 1e-6
"""Seconds that one turn of the loop takes, so that two turns are never at the same time."""
RUNAWAY = 1_000_000
"""Turns without a jump of time after which it counts as caught in a circle."""

END = 60.0
"""Seconds that tasks may take to end when all is over."""


class Connector(Protocol):
    """The network, as the loop uses it."""

    async def connect(
        self, factory: Callable[[], Any], host: str, port: int, source: str | None = None
    ) -> tuple[Any, Any]: ...

    def listen(self, factory: Callable[[], Any], host: str | None, port: int) -> asyncio.AbstractServer: ...

    def resolve(self, host: str | bytes) -> str: ...


class Loop(asyncio.BaseEventLoop):
    """Runs one simulation. ``violations``: what was asked for that a simulation has not."""

    _ready: deque[asyncio.Handle]
    _stopping: bool

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.set_debug(False)
        self.violations: list[str] = []
        self.network: Connector | None = None
        self._now = START
        self._limit = START + limit
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._count = itertools.count()
        self._names = itertools.count(1)
        self._turns = 0

    # Time.

    def time(self) -> float:
        return self._now

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._count), timer))
        return timer

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is passed over when its time comes."""

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def _run_once(self) -> None:
        """One turn: what is due becomes ready, and all that is ready runs."""
        timers, ready = self._timers, self._ready
        if not ready and not self._stopping:
            self._jump()
        self._now += TURN
        while timers and timers[0][0] <= self._now:
            ready.append(heapq.heappop(timers)[2])
        self._turns += 1
        if self._turns > RUNAWAY:
            raise self.violation("the loop goes round without time passing")
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            process = handle._context.get(PROCESS)  # type: ignore[attr-defined]
            if process is None or process.admits(handle):
                handle._run()

    def _jump(self) -> None:
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
        if not timers:
            raise self.violation("everybody waits, and nothing will ever happen")
        self._now = max(self._now, timers[0][0])
        self._turns = 0
        if self._now > self._limit:
            raise self.violation(f"it did not end within {self._limit - START:g} seconds of its own time")

    # Tasks.

    def create_task(
        self, coro: Any, *, name: object = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        # asyncio would number them through all runs of this program.
        name = str(name or f"task {next(self._names)}")
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name, context=context)
        process = PROCESS.get(None) if context is None else context.get(PROCESS)
        if process is not None:
            process.tasks[task] = None
        return task

    def resume(self, handles: list[asyncio.Handle]) -> None:
        """Run what was kept back."""
        self._ready.extend(handles)

    def end(self, tasks: list[asyncio.Task[Any]]) -> None:
        """Cancel tasks, and run until they have ended; what they do wrong then is nobody's concern."""
        if not tasks:
            return
        told = [*self.violations]
        self._limit = math.inf
        self._turns = 0
        for task in tasks:
            task.cancel()
        with suppress(AssertionError):
            self.run_until_complete(asyncio.wait(tasks, timeout=END))
        self.violations[:] = told

    # The network.

    async def create_connection(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        assert self.network is not None
        if options.get("ssl") or options.get("sock") is not None:
            raise self.violation("a simulated connection has neither TLS nor a socket of the system")
        source, _ = options.get("local_addr") or (None, 0)
        return await self.network.connect(protocol_factory, host, port, source)

    async def create_server(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        assert self.network is not None
        return self.network.listen(protocol_factory, host, port)

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        assert self.network is not None
        address = self.network.resolve(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))]

    # What there is not.

    def violation(self, what: str) -> AssertionError:
        """Note that somebody asked for what a simulation has not; the answer is to be raised."""
        self.violations.append(what)
        return AssertionError(what)

    def run_in_executor(self, *arguments: Any) -> NoReturn:  # type: ignore[override]
        raise self.violation(f"a thread was asked for, to run {arguments[1:]!r}")

    def add_reader(self, *arguments: Any) -> NoReturn:  # type: ignore[override]
        raise self.violation("a file descriptor was waited for")

    def add_writer(self, *arguments: Any) -> NoReturn:  # type: ignore[override]
        raise self.violation("a file descriptor was waited for")
