"""Watching: a stream that tells an onlooker once a second what there is, as Server-Sent Events.

Two rules. It ends when its user's rights do, or when the server stops; a browser then comes back by itself, and is
asked anew who it is. Who reads slowly is told less often, and costs no more than the last message.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope, Send

from ..bayeux import Server
from ..bayeux.local import LocalLink
from ..errors import StoreError
from ..rest.caller import Caller
from ..rest.listing import wait_gone
from ..rest.stream import HEADERS, RETRY, event, part
from ..view import Views
from .access import Access
from .onlooker import TRANSPORT, Onlooker
from .sample import INTERVAL, Sampler

logger = logging.getLogger("livecollections.inspector")


@dataclass(frozen=True, slots=True)
class Scene:
    """What there is to look at. views: of the resources."""

    access: Access
    caller: Caller
    server: Server
    views: Sequence[Views]
    sampler: Sampler


class Watching:
    """An ASGI application that tells a user who may look.

    about: what everybody is told at first.  user: whose the request is.
    """

    def __init__(self, scene: Scene, about: Mapping[str, Any], user: Any) -> None:
        self._scene = scene
        self._about = about
        self._user = user

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        if scope["method"] != "HEAD":
            with self._session(scope) as link, self._scene.sampler.looked_at():
                await self._tell(link, receive, send)
        await send({"type": "http.response.body", "body": b""})

    @contextmanager
    def _session(self, scope: Scope) -> Iterator[LocalLink]:
        """One of this process, which ends when its user's rights do."""
        exchange = self._scene.server._exchange
        session = exchange.begin(is_local=True)
        session.user, session.transport = self._user, TRANSPORT
        link = LocalLink(exchange, session)
        self._scene.caller.watch(session, scope, {})
        try:
            yield link
        finally:
            exchange.end(session, by_client=True)

    async def _tell(self, link: LocalLink, receive: Receive, send: Send) -> None:
        session = link.session
        assert session is not None, "it has just begun"
        engine = self._scene.server._engine
        onlooker = Onlooker(session, self._scene.views, lambda: engine.policy)
        begin = event({**self._about, **onlooker.resources()}, name=b"begin")
        await send(part(f"retry: {RETRY}\n".encode() + begin))
        ends = [asyncio.ensure_future(wait_gone(receive)), asyncio.ensure_future(link.wait_ended())]
        try:
            while self._scene.access.admits(session.user) and not any(end.done() for end in ends):
                await send(part(await self._moment(onlooker)))
                await asyncio.wait(ends, timeout=INTERVAL, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)

    async def _moment(self, onlooker: Onlooker) -> bytes:
        try:
            sample = await self._scene.sampler.sample()
        except StoreError as error:
            logger.warning("the last changes can't be read: %s", error)
            return b":\n\n"
        told = event(await onlooker.moment(sample), name=b"moment")
        changes = onlooker.changes(sample)
        return told + event(changes, name=b"changes") if changes else told
