"""Pages: the OpenAPI document and a page that shows it, which loads nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import orjson
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from .answer import NO_CACHE, Answer, problem

_FILES = {
    "/docs": ("index.html", b"text/html; charset=utf-8"),
    "/docs/docs.js": ("docs.js", b"text/javascript; charset=utf-8"),
    "/docs/docs.css": ("docs.css", b"text/css; charset=utf-8"),
}
_POLICY = (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'")
"""No page of somebody else's may show it as a part of itself."""


def pages(describe: Callable[[], dict[str, Any]]) -> list[BaseRoute]:
    """The routes ``/openapi.json`` and ``/docs``. describe: gives the OpenAPI document as it is now."""

    def described() -> Answer:
        return Answer(200, orjson.dumps(describe()), [NO_CACHE])

    def shown(name: str, kind: bytes) -> Callable[[], Answer]:
        body = files(__package__).joinpath("docs", name).read_bytes()
        return lambda: Answer(200, body, [NO_CACHE, _POLICY], kind)

    return [
        Route("/openapi.json", Page(described), include_in_schema=False),
        *(Route(path, Page(shown(*entry)), include_in_schema=False) for path, entry in _FILES.items()),
    ]


class Page:
    """Something to GET."""

    def __init__(self, answer: Callable[[], Answer]) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in ("GET", "HEAD"):
            answer = self._answer()
        else:
            allow = [(b"allow", b"GET, HEAD")]
            answer = problem(405, "Method Not Allowed", "this can only be read", headers=allow)
        await answer(scope, receive, send)
