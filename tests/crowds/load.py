"""The crowd in a process of its own: ``python -m tests.crowds.load <port>``. It only does what it is told."""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from bisect import bisect_right
from collections.abc import Callable
from typing import Any

from .child import allow_files, answer
from .subscriber import Subscriber

AT_ONCE = 100
"""Clients that begin at a time, so that the beginning is no storm."""
MOMENT = 0.1
"""The part of the longest wait within which clients that come together are a crowd again."""


class Crowd:
    """Healthy subscribers, and those that stop to read."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.healthy: list[Subscriber] = []
        self.stopped: list[Subscriber] = []
        self._began = 0.0

    async def run(self) -> None:
        told = "join", "join_stopping", "stop_reading", "read_again", "leave", "cut", "mark"
        asked = "delays", "wait", "counts"
        await answer({name: getattr(self, name) for name in (*told, *asked)})

    async def join(self, count: int) -> None:
        """Have more begin, until there are so many."""
        while len(self.healthy) < count:
            self.healthy += await self._open(min(AT_ONCE, count - len(self.healthy)))

    async def join_stopping(self, count: int, compressing: bool = False) -> None:
        """More that will stop."""
        self.stopped += await self._open(count, is_keeping=True, is_compressing=compressing)

    async def _open(self, count: int, **options: Any) -> list[Subscriber]:
        begun = [Subscriber(self._port, **options) for _ in range(count)]
        await asyncio.gather(*(one.open() for one in begun))
        await until(lambda: all(one.is_live for one in begun), 60)
        return begun

    def stop_reading(self) -> None:
        for one in self.stopped:
            one.stop_reading()

    async def read_again(self, seq: str, within: float) -> dict[str, Any]:
        """One of the stopped reads again, until it has heard a seq: what it heard."""
        one = self.stopped[0]
        before = one.heard
        one.read_again()
        await until(lambda: one.position >= seq, within)
        told = {"heard": one.heard - before, "changes": list(one.changes.items())}
        return {**told, "gaps": one.gaps, "resets": one.resets}

    def leave(self) -> None:
        """The stopped go."""
        for one in self.stopped:
            one.leave()
        self.stopped = []

    async def delays(self, seq: str, within: float = 30.0) -> dict[str, float]:
        """Once the healthy have heard a seq: their delays in seconds since the last time."""
        await until(lambda: all(one.position >= seq for one in self.healthy), within)
        found = [delay for one in self.healthy for delay in one.delays]
        for one in self.healthy:
            one.delays = []
        cuts = statistics.quantiles(found, n=100)
        missed = {name: count for name, count in self.counts().items() if name in ("gaps", "resets")}
        return {"count": len(found), "p50": cuts[49], "p99": cuts[98], **missed}

    def cut(self) -> None:
        """The network breaks for all of them, in one moment."""
        self.mark()
        for one in self.healthy:
            one.cut()

    def mark(self) -> None:
        """From now on the seconds count."""
        self._began = time.monotonic()
        for one in self.healthy:
            one.intervals = []

    async def wait(self, seq: str, within: float) -> dict[str, Any]:
        """Once all are at a seq: in how many seconds after the cut they were, and within how many all had come."""
        try:
            await until(lambda: all(one.position >= seq and one.is_live for one in self.healthy), within)
        except TimeoutError:
            late = [one for one in self.healthy if one.position < seq or not one.is_live]
            raise TimeoutError(
                f"{len(late)} of {len(self.healthy)} are late, one of them {late[0]}"
            ) from None
        times = sorted(one.at - self._began for one in self.healthy)
        arrivals = sorted(one.arrived for one in self.healthy)
        waits = sorted(wait for one in self.healthy for wait in one.intervals)
        return {
            "half": times[len(times) // 2],
            "last": times[-1],
            "arriving": arrivals[-1] - min(self._began, arrivals[0]),
            "told": len(waits),
            "longest": waits[-1] if waits else 0.0,
            "crowded": crowded(waits),
        }

    def counts(self) -> dict[str, int]:
        names = "heard", "gaps", "repeats", "resets", "handshakes", "tries"
        return {name: sum(getattr(one, name) for one in self.healthy) for name in names}


def crowded(waits: list[float]) -> float:
    """The part of those who were told to wait whose times, which rise, end within one ``MOMENT``."""
    if not waits:
        return 0.0
    moment = MOMENT * waits[-1]
    return max(bisect_right(waits, wait + moment) - n for n, wait in enumerate(waits)) / len(waits)


async def until(condition: Callable[[], bool], within: float) -> None:
    """Return when it is true; raises TimeoutError."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        await asyncio.sleep(0.02)


def main() -> None:
    import uvloop

    allow_files()
    uvloop.run(Crowd(int(sys.argv[1])).run())


if __name__ == "__main__":
    main()
