"""Statistics: one moment of a Live, from which its health, its metrics and its page are told.

Two rules. What is here is known already: nothing asks the database, or looks at each session twice. Figures only: no
clientId, no document, and no table but those of resources, by their paths.

What concerns single sessions, channels and changes is made when somebody asks for it (``details.py``).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from .bayeux.statistics import Statistics
from .feed import Feed
from .stores.log_state import LogState
from .watch import Watch

LAG = 15.0
"""Seconds by which the feed may be behind; a gap of PostgreSQL's log is waited for, for 10 s."""
RECOUNT = 1.0
"""Seconds for which a count of the sessions is good enough for whoever asks about health."""


class Problem(Enum):
    """Why a Live is not healthy."""

    STOPPING = "stopping"
    DATABASE = "database"
    FEED = "feed"
    LAG = "lag"
    CAPTURE = "capture"


@dataclass(frozen=True, slots=True)
class LiveStatistics:
    """One moment of a Live, and sums since it was started.

    at: the moment, in seconds since 1970; two of them give rates.  uptime: seconds since it was started.
    problems: what is wrong; nothing: it is healthy.
    bayeux: of its Bayeux server.
    seq: up to which the log was published.  changes: published since the start, by the path of their resource.
    rows_read: entries of the log that were read, to publish them or to tell them again.  kept_bytes: of what was
    published or read lately, kept so that those who ask for it again are told without another reading.
    lag_changes: entries of the log that waited to be published when it was looked at last, and lag_seconds: for how
    long the first of them has.  silence: seconds since the database answered.
    log: the last answer; None: none has come as yet.
    """

    at: float
    uptime: float
    problems: tuple[Problem, ...]
    bayeux: Statistics
    seq: str
    changes: Mapping[str, int]
    rows_read: int
    kept_bytes: int
    lag_changes: int
    lag_seconds: float
    silence: float
    log: LogState | None


class Standing:
    """How one Live stands, from its start on. count: gives its server's figures."""

    def __init__(self, count: Callable[[], Statistics], feed: Feed, watch: Watch) -> None:
        self._count = count
        self._feed = feed
        self._watch = watch
        self._since = asyncio.get_running_loop().time()
        self._counted: tuple[float, Statistics] | None = None
        self.is_stopping = False
        """Whether it was told to end."""

    def take(self) -> LiveStatistics:
        """The moment that is now."""
        self._counted = None
        return self.glance()

    def glance(self) -> LiveStatistics:
        """The same, but sessions are counted once in a second at most: anybody may ask for it."""
        now = asyncio.get_running_loop().time()
        if self._counted is None or now - self._counted[0] >= RECOUNT:
            self._counted = now, self._count()
        feed, watch, lag = self._feed, self._watch, self._watch.lag
        return LiveStatistics(
            at=time.time(),
            uptime=now - self._since,
            problems=tuple(_problems(feed, watch, lag, self.is_stopping)),
            bayeux=self._counted[1],
            seq=feed.position(),
            changes=MappingProxyType(_changes(feed)),
            rows_read=feed.rows_read,
            kept_bytes=feed.kept_bytes,
            lag_changes=watch.state.behind if watch.state is not None and lag else 0,
            lag_seconds=lag,
            silence=watch.silence,
            log=watch.state,
        )


def _changes(feed: Feed) -> dict[str, int]:
    """How many were published, by the path of their resource."""
    found: Counter[str] = Counter(dict.fromkeys(sorted(set().union(*feed.paths.values())), 0))
    for source, count in feed.published.items():
        found.update(dict.fromkeys(feed.paths.get(source, ()), count))
    return dict(found)


def _problems(feed: Feed, watch: Watch, lag: float, is_stopping: bool) -> Iterator[Problem]:
    if is_stopping:
        yield Problem.STOPPING
    if watch.is_unreachable:
        yield Problem.DATABASE
    if not feed.running:
        yield Problem.FEED
    if lag > LAG:
        yield Problem.LAG
    if watch.state is not None and watch.state.missing:
        yield Problem.CAPTURE
