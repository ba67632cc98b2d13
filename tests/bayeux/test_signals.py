"""Signals that several hear, whichever of them stops first."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import Iterator
from types import FrameType

import pytest

from livecollections.bayeux.signals import Signals

from ..serving import wait_until


class Hearers:
    """Servers that have begun to hear, one after the other, after whoever runs them."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.signals: dict[str, Signals] = {}

    def runner(self, number: int, frame: FrameType | None) -> None:
        self.heard.append("runner")

    def begin(self, name: str) -> None:
        async def close() -> None:
            self.heard.append(name)

        self.signals[name] = Signals(asyncio.get_running_loop(), close)
        self.signals[name].install()

    def stop(self, name: str) -> None:
        self.signals.pop(name).restore()

    async def end(self) -> list[str]:
        """Who hears that the process is to end."""
        self.heard.clear()
        signal.raise_signal(signal.SIGTERM)
        await wait_until(lambda: len(self.heard) > len(self.signals))
        return sorted(self.heard)


@pytest.fixture
def hearers() -> Iterator[Hearers]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    hearers = Hearers()
    signal.signal(signal.SIGTERM, hearers.runner)
    yield hearers
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("order", list(itertools.permutations("ABC")), ids="".join)
async def test_servers_stop_in_any_order(hearers: Hearers, order: tuple[str, ...]) -> None:
    for name in "ABC":
        hearers.begin(name)
    for name in order:
        assert await hearers.end() == [*sorted(hearers.signals), "runner"]
        hearers.stop(name)
    assert await hearers.end() == ["runner"]
    assert signal.getsignal(signal.SIGTERM) == hearers.runner
    assert all(signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT))
