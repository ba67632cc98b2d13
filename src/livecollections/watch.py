"""Watch: looks at the store once a second, and remembers what it saw, for all who ask how the Live is.

Two rules. Who asks waits for nothing: what was seen last is told, and for how long nothing was. A database that does
not answer is asked once, and not again before it did or failed; how long it is silent is known all the while.

It knows the port of the stores, and neither the feed nor who asks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from .lag import Lag
from .stores.base import Store
from .stores.log_state import LogState

logger = logging.getLogger("livecollections.watch")

INTERVAL = 1.0
"""Seconds between two looks."""
ANSWER = 1.0
"""Seconds after which a database that has not answered counts as unreachable."""
PATIENCE = 10.0
"""Seconds after which a look is given up, so that another one may succeed."""


class Watch:
    """That of one store. position: gives the seq up to which its log was published."""

    def __init__(self, store: Store, position: Callable[[], str]) -> None:
        self._store = store
        self._position = position
        self._lag = Lag()
        self._heard = 0.0
        self._asked: float | None = None
        self._is_failing = False
        self._task: asyncio.Task[None] | None = None
        self.state: LogState | None = None
        """What the last look saw."""

    def start(self) -> None:
        """Begin; the store has just answered, or it would not have started."""
        self._heard = asyncio.get_running_loop().time()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Look no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def silence(self) -> float:
        """Seconds since the database last answered."""
        return max(0.0, asyncio.get_running_loop().time() - self._heard)

    @property
    def is_unreachable(self) -> bool:
        """Whether the database failed the last look, or has not answered this one for too long."""
        now = asyncio.get_running_loop().time()
        return self._is_failing or (self._asked is not None and now - self._asked > ANSWER)

    @property
    def lag(self) -> float:
        """Seconds for which something in the log has waited to be published."""
        late = 0.0 if self.state is None else self.state.late
        return max(late, self._lag.seconds(self._position(), asyncio.get_running_loop().time()))

    async def _run(self) -> None:
        while self._task is not None:
            self._asked = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(PATIENCE):
                    state = await self._store.look(self._position())
            except Exception as error:
                if self._task is None:  # a driver may tell its cancellation as a failure of the database
                    return
                self._fail(error)
            else:
                self._see(state)
            self._asked = None
            await asyncio.sleep(INTERVAL)

    def _fail(self, error: Exception) -> None:
        if not self._is_failing:
            logger.error("the database does not answer: %s", str(error) or "it takes too long")
        self._is_failing = True

    def _see(self, state: LogState) -> None:
        now = asyncio.get_running_loop().time()
        if self._is_failing:
            logger.warning("the database answers again, after %.0f s", now - self._heard)
        self.state, self._heard, self._is_failing = state, now, False
        self._lag.see(state.head, self._position(), now)
