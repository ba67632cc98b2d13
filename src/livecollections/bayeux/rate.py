"""Rate: how many of a crowd are served in a second, by what the loop takes.

Three rules. Where the loop is late, fewer; where it is in time and somebody had to wait nevertheless, more. It stays
within bounds, so that one long pause is no standstill. It begins anew with each crowd.

It knows no clock: how late the loop is, it is told.
"""

from __future__ import annotations

LATE = 0.5
"""Seconds by which a loop may be late."""
FEWER, MORE = 0.85, 1.1
"""What the rate is multiplied by."""
BOUNDS = 0.5, 8.0
"""The least and the most, in parts of what it begins with."""


class Rate:
    """What the turns of a crowd follow.

    Args:
        first: of them in a second, before anything is known.
    """

    __slots__ = ("_first", "per_second")

    def __init__(self, first: float) -> None:
        self._first = first
        self.per_second = first

    def measured(self, late: float, *, is_short: bool) -> None:
        """The loop was looked at, a short time after the last.

        Args:
            late: seconds by which it is.  is_short: whether somebody was told to wait since then.
        """
        least, most = (part * self._first for part in BOUNDS)
        if late > LATE:
            self.per_second = max(least, self.per_second * FEWER)
        elif is_short:
            self.per_second = min(most, self.per_second * MORE)

    def forget(self) -> None:
        """The crowd is over."""
        self.per_second = self._first
