"""Lazy messages: sessions whose waiting messages may wait for company.

Two rules. One timer serves all the sessions of one delay, so a session is told at the latest after it, often
before. Whoever sends something to a session anyway sends what waits with it.

This module knows no channel and no link: the exchange says who waits, and is told whose time has come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .session import Session


class Lazy:
    """Who waits, by delay.

    flush: is called with each session whose messages may wait no longer.
    """

    def __init__(self, flush: Callable[[Session], None]) -> None:
        self._flush = flush
        self._waiting: dict[float, dict[Session, None]] = {}
        self._timers: dict[float, asyncio.TimerHandle] = {}

    def postpone(self, session: Session, delay: float) -> bool:
        """Whether the message that has just been queued can wait; it can't behind one that can't."""
        if session.is_local or (len(session.queue) > 1 and not session.may_wait):
            return False
        session.may_wait = True
        if delay not in self._waiting:
            self._waiting[delay] = {}
            self._timers[delay] = asyncio.get_running_loop().call_later(delay, self._end, delay)
        self._waiting[delay][session] = None
        return True

    def _end(self, delay: float) -> None:
        del self._timers[delay]
        for session in self._waiting.pop(delay):
            if session.may_wait and not session.has_ended:
                session.may_wait = False
                self._flush(session)

    def close(self) -> None:
        """Forget who waits."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._waiting.clear()
