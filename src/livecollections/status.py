"""What a Live serves of its package: ``/live/livecollections.js``, the browser's side, and its types."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from . import rest

FILES = {
    "livecollections.js": ("browser/livecollections.js", "text/javascript"),
    "livecollections.mjs": ("browser/livecollections.mjs", "text/javascript"),
    "livecollections.d.ts": ("browser/livecollections.d.ts", "text/plain"),
}
"""What is served as it is, by its path below ``/live``: where it is in the package, and its type."""
HEADERS = {
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'",
}


def routes(prefix: str) -> list[BaseRoute]:
    """The routes under ``<prefix>/live``."""
    return [
        *(Route(f"{prefix}/live/{name}", Reading(file(*told))) for name, told in FILES.items()),
    ]


class Reading:
    """Something to GET, for all methods: the host's own 405 would be no problem document."""

    def __init__(self, endpoint: Callable[[Request], Awaitable[ASGIApp]]) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in ("GET", "HEAD"):
            answer: ASGIApp = await self._endpoint(Request(scope, receive))
        else:
            allow = [(b"allow", b"GET, HEAD")]
            answer = rest.problem(405, "Method Not Allowed", "this can only be read", headers=allow)
        await answer(scope, receive, send)


@cache
def read_file(name: str) -> tuple[bytes, str]:
    """A file of the package and its ETag."""
    text = files("livecollections").joinpath(name).read_bytes()
    return text, f'"{hashlib.sha256(text).hexdigest()[:32]}"'


def file(
    name: str, kind: str, more: Mapping[str, str] = MappingProxyType({})
) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that gives a file of the package as it is, revalidated at each use. more: headers."""

    async def endpoint(request: Request) -> Response:
        text, etag = read_file(name)
        headers = {**HEADERS, **more, "ETag": etag}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(text, media_type=kind, headers=headers)

    return endpoint
