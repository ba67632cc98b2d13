"""Resets: notes of each one that a client is told why, and counts them by cause.

One rule: nobody is told to read again but through here, so the sums are whole. It changes nothing.
"""

from __future__ import annotations

import logging
from collections import Counter

from ..cause import Cause
from .session import Session

logger = logging.getLogger("livecollections.bayeux")


class Resets:
    """The sums. counts: by cause, how many resets clients were told; one for each session and name."""

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts: Counter[Cause] = Counter()

    def hear(self, session: Session, channel: str, cause: Cause) -> None:
        """A session is given a message that says that what came before can't be told."""
        position = session.positions.get(channel)
        self.note(session, channel, cause, position and position.sent)

    def note(self, session: Session, name: str, cause: Cause, seq: object) -> None:
        """A session is told that it can't be told the rest.

        Args:
            name: the channel or pattern.  seq: where the receiver is, or says it is; anything may come.
        """
        self.counts[cause] += 1
        told = {"channel": name, "seq": seq, "session": session.id[-6:], "cause": cause.value}
        logger.debug("session …%s is reset on %s: %s", session.id[-6:], name, cause.value, extra=told)
