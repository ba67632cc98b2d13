"""Lifetimes: when a held connect is due, when a socket's peer has gone without a word, when a session has expired.

Three rules. One wheel and one timer serve all sessions, and only those are looked at whose time may have come. A
client whose connect was answered asks again; on a socket, one that says nothing for ``pong`` seconds is half-open.
A session never expires while its connect is held, nor while its socket is asked for signs of life.

It decides nothing about messages: the exchange says what is to be done.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from .session import Link, Session
from .wheel import Wheel

logger = logging.getLogger("livecollections.bayeux")

SWEEP = 0.25
"""Seconds by which a held connect may be answered late."""
EXPIRY = 2.0
"""A session ends after this many timeouts, and the interval, without a sign of it."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often clients are to be heard of; all in seconds.

    timeout: for which a connect is held.  interval: between connects.  ping: after which a connect that is held on
    a socket is answered, as a question; None: it is not before the timeout, and nothing is expected then.  pong:
    for which the answer to that may take.
    """

    timeout: float
    interval: float = 0.0
    ping: float | None = None
    pong: float = 10.0

    @property
    def expiry(self) -> float:
        """Seconds after which a session ends of which nothing is heard."""
        return EXPIRY * self.timeout + self.interval

    def patience(self, link: Link) -> float:
        """How long a connect is held on a link, if its client has no other wish."""
        return min(self.timeout, self.ping) if link.is_socket and self.ping else self.timeout


class Lifetimes:
    """Looks at sessions when it is time to.

    Args:
        answer: answers a held connect.  lose: gives up a socket whose peer says nothing.  expire: ends a session.
    """

    def __init__(
        self,
        pace: Pace,
        clock: Callable[[], float],
        *,
        answer: Callable[[Session], None],
        lose: Callable[[Link], None],
        expire: Callable[[Session], None],
    ) -> None:
        self._pace = pace
        self._clock = clock
        self._answer = answer
        self._lose = lose
        self._expire = expire
        spans = (pace.timeout, pace.pong, pace.ping or pace.timeout)
        self._wheel: Wheel[Session] = Wheel(min(SWEEP, *(span / 8 for span in spans)))
        self._timer: asyncio.TimerHandle | None = None

    def __bool__(self) -> bool:
        return bool(self._wheel) or self._timer is not None

    def close(self) -> None:
        """Look at nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wheel = Wheel(self._wheel.width)

    def deadline(self) -> float:
        """When a session expires that is heard of now and not again."""
        return self._clock() + self._pace.expiry

    def touch(self, session: Session) -> None:
        """There is a sign of it: it lives on."""
        session.deadline = self.deadline() + session.pause

    def shorten(self, session: Session, seconds: float) -> None:
        """Unless there is another sign of it so soon, beyond the time that it was told to wait, it expires."""
        session.deadline = min(
            session.deadline, self._clock() + self._pace.interval + session.pause + seconds
        )

    def watch(self, session: Session) -> None:
        """Look at it when something may be due."""
        slot = self._wheel.slot(self._next(session))
        if not session.visit or slot < session.visit:
            session.visit = slot
            self._wheel.add(session, slot)
        self._wind()

    def _next(self, session: Session) -> float:
        if session.held is not None:
            return session.held.until
        return self._silent(session) if self._is_pinged(session) else session.deadline

    def _is_pinged(self, session: Session) -> bool:
        return bool(self._pace.ping) and session.link is not None and session.link.is_socket

    def _silent(self, session: Session) -> float:
        """When its client, heard of as the deadline says, must have been heard of again."""
        return session.deadline - self._pace.expiry + self._pace.interval + self._pace.pong

    def _wind(self) -> None:
        if self._timer is None and self._wheel:
            self._timer = asyncio.get_running_loop().call_later(self._wheel.width, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        now = self._clock()
        for slot, session in self._wheel.due(now):
            if session.has_ended or session.visit != slot:
                continue
            session.visit = 0
            self._look_at(session, now)
            if not session.has_ended:
                self.watch(session)
        self._wind()

    def _look_at(self, session: Session, now: float) -> None:
        if session.held is not None:
            if session.held.until <= now:
                self._answer(session)
        elif self._is_pinged(session):
            if self._silent(session) <= now:
                assert session.link is not None
                logger.info("session …%s: its socket's peer has gone without a word", session.id[-6:])
                self._lose(session.link)
        elif session.deadline <= now:
            logger.info("session …%s has expired", session.id[-6:])
            self._expire(session)
