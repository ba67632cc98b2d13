"""Routes of the inspector: the page, its files, and the stream that tells it what there is.

Two rules. All of them ask who may look; the developer's link leads to the page. The page loads nothing from elsewhere,
and no other page may frame it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from ..errors import RequestError
from ..status import Reading, file
from ..version import __version__
from .refusal import refusal
from .watching import Scene, Watching

_VENDOR = "demo/static/vendor"
FILES = {
    "": ("inspector/page/index.html", "text/html"),
    "/inspector/inspector.css": ("inspector/page/inspector.css", "text/css"),
    **{
        f"/inspector/{name}.js": (f"inspector/page/{name}.js", "text/javascript")
        for name in ("inspector", "overview", "table", "grid", "editor", "element")
    },
    **{
        f"/inspector/vendor/{name.rpartition('/')[2]}": (f"{_VENDOR}/{name}", "text/javascript")
        for name in (
            "jquery/jquery.min.js",
            "underscore/underscore-umd-min.js",
            "backbone/backbone-min.js",
            "faye/faye-browser-min.js",
        )
    },
}
"""By its path below ``/live``: where it is in the package, and its type."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin"}


def routes(prefix: str, faye: str, scene: Scene) -> list[BaseRoute]:
    """The routes at and below ``<prefix>/live``; ``faye`` is the path of the Bayeux endpoint."""
    about = {"version": __version__, "prefix": prefix, "faye": faye, "hasUsers": scene.caller.knows_users}

    def guarded(
        answer: Callable[[Request, Any], Awaitable[ASGIApp]], *, is_page: bool = False
    ) -> Callable[[Request], Awaitable[ASGIApp]]:
        async def endpoint(request: Request) -> ASGIApp:
            if is_page and (entrance := scene.access.entrance(request.scope)) is not None:
                return entrance
            try:
                user = await scene.access.user(request.scope)
            except RequestError as error:
                return refusal(request.scope, error, is_page=is_page)
            return await answer(request, user)

        return endpoint

    def shown(name: str, kind: str) -> Callable[[Request, Any], Awaitable[ASGIApp]]:
        given = file(name, kind, HEADERS)

        async def answer(request: Request, user: Any) -> ASGIApp:
            return await given(request)

        return answer

    async def watch(request: Request, user: Any) -> ASGIApp:
        return Watching(scene, about, user)

    answers = {**{path: shown(*told) for path, told in FILES.items()}, "/inspector/events": watch}
    return [
        Route(f"{prefix}/live{path}", Reading(guarded(answer, is_page=not path)))
        for path, answer in answers.items()
    ]
