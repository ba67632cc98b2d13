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

TURNS = 4
"""Of the loop, for which an answer waits for more to go with it: another poll costs far more. Meanwhile it shows who
has gone."""


class Poll(ConnectionLink):
    """One request; a link (see ``session.Link``)."""

    buffered = 0

    def __init__(self, engine: Engine, connection: Connection) -> None:
        super().__init__(engine, connection, is_taking=False, headers=[])
        self._replies: list[bytes] = []
        self._is_done = False
        self._news: asyncio.Future[None] | None = None

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
        """Whether there is something to answer; if not, the client has gone."""
        # One task for each poll that is held, not two: at a thousand polls a second that is seen.
        gone = asyncio.ensure_future(wait_disconnect())
        gone.add_done_callback(self._tell)
        try:
            if not self._is_done:
                self._news = asyncio.get_running_loop().create_future()
                await self._news
            for _ in range(TURNS):
                await asyncio.sleep(0)
            return not gone.done()
        finally:
            self._news = None
            gone.remove_done_callback(self._tell)
            if not gone.cancel() and not gone.cancelled():
                # How a server says that its client has gone is no matter.
                gone.exception()

    def _tell(self, gone: asyncio.Future[None] | None = None) -> None:
        self._is_done = True
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

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
        self._tell()

    def wake(self) -> None:
        self._tell()

    async def wait_room(self) -> None:
        return

    def ended(self) -> None:
        self._tell()

    def abort(self) -> None:
        self._tell()

    def close(self, code: int) -> None:
        self._tell()
