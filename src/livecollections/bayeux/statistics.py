"""Statistics: what a server has to do, and has done.

One rule: what is counted while messages go out costs one addition for a message, not for a receiver; the rest is
looked up when somebody asks.

This module counts, and acts on nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..cause import Cause
from .session import Session

IN_PROCESS = "in-process"


@dataclass(frozen=True, slots=True)
class Statistics:
    """One moment of a server, and sums since it was made.

    sessions: those that live, by the transport on which each was last heard.  subscriptions: of all sessions.
    channels: names and patterns that somebody subscribed to.  queued: messages that wait for a client, and
    queued_bytes: their size; a message that waits for several is counted for each.  buffered_bytes: what was handed
    on and has not left yet, as far as the ASGI server shows it.  stopped: sessions whose client has taken nothing of
    what is being written for ``Limits.stall`` seconds.  replays: sessions for which a history is being read.

    paced: times that a client was told to come later, since too many came at once.  handshakes: sessions that were
    begun by clients.  refused: handshakes that were refused.  expired: sessions of
    which nothing was heard in time.  overflown: sessions that took too little of what they were sent.  kicked:
    sessions that the program ended.  published: messages, and delivered: to how many receivers they went in all;
    what a history tells again is not counted.  resets: by cause, how often a session was told to read again, on
    subscribing or later; one for each channel or pattern.
    """

    sessions: Mapping[str, int]
    subscriptions: int
    channels: int
    queued: int
    queued_bytes: int
    buffered_bytes: int
    stopped: int
    replays: int
    paced: int
    handshakes: int
    refused: int
    expired: int
    overflown: int
    kicked: int
    published: int
    delivered: int
    resets: Mapping[Cause, int]


class Counts:
    """The sums."""

    __slots__ = ("delivered", "expired", "handshakes", "kicked", "overflown", "published", "refused")

    def __init__(self) -> None:
        self.handshakes = self.refused = self.expired = self.overflown = self.kicked = 0
        self.published = self.delivered = 0

    def statistics(
        self,
        sessions: Iterable[Session],
        channels: Collection[str],
        resets: Mapping[Cause, int],
        *,
        stopped_since: float,
        paced: int,
    ) -> Statistics:
        """The sums, and what can be seen now.

        Args:
            sessions: those that live.  channels: names and patterns with a subscriber.  resets: by cause.
            stopped_since: a write that began so early should have ended.  paced: clients that were told to wait.
        """
        by_transport: Counter[str] = Counter()
        subscriptions = queued = queued_bytes = buffered_bytes = stopped = replays = 0
        for session in sessions:
            by_transport[session.transport] += 1
            subscriptions += len(session.subscriptions)
            queued += len(session.queue)
            queued_bytes += session.size
            buffered_bytes += session.link.buffered if session.link is not None else 0
            stopped += session.writing_since is not None and session.writing_since <= stopped_since
            replays += session.is_replaying
        sums = {name: getattr(self, name) for name in self.__slots__}
        return Statistics(
            sessions=MappingProxyType(dict(by_transport)),
            subscriptions=subscriptions,
            channels=len(channels),
            queued=queued,
            queued_bytes=queued_bytes,
            resets=MappingProxyType(dict(resets)),
            buffered_bytes=buffered_bytes,
            stopped=stopped,
            replays=replays,
            paced=paced,
            **sums,
        )
