"""Which places of PostgreSQL's log can still fill: the rule by which its reader goes on (design, section 7).

A sequence gives its places before they commit: 6 may be seen while 5 is not, and 5 may come yet, or never. Three rules.
A gap is bound by an xid that the reader drew itself *after* it saw the gap: whoever drew the place has an older one.
(``pg_snapshot_xmax`` is only the last one that completed, and one more: bound by it, changes were lost.)
A gap is dead when a later look shows it still empty, and in that look's own snapshot nobody runs who is as old as its
bound, or nobody of those who could have drawn it. A gap older than PATIENCE is passed, once that is written down.

This module knows no database and no clock: what was seen, the xids and the time are its arguments.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

PATIENCE = 10.0
"""Seconds after which a gap is passed: no stranger's transaction stalls a reader for longer."""
GRACE = 0.1
"""Seconds after which it is worth asking who could have drawn a gap's places: most fill within milliseconds."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """Who was running in a snapshot. xmin: the oldest; all below it have ended.  xmax: from here on none had completed.
    running: between the two."""

    xmin: int
    xmax: int
    running: frozenset[int] = frozenset()

    @classmethod
    def read(cls, text: str) -> Horizon:
        """What ``pg_current_snapshot()`` says, ``xmin:xmax:xid,xid``."""
        xmin, xmax, running = text.split(":")
        return cls(int(xmin), int(xmax), frozenset(map(int, running.split(",") if running else ())))

    def has_ended(self, xid: int) -> bool:
        """Whether a transaction has committed or rolled back, and this snapshot sees which."""
        return xid < self.xmin or (xid < self.xmax and xid not in self.running)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The places from the first to the last, both among them."""

    first: int
    last: int

    def shared(self, other: Span) -> Span | None:
        """The places of both."""
        first, last = max(self.first, other.first), min(self.last, other.last)
        return Span(first, last) if first <= last else None

    def without(self, others: Iterable[Span]) -> list[Span]:
        """The places that none of the others has, in order."""
        left, first = [], self.first
        for other in sorted(others):
            if other.first > self.last:
                break
            if other.first > first:
                left.append(Span(first, other.first - 1))
            first = max(first, other.last + 1)
        if first <= self.last:
            left.append(Span(first, self.last))
        return left


@dataclass(frozen=True, slots=True)
class Look:
    """What one statement saw of the log above the reader's watermark, in one snapshot.

    top: the highest place that is filled.
    holes: the empty places between the watermark and the top, each as long as it can be, in order.
    horizon: who was running.  floor: the place up to which the log is trimmed.
    passed: places that were written down as passed, by any reader.
    """

    top: int
    holes: Sequence[Span]
    horizon: Horizon
    floor: int = 0
    passed: Sequence[Span] = ()


@dataclass(frozen=True, slots=True)
class Gap:
    """Places that were seen empty below one that was filled.

    since: the time when.  seen: the tick of it.  bound: an xid drawn after that.
    writers: the xids of all who could have drawn them, asked for after that; None: nobody asked.
    """

    span: Span
    since: float
    seen: int
    bound: int | None = None
    writers: frozenset[int] | None = None

    def is_dead(self, horizon: Horizon) -> bool:
        """Whether all who could fill it have ended: it stays empty for ever, or whoever reads from now on sees it
        filled."""
        if self.bound is not None and horizon.xmin > self.bound:
            return True
        return self.writers is not None and all(map(horizon.has_ended, self.writers))


@dataclass(slots=True)
class Gaps:
    """The reader's place, and the gaps above it.

    watermark: a filled place (at first, where the log begins) at and below which each is filled, dead or passed.
    patience: seconds after which a gap is passed.
    """

    watermark: int
    patience: float = PATIENCE
    gaps: list[Gap] = field(default_factory=list)
    _ticks: int = 0

    def begin(self) -> int:
        """A ticket for a draw or a question that is about to begin."""
        self._ticks += 1
        return self._ticks

    def see(self, look: Look, now: float) -> None:
        """Take in a look. They may come out of order: an older one teaches little, and spoils nothing."""
        self.watermark = max(self.watermark, look.floor)
        seen, end = self.begin(), look.top
        waiting: list[Gap] = []
        for hole in look.holes:
            alive = [
                gap
                for known in self._known(hole, now, seen)
                if not known.is_dead(look.horizon)
                for gap in _unpassed(known, look.passed)
            ]
            if alive and not waiting:
                end = hole.first - 1
            waiting += alive
        self.gaps = waiting + [gap for gap in self.gaps if gap.span.first > look.top]
        self.watermark = max(self.watermark, end)

    def _known(self, hole: Span, now: float, seen: int) -> list[Gap]:
        """A hole as the gaps that it consists of: those known, and what is new between them."""
        above = hole.shared(Span(self.watermark + 1, hole.last))
        if above is None:
            return []
        found = [replace(gap, span=shared) for gap in self.gaps if (shared := gap.span.shared(above))]
        found += [Gap(span, now, seen) for span in above.without(gap.span for gap in found)]
        return sorted(found, key=lambda gap: gap.span)

    @property
    def is_unbound(self) -> bool:
        """Whether an xid is to be drawn."""
        return any(gap.bound is None for gap in self.gaps)

    def bind(self, ticket: int, xid: int) -> None:
        """Bind what was seen before the ticket by an xid that was drawn after it."""
        self.gaps = [
            replace(gap, bound=xid) if gap.bound is None and gap.seen < ticket else gap for gap in self.gaps
        ]

    def is_suspect(self, now: float) -> bool:
        """Whether it is worth asking who could have drawn a gap's places."""
        return any(gap.writers is None and now - gap.since >= GRACE for gap in self.gaps)

    def suspect(self, ticket: int, writers: Collection[int]) -> None:
        """Say who could have drawn what was seen before the ticket, as it was answered after it."""
        found = frozenset(writers)
        self.gaps = [
            replace(gap, writers=found) if gap.writers is None and gap.seen < ticket else gap
            for gap in self.gaps
        ]

    def overdue(self, now: float) -> list[Gap]:
        """The gaps to pass: write them down, and look again."""
        return [gap for gap in self.gaps if gap.bound is not None and now - gap.since >= self.patience]


def _unpassed(gap: Gap, passed: Sequence[Span]) -> list[Gap]:
    return [replace(gap, span=span) for span in gap.span.without(passed)]
