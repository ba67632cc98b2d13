"""One timer pings all sockets, whatever happens to one of them."""

from __future__ import annotations

import asyncio

import pytest

from livecollections.bayeux.transports import keepalive
from livecollections.bayeux.transports.keepalive import Keepalive

from ..serving import wait_until


class Peer:
    """Counts its pings, or can't be pinged."""

    def __init__(self, *, is_broken: bool = False) -> None:
        self.pings = 0
        self._is_broken = is_broken

    def ping(self) -> None:
        self.pings += 1
        if self._is_broken:
            raise RuntimeError("it has just been closed")


async def test_one_that_cannot_be_pinged_harms_itself_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(keepalive, "TICK", 0.01)
    pings = Keepalive(asyncio.get_running_loop())
    first, beside, later = Peer(is_broken=True), Peer(), Peer()
    pings.add(first, 0.0)
    pings.add(beside, 0.0)
    pings.add(later, 0.05)
    await wait_until(lambda: later.pings, 5)
    assert (first.pings, beside.pings, later.pings) == (1, 1, 1)
    assert "could not be pinged" in caplog.text
