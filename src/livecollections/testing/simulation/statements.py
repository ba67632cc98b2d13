"""Statements: how the store's functions run in a simulation, at once and on no thread.

Two rules. As with threads, each lane runs one function at a time, in order, and one that has begun is not stopped by a
caller who is cancelled. Before and after each a drawn moment passes, so that whatever can happen in between does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar

from .process import PROCESS
from .trace import Trace

T = TypeVar("T")

LONGEST = 0.004
"""Seconds that may pass before a function runs, and again before its caller is told."""


class Statements:
    """Runs functions; made for one life of a process."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._waiting: dict[str, deque[tuple[Callable[[], Any], asyncio.Future[Any]]]] = {}

    def __call__(self, lane: Literal["read", "write"], function: Callable[[], T], /) -> Awaitable[T]:
        """Run a function in its turn."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        waiting = self._waiting.get(lane)
        if waiting is None:
            waiting = self._waiting[lane] = deque()
            waiting.append((function, answer))
            self._tasks[lane] = loop.create_task(self._run(lane, waiting))
        else:
            waiting.append((function, answer))
        return answer

    async def _run(self, lane: str, waiting: deque[tuple[Callable[[], Any], asyncio.Future[Any]]]) -> None:
        process = PROCESS.get()
        while waiting:
            function, answer = waiting.popleft()
            await asyncio.sleep(process.random.random() * LONGEST)
            if answer.cancelled():
                continue
            result: Any = None
            error: Exception | None = None
            before = process.changes()
            try:
                result = function()
            except Exception as raised:
                error = raised
            if (changed := process.changes() - before) > 0:
                self._trace.note(process.host.name, f"commits {changed} rows")
            await asyncio.sleep(process.random.random() * LONGEST)
            if answer.done():
                continue
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result)
        del self._waiting[lane]
