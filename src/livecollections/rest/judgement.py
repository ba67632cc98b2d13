"""Judgement: how long a request's conditions are judged for in the transaction that writes, where everybody else waits.

Two rules. It is as long as the rows of a list are judged for, in all, however often the transaction is tried. Who needs
longer is refused, and nothing is written. It knows no condition and no row.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import StoreUnavailable
from ..query import Look

JUDGED = 2.0
"""Seconds of its thread's processor."""


class Judgement:
    """That of one request. worked: the seconds of its thread's processor."""

    def __init__(self, worked: Callable[[], float] = lambda: time.thread_time()) -> None:
        self._worked = worked
        self._left = JUDGED

    @contextmanager
    def bounded(self) -> Iterator[Look]:
        """What is judged in the block, which looks at the time. Looking raises StoreUnavailable once it is over."""
        begun = self._worked()

        def look() -> None:
            if self._worked() - begun > self._left:
                raise StoreUnavailable(
                    f"these conditions take more than {JUDGED:g} s to judge of this document: ask less of it"
                )

        try:
            yield look
        finally:
            self._left -= self._worked() - begun
