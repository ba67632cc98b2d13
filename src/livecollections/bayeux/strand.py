"""Strands: work that is done in order, one piece after the other, in the background.

Two rules. What is given first is finished first. A piece that fails is logged, and the next one comes
nevertheless.

This module knows nothing of what is done.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Hashable

from .fault import FAULTS, let_end

logger = logging.getLogger("livecollections.bayeux")

Work = Callable[[], Awaitable[None]]


class Strand:
    """One such line of work; its task exists while there is some.

    idle: is called when nothing is left to do.
    """

    def __init__(self, idle: Callable[[], None] = lambda: None) -> None:
        self._works: deque[Work] = deque()
        self._task: asyncio.Task[None] | None = None
        self._idle = idle
        self._done = asyncio.Event()

    def __len__(self) -> int:
        """How much is not finished."""
        return len(self._works)

    def do(self, work: Work) -> None:
        """Do this when all that was given before is done."""
        self._works.append(work)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def wait_room(self, most: int) -> None:
        """Return when less than ``most`` is not finished. Cancel-safe."""
        while len(self._works) >= most:
            self._done.clear()
            await self._done.wait()

    async def close(self) -> None:
        """Stop in the middle, and forget the rest."""
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._works.clear()
        self._done.set()
        # The next one may be waited for on another loop.
        self._done = asyncio.Event()

    async def _run(self) -> None:
        while self._works:
            try:
                await self._works[0]()
            except FAULTS as error:
                let_end(error)
                logger.exception("something in the background failed")
            if not self._works:
                return
            self._works.popleft()
            self._done.set()
        self._task = None
        self._idle()


class Strands:
    """One strand for each key: what has different keys doesn't wait for one another."""

    def __init__(self) -> None:
        self._strands: dict[Hashable, Strand] = {}

    def __len__(self) -> int:
        """How many have something to do."""
        return len(self._strands)

    def do(self, key: Hashable, work: Work) -> None:
        """Do this when all that was given before with the same key is done."""
        strand = self._strands.get(key)
        if strand is None:
            strand = self._strands[key] = Strand(lambda: self._forget(key))
        strand.do(work)

    async def wait_room(self, key: Hashable, most: int) -> None:
        """Return when less than ``most`` of this key is not finished. Cancel-safe."""
        if (strand := self._strands.get(key)) is not None:
            await strand.wait_room(most)

    async def wait_idle(self) -> None:
        """Return when nothing is left to do. Cancel-safe."""
        while self._strands:
            await next(iter(self._strands.values())).wait_room(1)
            await asyncio.sleep(0)

    def _forget(self, key: Hashable) -> None:
        self._strands.pop(key, None)

    async def close(self) -> None:
        """Stop in the middle, and forget the rest."""
        for strand in [*self._strands.values()]:
            await strand.close()
        self._strands.clear()
