"""Long-polling: one HTTP request, its replies, and what waits for its session if it connects.

Two rules. Messages travel in answers to connects only, since two responses may overtake one another. A poll
whose client has gone takes nothing with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from .. import message as messages
from ..connection import Connection
from ..message import Message
from ..server import Engine
from .link import ConnectionLink


class Poll(ConnectionLink):
    """One request; a link (see ``session.Link``)."""

    buffered = 0

    def __init__(self, engine: Engine, connection: Connection) -> None:
        super().__init__(engine, connection, is_taking=False, headers=[])
        self._replies: list[bytes] = []
        self._done = asyncio.Event()

    async def answer(
        self, received: list[Any], wait_disconnect: Callable[[], Awaitable[None]]
    ) -> bytes | None:
        """The response's body: replies, then messages; None if the client went before.

        The messages are in flight until ``landed`` or ``lost`` is called.

        Args:
            received: the request's messages.
            wait_disconnect: returns when the client has gone.
        """
        await self._engine.receive(received, self)
        session = self.session
        is_held = session is not None and session.held is not None and session.held.link is self
        # One that isn't held may have waited too, until it could speak for its session.
        if session is not None and session.link is self and (is_held or session.queue):
            self._engine.exchange.taking(self)
            if not await self._wait_news(wait_disconnect):
                self._engine.exchange.detach(self)
                return None
            self._engine.exchange.sending(self)
            if session.held is not None and session.held.link is self:
                self._engine.exchange.answer(session)
        taken: list[Message] = []
        if session is not None and session.link is self:
            taken = session.take(self._engine.exchange.limits.queue_bytes)
        return messages.encode(await self._engine.exchange.extensions.bodies(self, self._replies, taken))

    async def _wait_news(self, wait_disconnect: Callable[[], Awaitable[None]]) -> bool:
        news = asyncio.ensure_future(self._done.wait())
        gone = asyncio.ensure_future(wait_disconnect())
        try:
            await asyncio.wait([news, gone], return_when=asyncio.FIRST_COMPLETED)
            return not gone.done()
        finally:
            for future in (news, gone):
                future.cancel()
            await asyncio.gather(news, gone, return_exceptions=True)

    def landed(self) -> None:
        """The response has been sent."""
        if self.session is not None and self.session.link is self:
            self.session.answered()
        self._engine.exchange.detach(self)

    def lost(self) -> None:
        """The response could not be sent."""
        self._engine.exchange.detach(self)

    # The link.

    def reply(self, reply: dict[str, Any]) -> None:
        self._replies.append(messages.to_json(reply))
        self._done.set()

    def wake(self) -> None:
        self._done.set()

    async def wait_room(self) -> None:
        return

    def ended(self) -> None:
        self._done.set()

    def abort(self) -> None:
        self._done.set()

    def close(self, code: int) -> None:
        self._done.set()
