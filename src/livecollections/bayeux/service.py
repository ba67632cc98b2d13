"""Services: functions that clients call by publishing on a channel under ``/service/``, CometD's remote calls.

Three rules. What a client publishes there goes to the function and to nobody else. Calls of one session run one
after the other, each after its publish has been answered; those of different sessions don't wait for one another.
What the function returns goes to the caller alone, through the queue of its session, so that it is not lost with a
socket.

This module knows no policy; the engine asks it before.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..errors import BayeuxError, ConfigurationError
from . import channel as channels
from . import message as messages
from .fault import FAULTS, let_end, logged
from .message import Message
from .session import Session
from .strand import Strands

CALLS = 32
"""Calls of one session that wait before no more of its messages are read."""

Function = Callable[..., Any]


class Services:
    """The functions, by name and pattern.

    give: sends a message to one session.
    """

    def __init__(self, give: Callable[[Session, Message], object]) -> None:
        self._functions: dict[str, tuple[Function, bool]] = {}
        self._give = give
        self._strands = Strands()

    def add(self, channel: str, function: Function) -> None:
        """Have calls on a channel, or on all that a pattern covers, go to a function.

        Raises:
            ConfigurationError: it is no service channel, it has a function already, or the function takes
                neither ``(session, data)`` nor ``(session, data, channel)``.
        """
        if not isinstance(channel, str) or not channels.is_valid(channel) or not channels.is_service(channel):
            raise ConfigurationError(
                f"service: a channel such as '/service/echo' is expected, not {channel!r}"
            )
        if channel in self._functions:
            raise ConfigurationError(f"service: {channel!r} has a function already")
        self._functions[channel] = function, _takes_channel(function)

    def has(self, channel: str) -> bool:
        """Whether a call on the channel of this name goes to a function."""
        return bool(self._functions) and any(name in self._functions for name in channels.expand(channel))

    async def wait_room(self, session: Session) -> None:
        """Return when the session may call again."""
        await self._strands.wait_room(session, CALLS)

    def call(self, session: Session, channel: str, data: Any, id_: Any) -> None:
        """Call the function of the channel, the most exact one, when the session's earlier calls are done."""
        function, takes_channel = next(
            self._functions[name] for name in channels.expand(channel) if name in self._functions
        )

        async def work() -> None:
            if session.has_ended:
                return
            try:
                arguments = (session, data, channel) if takes_channel else (session, data)
                returned = function(*arguments)
                returned = await returned if inspect.isawaitable(returned) else returned
                result = None if returned is None else messages.result(channel, id_, returned)
            except BayeuxError as error:
                result = messages.result(channel, id_, {"error": str(error)}, successful=False)
            except FAULTS as error:
                let_end(error)
                fault = logged("the service %s failed", channel)
                result = messages.result(channel, id_, {"error": str(fault)}, successful=False)
            if result is not None:
                self._give(session, result)

        self._strands.do(session, work)

    async def close(self) -> None:
        """Stop the calls that run, and forget the rest."""
        await self._strands.close()


def _takes_channel(function: Function) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise ConfigurationError(f"service: a function is expected, not {function!r}") from None
    named = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    needed = [one for one in named if one.default is one.empty]
    if len(needed) not in (2, 3) or any(
        one.kind is one.KEYWORD_ONLY and one.default is one.empty for one in parameters
    ):
        raise ConfigurationError(
            f"service: {function!r} is to take (session, data) or (session, data, channel)"
        )
    return len(needed) == 3
