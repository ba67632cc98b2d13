"""Listeners: functions that hear what happens to sessions.

Four rules. Each real change is told once: a repeated subscription is none. What happens to one session is told in
its order, never inside the call that caused it. A listener that fails is logged, and stops nothing. Clients in this
process are no news.

This module knows the events and no protocol; the exchange tells them.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from functools import partial
from types import MappingProxyType
from typing import Any

from ..errors import ConfigurationError
from .fault import FAULTS, let_end, logged
from .session import Session
from .strand import Strands

HANDSHAKE, SUBSCRIBE, UNSUBSCRIBE = "handshake", "subscribe", "unsubscribe"
PUBLISH, DISCONNECT = "publish", "disconnect"

EVENTS = MappingProxyType(
    {
        HANDSHAKE: ("session",),
        SUBSCRIBE: ("session", "channel"),
        UNSUBSCRIBE: ("session", "channel"),
        PUBLISH: ("session", "channel", "data"),
        DISCONNECT: ("session",),
    }
)
"""What each event tells; the session of a publish is None if it is nobody's."""

BACKLOG = 256
"""Events of one session that wait for slow listeners before no more of its messages are read."""
FAREWELL = 0.4
"""Seconds that listeners have to hear that the server closes."""

Function = Callable[..., Any]


class Listeners:
    """The functions, by event."""

    def __init__(self) -> None:
        self._functions: dict[str, tuple[Function, ...]] = {}
        self._strands = Strands()

    def add(self, event: str, function: Function) -> None:
        """Have a function called at each event of a kind.

        Raises:
            ConfigurationError: there is no such event, or this is no function.
        """
        if event not in EVENTS:
            raise ConfigurationError(f"on: one of {', '.join(EVENTS)} is expected, not {event!r}")
        if not callable(function):
            raise ConfigurationError(f"on: a function is expected, not {function!r}")
        self._functions[event] = (*self._functions.get(event, ()), function)

    def hear(self, event: str) -> bool:
        """Whether anybody listens to it."""
        return event in self._functions

    def tell(self, event: str, session: Session | None, *arguments: Any) -> None:
        """Something has happened; returns at once."""
        for function in self._functions.get(event, ()):
            self._strands.do(session, partial(_call, function, event, session, *arguments))

    async def wait_room(self, session: Session | None) -> None:
        """Return when not too much of a session waits to be told."""
        await self._strands.wait_room(session, BACKLOG)

    async def close(self) -> None:
        """Let them hear what they have not heard, for a moment; then forget it."""
        try:
            async with asyncio.timeout(FAREWELL):
                await self._strands.wait_idle()
        except TimeoutError:
            await self._strands.close()


async def _call(function: Function, event: str, *arguments: Any) -> None:
    try:
        returned = function(*arguments)
        if inspect.isawaitable(returned):
            await returned
    except FAULTS as error:
        let_end(error)
        logged("the listener %s of %s failed", getattr(function, "__qualname__", function), event)
