"""Lag: for how long a reader of the log has not reached where its end once was.

Two rules. The end of the log is looked at now and then; how late the reader is follows from when it was first seen
where he has not come to. So no clock but the reader's own counts, and a reader that has died grows later all the same.

This module has no clock: ``now`` is an argument.
"""

from __future__ import annotations

from collections import deque

from .change import epoch

MARKS = 600
"""Ends that are remembered; more, and the youngest go: how late he is follows from the oldest."""


class Lag:
    """That of one reader."""

    def __init__(self) -> None:
        self._marks: deque[tuple[str, float]] = deque()
        self._epoch = ""

    def see(self, head: str, position: str, now: float) -> None:
        """Note the highest seq of the log, as it is now, and where the reader is."""
        self.seconds(position, now)
        if not self._marks or self._marks[-1][0] != head:
            if len(self._marks) == MARKS:
                self._marks.pop()
            self._marks.append((head, now))

    def seconds(self, position: str, now: float) -> float:
        """For how long a reader at ``position`` has had something before him."""
        if epoch(position) != self._epoch:
            # In another log nothing of the one before is waited for; its own may have been seen already.
            self._epoch = epoch(position)
            self._marks = deque(mark for mark in self._marks if epoch(mark[0]) == self._epoch)
        while self._marks and epoch(self._marks[0][0]) == self._epoch and self._marks[0][0] <= position:
            self._marks.popleft()
        return max(0.0, now - self._marks[0][1]) if self._marks else 0.0
