"""Recent: the changes that a stream told lately, in order and within bounds. It knows no stream."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from ..change import Change
from .mongo_seq import Place, place_of

KEPT = 20_000
"""Changes that are remembered, at most; more than may wait at the feed before they are told as RESET."""
ROOM = 32 << 20
"""Bytes of them, about."""


class Recent:
    """Those of one log. start: everything after it is here."""

    def __init__(self, start: Place) -> None:
        self.start = start
        self._changes: list[Change] = []
        self._seqs: list[str] = []
        self._weights: list[int] = []
        self._size = 0

    @property
    def end(self) -> str:
        """The seq of the newest; empty if there is none."""
        return self._seqs[-1] if self._seqs else ""

    def add(self, change: Change) -> None:
        """The next one."""
        weight = _weight(change)
        self._changes.append(change)
        self._seqs.append(change.seq)
        self._weights.append(weight)
        self._size += weight

    def shorten(self) -> None:
        """Forget the oldest, where they are too many."""
        if len(self._changes) <= KEPT and self._size <= ROOM:
            return
        gone = 0
        while len(self._changes) - gone > KEPT * 3 // 4 or self._size > ROOM * 3 // 4:
            self._size -= self._weights[gone]
            gone += 1
        self.start = place_of(self._seqs[gone - 1])
        del self._changes[:gone], self._seqs[:gone], self._weights[:gone]

    def count(self, after: str) -> int:
        """How many there are after a seq."""
        return len(self._seqs) - bisect_right(self._seqs, after)

    def counts(self, after: str) -> dict[str, int]:
        """How many of each source there are after a seq."""
        return dict(Counter(change.source for change in self._after(after)))

    def read(self, after: str, limit: int, source: str | None) -> tuple[list[Change], bool]:
        """Changes after a seq, and whether the limit ended them."""
        found: list[Change] = []
        for change in self._after(after):
            if source is None or change.source == source:
                found.append(change)
                if len(found) == limit:
                    return found, True
        return found, False

    def _after(self, seq: str) -> Iterator[Change]:
        return islice(self._changes, bisect_right(self._seqs, seq), None)


def _weight(change: Change) -> int:
    """About the bytes that a change takes."""
    rows = (row for row in (change.before, change.after) if row is not None)
    return 400 + sum(
        100 + len(value) if isinstance(value, str | bytes) else 100 for row in rows for value in row.values()
    )
