"""Turn: something has happened; whoever waits looks again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Turn:
    """Wakes all who wait, each time that it is told to."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def happen(self) -> None:
        """Wake them."""
        event, self._event = self._event, asyncio.Event()
        event.set()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return when it is true, as far as that is told of."""
        while not condition():
            await self._event.wait()
