"""Queue: what waits for the writer. What comes while it works shares the next transaction.

Each who waits hears of his own outcome only, and whoever follows the log is given, or told of, what was logged. It
knows no connection and no statement.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from .base import Batch, Run
from .sql_write import Job, Outcome, tell
from .sqlite_ahead import Ahead

JOINED = 64
"""The most jobs that share one transaction."""

Perform = Callable[[Sequence[Job], str | None], tuple[list[Outcome], Batch | None]]


class Queue:
    """One store's.

    perform: does jobs, and reads what the log holds after a seq by then.  ahead: gets that.
    committed: is told whether ahead could keep it.
    """

    def __init__(self, run: Run, perform: Perform, ahead: Ahead, committed: Callable[[bool], None]) -> None:
        self._run = run
        self._perform = perform
        self._ahead = ahead
        self._committed = committed
        self._waiting: list[tuple[Job, asyncio.Future[Any]]] = []
        self._working: asyncio.Task[None] | None = None

    async def outcome(self, job: Job) -> Any:
        """Wait until a job is done; what it raised is raised."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((job, answer))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await answer

    async def wait_empty(self) -> None:
        """Return when nothing waits."""
        if self._working is not None:
            await asyncio.wait({self._working})

    async def _work(self) -> None:
        while self._waiting:
            batch = self._waiting[:JOINED]
            del self._waiting[:JOINED]
            end, logged = self._ahead.end, None
            try:
                outcomes, logged = await self._run(
                    "write", partial(self._perform, [job for job, _ in batch], end)
                )
            except Exception as error:  # whatever went wrong, each caller hears of it
                outcomes = [error] * len(batch)
            for (_, answer), outcome in zip(batch, outcomes, strict=True):
                tell(answer, outcome)
            self._committed(self._ahead.add(end, logged))
