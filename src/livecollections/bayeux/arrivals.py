"""Arrivals: who of a crowd is told to come later, by its kind.

Three kinds, and each is paced by itself, since one client is one of each in turn: who has *lost* its session handshakes
when it is told to; who *begins* is refused only if twice as many come as were told to; who *resumes* is heard at once,
and asks again later. Who hears on its socket what it missed takes no turn from those who hear it by that next connect.

All keep to one rate, and it follows the loop: that is looked at from the first who is told to wait, until none was for
a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .pacing import Admission, Pacing
from .rate import Rate

LONGEST = 6.0
"""Seconds that a client is told to wait, at most, give or take a quarter."""
UNTOLD = 2.0
"""Times as many handshakes as are paced may come before one is refused."""
LOOK = 0.1
"""Seconds between two looks at the loop."""
OVER = 2 * LONGEST
"""Seconds in which nobody was told to wait, after which a crowd is over."""


class Arrivals:
    """Those at one server.

    Args:
        rate: of clients in a second, to begin with.  clock: seconds that only rise.
        chance: gives numbers from 0 to below 1.
    """

    def __init__(self, rate: float, clock: Callable[[], float], chance: Callable[[], float]) -> None:
        self._clock = clock
        self._rate = Rate(rate)
        self._lost = Pacing(self._rate, LONGEST, chance)
        self._begun = Admission(self._rate, UNTOLD, LONGEST, chance)
        self._resumed = Pacing(self._rate, LONGEST, chance)
        self._heard = Pacing(self._rate, LONGEST, chance)
        self._timer: asyncio.TimerHandle | None = None
        self._looked = 0
        self._told = 0
        self._due = 0.0

    def lost(self) -> float:
        """A client has no session any more: the seconds until it is to handshake."""
        return self._watched(self._lost.wait(self._clock()))

    def begin(self) -> float:
        """A client handshakes: 0, or the seconds until it is to try again."""
        return self._watched(self._begun.wait(self._clock()))

    def resume(self, *, is_heard: bool) -> float:
        """A client connects for the first time, or on a new socket: the seconds until its next connect.

        Args:
            is_heard: whether it hears before that what it missed.
        """
        kind = self._heard if is_heard else self._resumed
        return self._watched(kind.wait(self._clock()))

    @property
    def told(self) -> int:
        """How often a client was told to wait."""
        return sum(kind.told for kind in (self._lost, self._begun, self._resumed, self._heard))

    def close(self) -> None:
        """Look at nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watched(self, wait: float) -> float:
        if wait:
            self._looked = 0
            if self._timer is None:
                self._wind()
        return wait

    def _wind(self) -> None:
        self._due = self._clock() + LOOK
        self._timer = asyncio.get_running_loop().call_later(LOOK, self._look)

    def _look(self) -> None:
        self._timer = None
        self._looked += 1
        if self._looked * LOOK > OVER:
            self._rate.forget()
            return
        self._rate.measured(self._clock() - self._due, is_short=self.told > self._told)
        self._told = self.told
        self._wind()
