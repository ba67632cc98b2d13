"""Advice: when a client may ask again, by the server's word and by its own prudence.

Times are seconds. The server's word stands until it says otherwise; the longer nothing succeeds, the longer the
client waits, by a random part of it, so that a crowd does not come back in one moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import BayeuxError, LiveError
from .message import NONE, REHANDSHAKE, RETRY

FIRST, MOST = 0.25, 30.0
"""Seconds before the first new try and at most; doubled in between."""
BUSY = 503
"""The server is well, and has said when it has room: more prudence than that would only leave it idle."""
HOLD = 60.0
"""Seconds for which a server holds a connect, until it says."""


class Advice:
    """When to ask.

    interval: seconds between connects.  hold: those for which the server holds one.  failures: since the last success.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self.interval = 0.0
        self.hold = HOLD
        self.failures = 0
        self._told: float | None = None
        self._random = random

    def obey(self, reply: Mapping[str, Any]) -> str | None:
        """Take the advice of one of the protocol's replies; returns what it says of reconnecting."""
        advice = reply.get("advice")
        advice = advice if isinstance(advice, dict) else {}
        interval, timeout = _seconds(advice.get("interval")), _seconds(advice.get("timeout"))
        self._told = interval
        if timeout is not None and timeout >= 0:
            self.hold = timeout
        if interval is not None and interval < 0:
            return NONE
        self.interval = self.interval if interval is None else interval
        reconnect = advice.get("reconnect")
        return reconnect if reconnect in (RETRY, REHANDSHAKE, NONE) else None

    def failed(self, error: LiveError) -> float:
        """Seconds until the next try."""
        self.failures += 1
        told, self._told = self._told, None
        if isinstance(error, BayeuxError) and error.code == BUSY and told:
            return told
        delay = min(MOST, FIRST * 2.0 ** min(self.failures - 1, 16))
        return max(self.interval, delay * (0.5 + self._random() / 2))


def _seconds(milliseconds: Any) -> float | None:
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    return milliseconds / 1000
