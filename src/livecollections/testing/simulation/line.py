"""A line: what joins one host to the network, and how well it does that."""

from __future__ import annotations

from random import Random

LOW, HIGH = 0.000_2, 0.003
"""Seconds that a piece takes on a good line."""


class Line:
    """A host's line.  is_cut_off: nothing gets through.  refuses: what connects is refused.  is_slow: its programs
    do not read what comes."""

    def __init__(self) -> None:
        self.low, self.high = LOW, HIGH
        self.is_cut_off = False
        self.refuses = False
        self.is_slow = False

    def latency(self, random: Random) -> float:
        """Seconds for one piece."""
        return self.low + (self.high - self.low) * random.random()

    def heal(self) -> None:
        """As at first."""
        self.low, self.high = LOW, HIGH
        self.is_cut_off = self.refuses = self.is_slow = False
