"""Arrivals: who of a crowd is told to come later, by its kind.

Three kinds, and each is paced by itself, since one client is one of each in turn: who has *lost* its session handshakes
when it is told to; who *begins* is refused only if twice as many come as were told to; who *resumes* is heard at once,
and asks again later.
"""

from __future__ import annotations

from collections.abc import Callable

from .pacing import Admission, Pacing

LONGEST = 10.0
"""Seconds that a client is told to wait, at most, give or take a quarter."""
UNTOLD = 2.0
"""Times as many handshakes as are paced may come before one is refused."""


class Arrivals:
    """Those at one server.

    Args:
        rate: of clients in a second.  clock: seconds that only rise.  chance: gives numbers from 0 to below 1.
    """

    def __init__(self, rate: float, clock: Callable[[], float], chance: Callable[[], float]) -> None:
        self._clock = clock
        self._lost = Pacing(rate, LONGEST, chance)
        self._begun = Admission(UNTOLD * rate, LONGEST, chance)
        self._resumed = Pacing(rate, LONGEST, chance)

    def lost(self) -> float:
        """A client has no session any more: the seconds until it is to handshake."""
        return self._lost.wait(self._clock())

    def begin(self) -> float:
        """A client handshakes: 0, or the seconds until it is to try again."""
        return self._begun.wait(self._clock())

    def resume(self) -> float:
        """A client connects for the first time, or on a new socket: the seconds until its next connect."""
        return self._resumed.wait(self._clock())

    @property
    def told(self) -> int:
        """How often a client was told to wait."""
        return self._lost.told + self._begun.told + self._resumed.told
