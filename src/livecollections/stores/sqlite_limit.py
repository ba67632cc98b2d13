"""Limit: how long a query may be read for: two seconds of a processor, ten by the clock where others have it.

Two rules. Who needs longer is refused, since what is not let go keeps the file's write-ahead log from being cleared,
and within a transaction that writes, everybody else waiting. Where Python judges conditions it looks at the clocks as
well. It knows no statement and no HTTP.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .base import too_long
from .sqlite_connection import FileConnection

SNAPSHOT = 2.0
"""Seconds of its thread's processor that a query may be read for."""
LONGEST = 10.0
"""Seconds by the clock, on a machine that has no processor for it, or waits for its disk."""
INSTRUCTIONS = 50_000
"""Of SQLite's machine, between two looks at the clocks."""


class Limit:
    """Of one thread's readings. clock: seconds.  worked: those of its processor."""

    def __init__(
        self,
        clock: Callable[[], float] = lambda: time.monotonic(),
        worked: Callable[[], float] = lambda: time.thread_time(),
    ) -> None:
        self._clock = clock
        self._worked = worked

    @contextmanager
    def on(self, connection: FileConnection) -> Iterator[None]:
        """What is read in the block is given up when its time is past. Raises StoreUnavailable."""
        work, deadline = self._worked() + SNAPSHOT, self._clock() + LONGEST
        connection.bound(lambda: self._worked() > work or self._clock() > deadline, INSTRUCTIONS)
        try:
            yield
        except Exception as error:
            if not connection.was_stopped and not (_is_interrupt(error) or _is_interrupt(error.__cause__)):
                raise
            raise too_long(SNAPSHOT) from error
        finally:
            connection.bound(None)


def _is_interrupt(error: BaseException | None) -> bool:
    return getattr(error, "sqlite_errorname", "") == "SQLITE_INTERRUPT"
