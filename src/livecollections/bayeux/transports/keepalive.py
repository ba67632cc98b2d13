"""Keepalive: when each socket of a server is pinged, with one timer for all of them.

It knows no frame: whoever is due pings.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

logger = logging.getLogger("livecollections.bayeux")

TICK = 1.0
"""Seconds by which a ping may be late."""


class Pinging(Protocol):
    """One socket."""

    def ping(self) -> None:
        """Ask the peer for a sign of life."""


class Keepalive:
    """One server's."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: dict[int, dict[Pinging, None]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, socket: Pinging, delay: float) -> int:
        """Ping it after so many seconds; returns what ``discard`` wants to know."""
        slot = int((self._loop.time() + delay) / TICK) + 1
        self._slots.setdefault(slot, {})[socket] = None
        self._wind()
        return slot

    def discard(self, socket: Pinging, slot: int) -> None:
        """Do not ping it."""
        sockets = self._slots.get(slot, {})
        sockets.pop(socket, None)
        if not sockets and self._slots.pop(slot, None) is not None and not self._slots and self._timer:
            self._timer.cancel()
            self._timer = None

    def _wind(self) -> None:
        if self._timer is None and self._slots:
            self._timer = self._loop.call_later(TICK, self._tick)

    def _tick(self) -> None:
        self._timer = None
        reached = int(self._loop.time() / TICK)
        for slot in sorted(slot for slot in self._slots if slot <= reached):
            for socket in self._slots.pop(slot):
                try:
                    socket.ping()
                except Exception:  # the others are due all the same
                    logger.exception("a socket could not be pinged")
        self._wind()
