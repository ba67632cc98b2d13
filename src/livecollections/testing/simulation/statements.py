"""Statements: how the store's functions run in a simulation, at once and on no thread.

Three rules. As with threads, each lane runs one function at a time, in order, and one that has begun is not stopped by
a caller who is cancelled. Before and after each a drawn moment passes, so that whatever can happen in between does.
What writes waits for the lock that a program beside the server holds, as long as the store would.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from ...errors import StoreUnavailable
from ...stores.base import Lane
from ...stores.sqlite_connection import BUSY
from .process import PROCESS
from .trace import Trace

T = TypeVar("T")

Waiting = deque[tuple[Callable[[], Any], asyncio.Future[Any]]]

LONGEST = 0.004
"""Seconds that may pass before a function runs, and again before its caller is told."""


class Statements:
    """Runs functions; made for one life of a process.

    lock: of the database's writers.  committed: called after each function that wrote, before its caller is told.
    """

    def __init__(self, trace: Trace, lock: asyncio.Lock, committed: Callable[[], None]) -> None:
        self._trace = trace
        self._lock = lock
        self._committed = committed
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._waiting: dict[str, Waiting] = {}

    def __call__(self, lane: Lane, function: Callable[[], T], /) -> Awaitable[T]:
        """Run a function in its turn."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        waiting = self._waiting.get(lane)
        if waiting is None:
            waiting = self._waiting[lane] = deque()
            task = self._tasks[lane] = loop.create_task(self._run(lane, waiting))
            task.add_done_callback(partial(self._ended, lane, waiting))
        waiting.append((function, answer))
        return answer

    async def _run(self, lane: str, waiting: Waiting) -> None:
        while waiting:
            await self._do(lane, *waiting[0])
            waiting.popleft()
        del self._waiting[lane]

    def _ended(self, lane: str, waiting: Waiting, task: asyncio.Task[None]) -> None:
        """If it was cancelled, so is what it had to do."""
        if self._waiting.get(lane) is waiting:
            del self._waiting[lane]
        for _, answer in waiting:
            answer.cancel()

    async def _do(self, lane: str, function: Callable[[], Any], answer: asyncio.Future[Any]) -> None:
        random = PROCESS.get().random
        await asyncio.sleep(random.random() * LONGEST)
        if answer.cancelled():
            return
        result: Any = None
        error: Exception | None = None
        try:
            result = await self._alone(function) if lane == "write" else function()
        except Exception as raised:
            error = raised
        await asyncio.sleep(random.random() * LONGEST)
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)

    async def _alone(self, function: Callable[[], Any]) -> Any:
        try:
            async with asyncio.timeout(BUSY):
                await self._lock.acquire()
        except TimeoutError:
            raise StoreUnavailable("the database is not available: database is locked") from None
        try:
            process = PROCESS.get()
            before = process.changes()
            result = function()
            if (changed := process.changes() - before) > 0:
                self._trace.note(process.host.name, f"commits {changed} rows")
                self._committed()
            return result
        finally:
            self._lock.release()
