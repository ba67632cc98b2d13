"""Pacing: when the clients of a crowd are to come, so that they do not come in one moment.

Three rules. So many in a second are served as they come, and as many more as the second before has left over. Any
other is told to wait for its turn: the turns follow one another at the same rate, and each client's interval is drawn
around its own, so that crowds of several servers do not meet again. Nobody is told to wait longer than ``longest``:
who would be, is told any time up to then, and so the server is neither idle before nor met by all of them in the end.

Time is an argument, chance too. Who is told, and how, is the engine's; how many a second, the ``Rate``'s.
"""

from __future__ import annotations

from collections.abc import Callable

from .rate import Rate

CREDIT = 1.0
"""Seconds of its rate that a server serves at once after it had nothing to do."""
AROUND = 0.25
"""The part of a wait by which it is drawn to be shorter or longer."""


class Pacing:
    """Turns: who was told its own need not ask again.

    Args:
        rate: by which they follow one another.
        longest: seconds that a client is told to wait, at most, but for the part by which that is drawn longer.
        random: gives numbers from 0 to below 1.
        credit: seconds of the rate that are left over from before, at most.
    """

    __slots__ = ("_credit", "_free", "_longest", "_random", "_rate", "told")

    def __init__(
        self, rate: Rate, longest: float, random: Callable[[], float], credit: float = CREDIT
    ) -> None:
        self.told = 0
        """How many were told to wait."""
        self._rate = rate
        self._longest = longest
        self._random = random
        self._credit = credit
        self._free = float("-inf")

    def wait(self, now: float) -> float:
        """One has come: the seconds until its turn, 0 if that is now."""
        late = max(self._free, now - self._credit) + 1 / self._rate.per_second - now
        if late > self._longest:
            self.told += 1
            return self._longest * self._random()
        self._free = now + late
        if late <= 0:
            return 0.0
        self.told += 1
        return late * (1 - AROUND + 2 * AROUND * self._random())


class Admission:
    """Who is not let in takes no room from those who are, and asks again when it was told to.

    Args:
        rate, longest, random: as those of ``Pacing``.  times: as many as the rate says are let in.
    """

    __slots__ = ("_next", "_rate", "_times", "_turns")

    def __init__(self, rate: Rate, times: float, longest: float, random: Callable[[], float]) -> None:
        self._rate = rate
        self._times = times
        self._next = float("-inf")
        self._turns = Pacing(rate, longest, random, credit=0.0)

    @property
    def told(self) -> int:
        """How many were told to wait."""
        return self._turns.told

    def wait(self, now: float) -> float:
        """One has come: 0 if it is let in, or the seconds until it is to ask again."""
        due = max(self._next, now - CREDIT) + 1 / (self._times * self._rate.per_second)
        if due > now:
            return self._turns.wait(now)
        self._next = due
        return 0.0
