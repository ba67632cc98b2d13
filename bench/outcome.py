"""What a scenario found: figures of each round, ratios beside those that are needed, and what a chart shows.

It knows nothing of how figures are made or printed.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Figures:
    """One figure of one server, of each round.

    of: whose.  case: of which size or rate.  unit: what is counted.  notes: by name, what else a reader wants to see
    of it.  per_core: the median of what it would be on a core of the server's own.  busy: that of the part of its core
    that the load generator used.
    """

    of: str
    case: str
    values: Sequence[float]
    unit: str
    notes: Mapping[str, str] = field(default_factory=dict)
    per_core: float | None = None
    busy: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.values)


@dataclass(frozen=True, slots=True)
class Ratio:
    """What is compared, in words; needed: at least so much, if anything is asked for."""

    what: str
    value: float
    needed: float | None = None

    @property
    def is_reached(self) -> bool:
        return self.needed is None or self.value >= self.needed


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a chart."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]

    @property
    def exponent(self) -> float:
        """The power of x with which y grows: the slope where both are logarithms; nan for less than two points."""
        if len(self.xs) < 2:
            return math.nan
        xs, ys = [math.log(x) for x in self.xs], [math.log(y) for y in self.ys]
        return statistics.linear_regression(xs, ys).slope


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over a logarithmic x. exponents: whether each line's growth is told."""

    title: str
    x: str
    y: str
    curves: Sequence[Curve]
    exponents: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that a scenario found. remarks: sentences below its table."""

    letter: str
    title: str
    figures: Sequence[Figures]
    ratios: Sequence[Ratio] = ()
    charts: Sequence[Chart] = ()
    remarks: Sequence[str] = ()

    def median(self, of: str, case: str) -> float | None:
        """One of its medians; None if that was not measured."""
        found = self._of(of, case)
        return None if found is None else found.median

    def per_core(self, of: str, case: str) -> float | None:
        """The same on a core of the server's own."""
        found = self._of(of, case)
        return None if found is None else found.per_core

    def busy(self, of: str, case: str) -> float | None:
        """The part of its core that the load generator used for it."""
        found = self._of(of, case)
        return None if found is None else found.busy

    def _of(self, of: str, case: str) -> Figures | None:
        return next((each for each in self.figures if (each.of, each.case) == (of, case)), None)


def ratio(what: str, above: float | None, below: float | None, needed: float | None = None) -> list[Ratio]:
    """One ratio; none if a part of it was not measured."""
    return [Ratio(what, above / below, needed)] if above is not None and below else []
