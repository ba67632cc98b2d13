"""How a Live starts and ends with its host: another application's lifespan, within ours."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager
from typing import Any

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("livecollections.live")


class Wrapped:
    """An application with ours around it: our paths are ours, everything else is passed on.

    app: any ASGI application.  route: says which paths are ours.  live: started before ``app``, stopped after it.
    """

    def __init__(self, app: ASGIApp, route: BaseRoute, live: AbstractAsyncContextManager[Any]) -> None:
        self._app = app
        self._route = route
        self.live = live

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        match, child = self._route.matches(scope)
        if match is Match.NONE:
            await self._app(scope, receive, send)
        else:
            await self._route.handle({**scope, **child}, receive, send)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.live.__aenter__()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        try:
            host = HostLifespan(self._app, scope)
            answer = await host.tell({"type": "lifespan.startup"})
            await send(answer or {"type": "lifespan.startup.complete"})
            if answer is not None and answer["type"] == "lifespan.startup.failed":
                return
            answer = await host.tell(await receive())
        finally:
            await self.live.__aexit__(None, None, None)
        await send(answer or {"type": "lifespan.shutdown.complete"})


class HostLifespan:
    """The other application's lifespan, which it may not have."""

    def __init__(self, app: ASGIApp, scope: Scope) -> None:
        self._told: asyncio.Queue[Message] = asyncio.Queue()
        self._said: asyncio.Queue[Message] = asyncio.Queue()
        self.error: Exception | None = None
        self._task = asyncio.ensure_future(self._run(app(scope, self._told.get, self._said.put)))

    async def tell(self, message: Message) -> Message | None:
        """Pass a message on and wait for what it says to that; None if it speaks no lifespan."""
        await self._told.put(message)
        answer = asyncio.ensure_future(self._said.get())
        await asyncio.wait({answer, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        answer.cancel()
        return None

    async def wait_ended(self) -> None:
        """Return when it says no more; ``error`` is then what it raised."""
        await asyncio.wait({self._task})

    async def _run(self, running: Awaitable[None]) -> None:
        try:
            await running
        except Exception as error:
            # Raising at a lifespan scope is how an application says that it has none (ASGI specification).
            self.error = error
            logger.debug("the wrapped application ended its lifespan: %r", error)
