"""What is found in the log of a SQL store, in sentences. It knows no database.

Each function takes facts that a store has read, and says how they are, or what is to be done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..version import __version__
from .administration import Finding
from .base import Log
from .sql_installed import ALIVE
from .sql_log import TRIM

INSTALL = "start the application, or run livecollections install"
NO_LOG = Finding("log", "there is none", INSTALL)
LATE = 3600.0
"""Seconds for which an entry may be older than is kept, before somebody should look why."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How large a log is. count: entries.  oldest: when that was written, in seconds since 1970; None if it is empty.
    size: bytes.  cursors: durable listeners and webhooks, with the seqs where they stand, the furthest behind first."""

    count: int
    oldest: float | None
    size: int
    cursors: Sequence[tuple[str, str]]


def processes(beats: Iterable[Mapping[str, Any]], now: float) -> Finding:
    """Those that use the log now, by their heartbeats; they should be of one version."""
    alive = Counter(str(beat["version"]) for beat in beats if beat["at"] >= now - ALIVE)
    told = ", ".join(f"{count} of {version}" for version, count in sorted(alive.items()))
    others = alive.keys() - {__version__}
    advice = f"this is {__version__}: restart the others with it" if others else ""
    return Finding("processes", told or "none uses it now", advice)


def capture(stale: Mapping[str, str], captured: Iterable[str]) -> list[Finding]:
    """The triggers, by what is wrong with them."""
    names = sorted(captured)
    if not names:
        return [Finding("triggers", "nothing is captured", INSTALL)]
    if not stale:
        return [Finding("triggers", f"in place on {', '.join(names)}")]
    return [Finding("triggers", f"{name}: {reason}", INSTALL) for name, reason in sorted(stale.items())]


def extent(found: Extent, log: Log, now: float) -> list[Finding]:
    """The size and the age of a log, and whether it is trimmed as it should be."""
    age = 0.0 if found.oldest is None else now - found.oldest
    size = f"{found.count:,} changes, {found.size / 2**20:,.1f} MiB"
    told = size if found.oldest is None else f"{size}, the oldest {span(age)} old"
    kept = f"{log.days:g} days, and {log.changes:,} changes at most"
    is_late = age > log.days * 86_400 + LATE or found.count > log.changes + TRIM
    return [Finding("log", told), Finding("retention", kept, _held(found.cursors) if is_late else "")]


def _held(cursors: Sequence[tuple[str, str]]) -> str:
    if not cursors:
        return "more is kept: nobody trims it, start the application"
    name, seq = cursors[0]
    return f"more is kept: {name} has heard no further than {seq or 'nothing'}, see why, or start the application"


def span(seconds: float) -> str:
    """A span of time for people."""
    for length, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"
