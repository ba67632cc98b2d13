"""Application: a Live as a part of a Starlette application, or as the whole of one.

Two rules. All paths of a Live are one route, so that what is declared later is served, too. What comes before the start
is told what helps. It knows no resource: the Live says which route of its own serves a path.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Receive, Scope, Send

from . import rest
from .paths import ROUTE

if TYPE_CHECKING:
    from .live import Live

NOT_STARTED = (
    "livecollections has not been started: run the application under a server that sends lifespan events, "
    "or start it by hand with `async with live:`"
)


class LiveApp(Starlette):
    """A Starlette whose first route is ours: what is ours goes there at once, unless middleware was added."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ours = self.router.routes[0]
        if isinstance(ours, LiveRoute) and not self.user_middleware:
            match, child = ours.matches(scope)
            if match is Match.FULL:
                await ours.handle({**scope, **child, "app": self}, receive, send)
                return
        await super().__call__(scope, receive, send)


class LiveRoute(BaseRoute):
    """All paths of a Live as one route: it follows declarations that come after it was added."""

    def __init__(self, live: Live[Any]) -> None:
        self.live = live

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] not in ("http", "websocket"):
            return Match.NONE, {}
        return self.live._match(scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        route: BaseRoute | None = scope[ROUTE]
        if route is not None:
            await route.handle(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1012, "reason": "not started"})
        else:
            await rest.problem(503, "Service Unavailable", NOT_STARTED)(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        raise NoMatchFound(name, path_params)


async def refuse(request: Request, error: Exception) -> Any:
    """What is nobody's path is a problem document too, where the whole application is ours."""
    assert isinstance(error, HTTPException), "it is the handler of these"
    headers = [(name.lower().encode(), value.encode()) for name, value in (error.headers or {}).items()]
    title = HTTPStatus(error.status_code).phrase
    return rest.problem(error.status_code, title, f"{request.url.path}: {title.lower()}", headers=headers)


__all__ = ["NOT_STARTED", "LiveApp", "LiveRoute", "refuse"]
