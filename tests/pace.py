"""Pace: how much slower a machine works than one that the budgets are for.

What shares a processor with others may have half of it for minutes. So a small computation is timed again and again
while suites run, by the seconds of processor that it takes, and budgets are stretched by the median of that: never
shortened, and never to more than twice. It knows no suites.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

NORMAL = 0.0075
"""Seconds that ``work`` takes beside two that work, where the host has no others (cores of 2023, Python 3.11)."""
MOST = 2.0
"""How far budgets are stretched."""
EVERY = 2.0
"""Seconds between two looks, which take some thousandths of one core."""


def work() -> float:
    """Compute the same as ever; the seconds of processor that it took."""
    begun = time.thread_time()
    sum(number * number % 7 for number in range(100_000))
    return time.thread_time() - begun


class Pace:
    """That of a run. taken: seconds that the computation takes now."""

    def __init__(self, taken: Callable[[], float] = work) -> None:
        self._taken = taken
        self._found: list[float] = []
        self._next = 0.0

    def look(self, now: float) -> None:
        """Measure, if it is time to. now: seconds that only rise."""
        if now >= self._next:
            self._next = now + EVERY
            self.measure()

    def measure(self) -> None:
        """Measure once more."""
        self._found.append(self._taken())

    @property
    def stretch(self) -> float:
        """What a budget is multiplied with."""
        found = median(self._found) / NORMAL if self._found else 1.0
        return min(max(found, 1.0), MOST)
