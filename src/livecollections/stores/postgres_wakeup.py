"""WakeUp: hears of commits by LISTEN, on a connection that does nothing else.

What is heard is a hint: whoever waits looks at the log anyway, a little later. It knows no log and no source.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ..errors import StoreUnavailable
from .postgres_connection import connect

logger = logging.getLogger("livecollections.store")


class WakeUp:
    """One store's. dsn: of the database.  channel: to listen on.  notice: is called at each notification."""

    def __init__(self, dsn: str, channel: str, notice: Callable[[], None]) -> None:
        self._dsn = dsn
        self._channel = channel
        self._notice = notice
        self._connection: Any = None

    async def open(self) -> None:
        """Listen, if nobody does, or the connection was lost. Raises StoreUnavailable."""
        if self._connection is not None and not self._connection.is_closed():
            return
        self._connection = await connect(self._dsn, {})
        await self._connection.add_listener(self._channel, lambda *_: self._notice())
        self._notice()  # what was committed meanwhile

    async def keep(self) -> None:
        """The same; what is wrong is logged, and tried again by the next call."""
        try:
            await self.open()
        except StoreUnavailable as error:
            logger.warning("commits of others are noticed later for now: %s", error)

    async def close(self) -> None:
        """Listen no more."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None
