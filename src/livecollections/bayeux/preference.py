"""Which way to try: the preferred one, unless it failed not long ago.

A way that fails rests, longer each time. While all rest, all are tried again in their order: then it is the server
that is away, not a way that is blocked.
"""

from __future__ import annotations

from collections.abc import Sequence

REST = 30.0, 600.0
"""Seconds for which a way that failed is not tried while another works: at first, and at most."""


class Preference:
    """An order of ways that learns.

    Args:
        kinds: the connection types, the best first.
    """

    def __init__(self, kinds: Sequence[str]) -> None:
        self._kinds = list(kinds)
        self._failures = dict.fromkeys(kinds, 0)
        self._rests_until = dict.fromkeys(kinds, 0.0)

    def order(self, now: float) -> list[str]:
        """All ways, in the order in which to try them."""
        return sorted(self._kinds, key=lambda kind: self._rests_until[kind] > now)

    def failed(self, kind: str, now: float) -> None:
        """It led nowhere."""
        first, most = REST
        self._rests_until[kind] = now + min(most, first * 2.0 ** min(self._failures[kind], 16))
        self._failures[kind] += 1

    def worked(self, kind: str) -> None:
        """The server has answered on it."""
        self._failures[kind], self._rests_until[kind] = 0, 0.0

    def better(self, kind: str) -> tuple[str, float] | None:
        """The way to move to from this one, and from when on it may be tried."""
        before = self._kinds[: self._kinds.index(kind)]
        return min(((one, self._rests_until[one]) for one in before), key=lambda each: each[1], default=None)
