"""Details: what a Live does in particular, for people who look at it; it is made when they ask.

Two rules. A clientId is a secret: a session is known by its last six characters. Nothing asks the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from heapq import nlargest
from itertools import islice

from .bayeux.exchange import Exchange
from .bayeux.session import Session
from .feed import Feed

MOST = 500
"""Sessions that are shown, and channels."""


@dataclass(frozen=True, slots=True)
class SessionDetails:
    """One session.

    name: the last six characters of its clientId.  transport: on which it was last heard.
    age: seconds since its handshake.  subscriptions: names and patterns.
    queued: messages that wait for it, and queued_bytes: their size.
    behind: changes that it has not been sent, of all its channels.  is_more: it is further behind than is known here;
    ``behind`` is what is known of that.
    """

    name: str
    transport: str
    age: float
    subscriptions: tuple[str, ...]
    queued: int
    queued_bytes: int
    behind: int
    is_more: bool


@dataclass(frozen=True, slots=True)
class Details:
    """What a Live does in particular.

    sessions: the youngest first.  channels: names and patterns that somebody subscribed to, and how many did, the most
    first.
    """

    sessions: tuple[SessionDetails, ...]
    channels: Mapping[str, int]


def details(exchange: Exchange, feed: Feed, most: int = MOST) -> Details:
    """Those of now. most: sessions that are shown, and channels."""
    now, heard = exchange.clock(), exchange.subscribers
    youngest = islice(reversed([*exchange.sessions.values()]), most)
    fullest = nlargest(most, heard, key=lambda name: len(heard[name]))
    return Details(
        sessions=tuple(_session(one, feed, now) for one in youngest),
        channels={name: len(heard[name]) for name in fullest},
    )


def _session(session: Session, feed: Feed, now: float) -> SessionDetails:
    waiting = [feed.count(channel, session.positions[channel].queued) for channel in session.behind()]
    return SessionDetails(
        name=session.id[-6:],
        transport=session.transport,
        age=now - session.since,
        subscriptions=tuple(session.subscriptions),
        queued=len(session.queue),
        queued_bytes=session.size,
        behind=len(session.queue) + sum(count for count, _ in waiting),
        is_more=not all(is_all for _, is_all in waiting),
    )
