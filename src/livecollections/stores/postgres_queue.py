"""Queue: what waits for the writer. What comes while it works shares the next transaction.

Two rules. Each who waits hears of his own outcome only. What somebody else's lock is in the way of leaves the queue,
and is tried by itself until that lock is gone or the time is up, while all others go on. It knows no statement.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from typing import Any

from .postgres_write import Blocked, Writer
from .sql_write import Job, tell

JOINED = 64
"""The most jobs that share one transaction."""
SLICE = 0.5
"""Seconds that a job by itself waits for a lock, before it looks whether it has been hastened."""
LOCKED = 5.0
"""Seconds that it waits in all."""
AT_ONCE = 2
"""Such jobs that are tried at a time: the pool has connections left for all others."""
HASTE = 0.5
"""Seconds that it waits once a stop is near."""


class Queue:
    """One store's. committed: is called after each transaction."""

    def __init__(self, writer: Writer, committed: Callable[[], None]) -> None:
        self._writer = writer
        self._committed = committed
        self._waiting: list[tuple[Job, asyncio.Future[Any]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._working: asyncio.Task[None] | None = None
        self._until = inf
        self._room = asyncio.Semaphore(AT_ONCE)

    async def outcome(self, job: Job) -> Any:
        """Wait until a job is done; what it raised is raised. A caller that is cancelled does not stop it."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((job, answer))
        if self._working is None or self._working.done():
            self._working = self._run(self._work())
        return await answer

    def hasten(self) -> None:
        """Wait for locks half a second more at most."""
        self._until = min(self._until, asyncio.get_running_loop().time() + HASTE)

    async def wait_empty(self) -> None:
        """Return when nothing waits."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _run(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _work(self) -> None:
        while self._waiting:
            batch = self._waiting[:JOINED]
            del self._waiting[:JOINED]
            try:
                outcomes = await self._writer.perform([job for job, _ in batch])
            except Exception as error:  # whatever went wrong, each caller hears of it
                outcomes = [error] * len(batch)
            for (job, answer), outcome in zip(batch, outcomes, strict=True):
                if isinstance(outcome, Blocked):
                    self._run(self._alone(job, answer))
                else:
                    tell(answer, outcome)
            self._committed()

    async def _alone(self, job: Job, answer: asyncio.Future[Any]) -> None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + LOCKED
        while True:
            try:
                async with self._room:
                    [outcome] = await self._writer.perform([job], SLICE)
            except Exception as error:
                outcome = error
            if not isinstance(outcome, Blocked) or clock() >= min(deadline, self._until):
                break
        tell(answer, outcome)
        self._committed()
