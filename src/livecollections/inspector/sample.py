"""Sample: one moment of a Live, taken for all who look together.

Two rules. It is taken when somebody asks, and at most once a second; where that takes long, more seldom, so that it
never costs more than a small part of the process's time. Changes are read from the log, by their seqs: nothing of them
is kept while nobody looks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..change import Change
from ..details import Details
from ..feed import RECENT, Feed
from ..statistics import LiveStatistics

INTERVAL = 1.0
"""Seconds between two samples."""
SHARE = 20
"""Of the time one part in so many may go into samples."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A moment. changes: those published last, in order."""

    statistics: LiveStatistics
    details: Details
    changes: tuple[Change, ...]


class Sampler:
    """Takes them.

    clock: seconds that only rise.
    """

    def __init__(
        self,
        statistics: Callable[[], LiveStatistics],
        details: Callable[[], Details],
        feed: Feed,
        clock: Callable[[], float] = lambda: time.monotonic(),
    ) -> None:
        self._statistics = statistics
        self._details = details
        self._feed = feed
        self._clock = clock
        self._lock = asyncio.Lock()
        self._due = 0.0
        self._last: Sample | None = None
        self._lookers = 0

    @contextmanager
    def looked_at(self) -> Iterator[None]:
        """Somebody looks, until the end of this."""
        self._lookers += 1
        try:
            yield
        finally:
            self._lookers -= 1
            if not self._lookers:
                self._last = None

    async def sample(self) -> Sample:
        """The last one, if it is not too old, or another. Raises StoreError."""
        async with self._lock:
            began = self._clock()
            if self._last is None or began >= self._due:
                self._last = await self._take(self._last)
                now = self._clock()
                self._due = now + max(INTERVAL * 0.9, SHARE * (now - began))
            return self._last

    async def _take(self, last: Sample | None) -> Sample:
        statistics = self._statistics()
        changes = () if last is None else last.changes
        if last is None or last.statistics.seq != statistics.seq:
            changes = (*changes, *await self._feed.last_changes(changes[-1].seq if changes else None))
        return Sample(statistics, self._details(), changes[-RECENT:])
