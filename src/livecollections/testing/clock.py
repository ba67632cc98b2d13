"""Clock: the time of a site under test, which jumps.

Two rules. Time only goes forward: it runs as the machine's does, and a jump is added. A loop that was moved stays
moved when its test has ended, since time on a loop must not go back either.

What follows it: timers and time-outs of the site's loop and of the loop on which ``jump`` is called; the sessions,
pings and held connects of the Bayeux server; the log's retention, heartbeats and leases, and the times that the store
writes. What does not: ``time.time()`` and ``datetime.now()`` in the application's own code, other processes, browsers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from ..errors import ConfigurationError


class Clock:
    """A clock that is the machine's, until it jumps."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._driven: list[asyncio.AbstractEventLoop] = []

    def time(self) -> float:
        """Seconds since 1970."""
        return time.time() + self._ahead

    def monotonic(self) -> float:
        """Seconds that only rise, by which loops and servers measure."""
        return time.monotonic() + self._ahead

    @property
    def ahead(self) -> float:
        """Seconds by which it is before the machine's."""
        return self._ahead

    def drive(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let a loop, which must not run yet, go by this clock for good."""
        loop.time = self.monotonic  # type: ignore[method-assign]
        self._driven.append(loop)

    def jump(self, seconds: float) -> None:
        """Let so much time have passed at once, for the site and for the loop that runs here, if one does.

        Everything that was to happen in that time happens now, once. Raises ConfigurationError.
        """
        if (
            isinstance(seconds, bool)
            or not isinstance(seconds, int | float)
            or not 0 <= seconds < float("inf")
        ):
            raise ConfigurationError(
                f"jump: seconds from 0 are expected, since time can't go back, not {seconds!r}"
            )
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is not None and here not in self._driven:
            push(here, seconds)
        self._ahead += seconds
        for loop in self._driven:
            if not loop.is_closed():
                # It sleeps until what was its next timer.
                loop.call_soon_threadsafe(lambda: None)


class _Pushed:
    """The time of a loop that others made, and what was added to it."""

    def __init__(self, before: Callable[[], float]) -> None:
        self._before = before
        self.ahead = 0.0

    def __call__(self) -> float:
        return self._before() + self.ahead


def push(loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    """Move a loop's time forward by so many seconds."""
    if not isinstance(loop, asyncio.BaseEventLoop):
        raise ConfigurationError(
            f"jump: the time of a loop of {type(loop).__module__} can't be moved: run this test on asyncio's own"
        )
    if not isinstance(loop.time, _Pushed):
        loop.time = _Pushed(loop.time)  # type: ignore[method-assign]
    assert isinstance(loop.time, _Pushed)
    loop.time.ahead += seconds
