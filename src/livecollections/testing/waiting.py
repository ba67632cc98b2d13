"""Waiting for a condition, with a deadline: what tests do instead of sleeping.

Two rules. A condition that does not come true is an AssertionError that says what was seen last. Deadlines are of the
machine's own time, so that a clock that jumps ends no wait.

It knows no server.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

WITHIN = 10.0
"""Seconds after which a wait fails."""
STEP = 0.005
"""Seconds between two looks."""
TURNS = 10
"""Looks in as many turns of the loop before it waits at all: what runs on that loop is often done by then."""


@overload
async def wait_until(condition: Callable[[], Awaitable[T]], within: float = WITHIN) -> T: ...


@overload
async def wait_until(condition: Callable[[], T], within: float = WITHIN) -> T: ...


async def wait_until(condition: Callable[[], Any], within: float = WITHIN) -> Any:
    """Return what ``condition()`` gives, as soon as that is true.

    Args:
        condition: a function or coroutine function; that it raises an AssertionError means: not yet.
        within: seconds after which it fails.

    Raises:
        AssertionError: it did not come true in time; the message has what was seen last.
    """
    __tracebackhide__ = True
    look = _Look(within)
    while True:
        try:
            found = condition()
            value = await found if inspect.isawaitable(found) else found
        except AssertionError as error:
            look.failed(error)
        else:
            if value:
                return value
            look.gave(value)
        await asyncio.sleep(STEP if look.count > TURNS else 0)


def wait_until_sync(condition: Callable[[], T], within: float = WITHIN) -> T:
    """``wait_until`` for tests that are no coroutines: it blocks."""
    __tracebackhide__ = True
    look = _Look(within)
    while True:
        try:
            value = condition()
        except AssertionError as error:
            look.failed(error)
        else:
            if value:
                return value
            look.gave(value)
        time.sleep(STEP)


class _Look:
    """The deadline of a wait, and how often it has looked."""

    def __init__(self, within: float) -> None:
        self.count = 0
        self._within = within
        self._deadline = time.monotonic() + within

    def gave(self, value: Any) -> None:
        """It is not true yet."""
        self.count += 1
        if time.monotonic() >= self._deadline:
            raise AssertionError(f"not within {self._within:g} s: the condition gave {value!r} last")

    def failed(self, error: AssertionError) -> None:
        """It asserts what is not so yet."""
        self.count += 1
        if time.monotonic() >= self._deadline:
            raise AssertionError(f"not within {self._within:g} s: {error}") from error
