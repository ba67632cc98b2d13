"""A host: a machine with a name, an address and a clock on its wall, that may sleep.

Two rules. While it sleeps nothing of it runs, and what comes meanwhile waits. Its wall clock may jump; the time that
only rises never does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, TypeVar

from .loop import START, Loop
from .process import Process
from .trace import Trace

T = TypeVar("T")

EPOCH = 1_900_000_000.0
"""What the clocks on the walls say when a simulation begins, in seconds since 1970."""


class Host:
    """A machine. Its programs are run by ``run`` and ``start``, or in processes of their own (``spawn``).

    seed: of all random numbers on it.
    """

    def __init__(self, name: str, address: str, seed: str, loop: Loop, trace: Trace) -> None:
        self.name = name
        self.address = address
        self.random = Random(seed)
        self.is_asleep = False
        self.woken: list[Callable[[], None]] = []
        self.processes: list[Process] = []
        self._seed = seed
        self._loop = loop
        self._trace = trace
        self._ahead = 0.0
        self._kept: list[asyncio.Handle] = []

    def __repr__(self) -> str:
        return f"<host {self.name}>"

    # Programs.

    @property
    def process(self) -> Process:
        """The program that runs here; begun when it is first asked for, and anew after it was killed."""
        if not self.processes or self.processes[-1].is_dead:
            self.spawn()
        return self.processes[-1]

    def spawn(self) -> Process:
        """Begin another process."""
        number = len(self.processes) + 1
        process = Process(self, self.name, Random(f"{self._seed}/{number}"))
        self.processes.append(process)
        return process

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function on this host."""
        return self.process.call(function, *arguments)

    def start(self, work: Coroutine[Any, Any, T], name: str | None = None) -> asyncio.Task[T]:
        """Begin a task on this host."""
        return self.process.start(work, name)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Have something done on this host, and wait for it. Raises Killed."""
        return await self.process.run(work)

    # Time.

    def wall(self) -> float:
        """What its clock on the wall says, in seconds since 1970."""
        return EPOCH + self._loop.time() - START + self._ahead

    def jump(self, seconds: float) -> None:
        """Put its clock on the wall forward, or back."""
        self._ahead += seconds
        self._trace.note(self.name, f"its clock jumps by {seconds:g} s")

    # Sleep.

    def sleep(self) -> None:
        """Freeze it: no timer, no callback, no byte in or out."""
        if not self.is_asleep:
            self.is_asleep = True
            self._trace.note(self.name, "falls asleep")

    def wake(self) -> None:
        """Let it go on. All timers that were due meanwhile come at once."""
        if self.is_asleep:
            self.is_asleep = False
            self._trace.note(self.name, "wakes")
            kept, self._kept = self._kept, []
            self._loop.resume(kept)
            for function in self.woken:
                function()

    def keep(self, handle: asyncio.Handle) -> None:
        """Keep a callback until it wakes."""
        self._kept.append(handle)
