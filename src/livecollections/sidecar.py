"""The sidecar: serves what was chosen of a database, and goes on as its tables change under it.

Three rules. What is served is what the tables are: when they have changed, and have been still for a while, they are
looked at again, and where that chooses something else the new takes the place of the old; clients come back by
themselves, and go on from where they were. A look that fails leaves what is served as it is, and says so. Whoever asks
in between is told to ask again.

It knows no database: it asks the port of administration.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

from starlette.applications import Starlette
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from . import rest
from .errors import LiveError
from .gate import Token
from .inspector import Key
from .live import Live
from .stores.administration import Administration
from .survey import Choice, Survey, Wishes

logger = logging.getLogger("livecollections.sidecar")

LOOK = 2.0
"""Seconds between two looks at the tables' shape; for so long they must have been still."""


class Sidecar:
    """An ASGI application.

    database: its URL.  choice: to begin with.  wishes: by which it is chosen again.  token: of who may come in.
    look: seconds between two looks.  metrics: as of a Live.
    """

    def __init__(
        self,
        database: str,
        administration: Administration,
        survey: Survey,
        choice: Choice,
        wishes: Wishes,
        token: Token | None = None,
        look: float = LOOK,
        metrics: bool = False,
    ) -> None:
        self._database = database
        self._administration = administration
        self._survey = survey
        self._wishes = wishes
        self._token = token
        self._look = look
        self._metrics = metrics
        self._is_serving = False
        self._key: Key | None = None
        self._choice, self._live, self._app = self._make(choice)

    @property
    def routes(self) -> list[BaseRoute]:
        """Those of what is served now."""
        return self._app.routes

    def _make(self, choice: Choice) -> tuple[Choice, Live, Starlette]:
        inspector = None if self._token is None else _is_known
        live = Live(
            self._database,
            create_tables=False,
            authenticate=self._token,
            inspector=inspector,
            metrics=self._metrics,
        )
        live._access.key = self._key
        for offer in choice.offers:
            live.add_resource(
                offer.path, offer.model, methods=offer.methods, exclude=offer.exclude, tags=[offer.table]
            )
        app: Starlette = live.app
        first = "/docs" if inspector is None else "/live"
        app.router.routes.append(Route("/", RedirectResponse(first)))
        return choice, live, app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif self._is_serving:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1012})
        else:
            retry = [(b"retry-after", b"1")]
            detail = "the tables have changed, and are being looked at again"
            await rest.problem(503, "Service Unavailable", detail, headers=retry)(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._start()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        ended = asyncio.Event()
        following = asyncio.create_task(self._follow(ended))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        ended.set()
        await following
        await self._stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self) -> None:
        await self._live.__aenter__()
        self._is_serving = True

    async def _stop(self) -> None:
        self._is_serving = False
        await self._live.__aexit__(None, None, None)

    async def _follow(self, ended: asyncio.Event) -> None:
        """Look at the tables, again and again; first at whether they are still what was chosen."""
        chosen, seen, told = "", await self._shape(), ""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), self._look)
                return
            shape = await self._shape()
            try:
                if shape and shape == seen != chosen:
                    await self._choose()
                    chosen = seen
                if not self._is_serving:
                    await self._start()
                told = ""
            except Exception as error:
                # It is tried again at each look, and may fail alike for days.
                if repr(error) != told:
                    log = logger.warning if isinstance(error, LiveError) else logger.exception
                    log("the tables have changed, and are served as they were: %s", error)
                told = repr(error)
            seen = shape

    async def _shape(self) -> str:
        """Nothing, where it can't be told: that is no change."""
        try:
            return await self._administration.shape()
        except Exception as error:
            log = logger.debug if isinstance(error, LiveError) else logger.exception
            log("the tables can't be looked at: %s", error)
            return ""

    async def _choose(self) -> None:
        choice = await self._survey.choose(self._wishes)
        logger.debug("the tables were looked at")
        if choice.is_like(self._choice):
            return
        logger.warning("the tables have changed: %s", ", ".join(offer.path for offer in choice.offers))
        self._key = self._live._access.key
        made = self._make(choice)
        await self._stop()
        self._choice, self._live, self._app = made


def _is_known(user: Any) -> bool:
    return user is not None
