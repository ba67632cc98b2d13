"""A process: a program that runs on a host, and everything that is its own: tasks, signals, database connections.

Two rules. Whatever a process begins is its own too, however far down: the context of its callbacks says so. A process
that was killed never runs again, not even to clean up; what it held is closed by the machine.
"""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import weakref
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from .host import Host

T = TypeVar("T")

PROCESS: ContextVar[Process] = ContextVar("PROCESS")
"""Whose the running code is."""


class Killed(Exception):
    """The process that was to do it was killed."""


class Process:
    """One life of a program.

    host: where it runs.  random: where all its random numbers come from.
    """

    def __init__(self, host: Host, name: str, random: Random) -> None:
        self.host = host
        self.name = name
        self.random = random
        self.is_dead = False
        self.steps = 0
        self.tasks: weakref.WeakKeyDictionary[asyncio.Task[Any], None] = weakref.WeakKeyDictionary()
        self.connections: list[sqlite3.Connection] = []
        self.handlers: dict[int, Any] = {}
        self._left: list[asyncio.Task[Any]] = []
        self._context = Context()
        self._context.run(PROCESS.set, self)
        self._unrun: list[asyncio.Handle] = []
        self._doom: tuple[int, Callable[[], None]] | None = None
        self._deaths: list[Callable[[], None]] = []

    def __repr__(self) -> str:
        return f"<{self.name}>"

    @property
    def context(self) -> Context:
        """A context in which code is this process's."""
        return self._context.copy()

    # Running.

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function as this process."""
        return self.context.run(function, *arguments)

    def start(self, work: Coroutine[Any, Any, T], name: str | None = None) -> asyncio.Task[T]:
        """Begin a task of this process."""
        return asyncio.get_running_loop().create_task(work, name=name, context=self.context)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Have this process do something, and wait for it. Raises Killed if it is killed meanwhile."""
        task = self.start(work)
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def end() -> None:
            if not ended.done():
                ended.set_result(None)

        self._deaths.append(end)
        task.add_done_callback(lambda _: end(), context=Context())
        try:
            await ended
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            with suppress(ValueError):
                self._deaths.remove(end)
        if not task.done():
            raise Killed(f"{self.name} was killed")
        return task.result()

    def admits(self, handle: asyncio.Handle) -> bool:
        """Whether a callback of this process may run now."""
        if self.is_dead:
            self._unrun.append(handle)
            return False
        if self.host.is_asleep:
            self.host.keep(handle)
            return False
        self.steps += 1
        if self._doom is not None and self.steps >= self._doom[0]:
            _, kill = self._doom
            self._doom = None
            kill()
            return self.admits(handle)
        return True

    def changes(self) -> int:
        """Rows that its database connections have written so far."""
        changes = 0
        for connection in self.connections:
            with suppress(sqlite3.ProgrammingError):  # it is closed
                changes += connection.total_changes
        return changes

    # Signals and death.

    def signal(self, number: int) -> None:
        """Deliver a signal."""
        handler = self.handlers.get(number, signal.SIG_DFL)
        if callable(handler):
            self.call(handler, number, None)

    def at_step(self, steps: int, function: Callable[[], None]) -> None:
        """Call a function just before the callback of this process that comes ``steps`` further on."""
        self._doom = self.steps + max(1, steps), function

    def kill(self) -> None:
        """End it, between two of its steps. Its network goes first (``Network.kill``)."""
        self.is_dead = True
        self._doom = None
        for connection in self.connections:
            # What it had not committed is rolled back, as when the machine closes its files.
            connection.close()
        self.connections.clear()
        self._left = [task for task in self.tasks if not task.done()]
        for told in [*self._deaths]:
            told()

    def exhume(self) -> tuple[list[asyncio.Task[Any]], list[asyncio.Handle]]:
        """Give what a dead process left, so that it can be ended where nobody sees it any more."""
        left, unrun = self._left, self._unrun
        self.is_dead, self._left, self._unrun = False, [], []
        return left, unrun
