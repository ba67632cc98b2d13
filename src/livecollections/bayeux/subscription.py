"""Subscription: what a program iterates over to hear a channel.

Two rules. Entered means confirmed by the server. What was missed is never passed over in silence: it is a ``Reset``
in its place among the messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Self

from ..errors import ClientClosed, LiveError, Unconfirmed
from .delivery import Delivery, Reset
from .hearing import Hearing
from .interest import Listener
from .reader import Reader


class Subscription:
    """The messages of a channel or pattern: ``async with`` it, then ``async for`` message in it.

    A message has ``channel``, ``data`` and ``seq``; among the messages there may be a ``Reset``, which has no data.
    Up to ``buffer`` messages are kept for a slow program. What comes then on a channel with a history is read again
    from the server once there is room, so that nothing is lost; on a plain channel it is dropped, and a Reset says
    how much.

    Made by ``Client.subscribe``.
    """

    def __init__(
        self,
        listen: Callable[[str, Listener], Hearing],
        channel: str,
        since: str | Mapping[str, str] | None,
        buffer: int,
        timeout: float,
        error: Callable[[], Exception | None],
    ) -> None:
        self.channel = channel
        self._error = error
        self._listen = listen
        self._timeout = timeout
        self._news = asyncio.Event()
        self._reader = Reader(channel, since, buffer, self._news.set)
        self._hearing: Hearing | None = None
        self._has_left = False

    async def __aenter__(self) -> Self:
        if self._hearing is not None:
            raise ClientClosed(f"the subscription of {self.channel} was used before: make another")
        self._hearing = self._listen(self.channel, self._reader)
        try:
            await self._wait_confirmed()
        except BaseException:
            self._leave()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        self._leave()

    def _leave(self) -> None:
        self._has_left = True
        if self._hearing is not None:
            self._hearing.cancel()
        self._news.set()

    async def _wait_confirmed(self) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                while not self._reader.is_confirmed:
                    if self._reader.error is not None:
                        raise self._reader.error
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as error:
            if isinstance(error, LiveError):
                raise
            failed = self._error()
            reason = str(failed) if failed is not None else "no answer in time"
            raise Unconfirmed(f"the subscription to {self.channel}", reason) from failed

    @property
    def is_confirmed(self) -> bool:
        """Whether the server holds it now; not while the client is on its way to it."""
        return self._reader.is_confirmed and not self._has_left

    @property
    def positions(self) -> dict[str, str]:
        """By channel, the seq up to which messages have been received: taken, or kept here. Empty without a history."""
        return dict(self._reader.positions)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Delivery | Reset:
        """The next message; ends with the subscription, or when the client is closed.

        Nothing is lost if it is cancelled.

        Raises:
            BayeuxError: the server refused the subscription when it was renewed.
            ClientError: the server has sent the client away, or the subscription was not entered.
        """
        if self._hearing is None:
            raise ClientClosed(f"the subscription of {self.channel} is not entered: use `async with`")
        while not self._has_left:
            self._news.clear()
            taken = self._reader.take()
            if self._reader.wants_back():
                self._hearing.resume()
            if taken is not None:
                return taken
            if isinstance(self._reader.error, ClientClosed):
                break
            if self._reader.error is not None:
                raise self._reader.error
            await self._news.wait()
        raise StopAsyncIteration
