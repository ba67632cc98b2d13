"""Strangers: the sockets that have no session, and how many of them there may be.

Faye's client opens its socket before it handshakes, so they must be tolerated for a while; they cost memory and
have shown nothing for it, so they are counted, in all and by address.

This module has no clock and no socket.
"""

from __future__ import annotations

from collections import Counter

from .message import Limits


class Strangers:
    """Counts them. limits: ``strangers`` and ``strangers_address``."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._addresses: dict[object, str | None] = {}
        self._counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._addresses)

    def has_room(self, address: str | None) -> bool:
        """Whether one more may come from an address; where none is known, none is counted."""
        room = len(self) < self._limits.strangers
        return room and (address is None or self._counts.get(address, 0) < self._limits.strangers_address)

    def add(self, socket: object, address: str | None) -> None:
        """The socket has no session, or has lost it."""
        if socket not in self._addresses:
            self._addresses[socket] = address
            if address is not None:
                self._counts[address] += 1

    def discard(self, socket: object) -> None:
        """The socket has a session, or has gone."""
        address = self._addresses.pop(socket, None)
        if address is not None:
            self._counts[address] -= 1
            if not self._counts[address]:
                del self._counts[address]
