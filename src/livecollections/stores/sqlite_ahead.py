"""Ahead: what own writes logged, kept for the one who follows the whole log until he asks for it.

Two rules. It holds an unbroken piece of the log, from where the follower stopped to where the last own write left it,
others' entries included: each piece was read in one snapshot, after the one before it. What does not fit, or grows too
large, is dropped; then the follower reads for himself. It knows no connection and no thread.
"""

from __future__ import annotations

from .base import Batch

AHEAD = 1_000
"""Entries that are kept at most."""
IMAGES = 1_000_000
"""Characters that the images of those may have in the log."""


class Ahead:
    """One follower's."""

    def __init__(self) -> None:
        self._start: str | None = None
        self._kept: Batch | None = None

    @property
    def end(self) -> str | None:
        """The seq after which the next piece has to begin; None: nobody follows."""
        return self._start if self._kept is None else self._kept.upto

    def follow(self, start: str) -> bool:
        """Somebody read the log as far as this, and goes on from here; False if he must look for himself at once."""
        if start == self._start:
            return True
        # A write may have ended while he read: what it logged was kept for the place where he was.
        is_all = self._kept is None or self._kept.upto == start
        self._start, self._kept = start, None
        return is_all

    def add(self, after: str | None, piece: Batch | None) -> bool:
        """Keep what came after a seq; False if it can't be, so that the follower must look for himself."""
        if piece is None or after != self.end or piece.lost is not None or piece.more:
            self._kept = None
            return False
        before = self._kept or Batch([], piece.upto)
        changes, size = before.changes + piece.changes, before.size + piece.size
        fits = len(changes) <= AHEAD and size <= IMAGES
        self._kept = Batch(changes, piece.upto, size=size) if fits else None
        return fits

    def has(self, after: str) -> bool:
        """Whether something after a seq is here."""
        return self._kept is not None and self._start == after and self._kept.upto != after

    def take(self, after: str, limit: int) -> Batch | None:
        """What comes after a seq, if it is here and not more than ``limit``."""
        if not self.has(after) or self._kept is None or len(self._kept.changes) > limit:
            return None
        return self._kept
