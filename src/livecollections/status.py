"""What a Live says of itself: ``/live`` lists what it offers, ``/live/try`` shows one list as it changes, and
``/live/livecollections.js`` is the browser's side.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from functools import cache, partial
from html import escape
from importlib.resources import files
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from . import rest
from .resource import Resource
from .version import __version__

FILES = {
    "livecollections.js": ("browser/livecollections.js", "text/javascript"),
    "livecollections.mjs": ("browser/livecollections.mjs", "text/javascript"),
    "livecollections.d.ts": ("browser/livecollections.d.ts", "text/plain"),
    "try": ("trial/index.html", "text/html"),
    "try/try.js": ("trial/try.js", "text/javascript"),
    "try/try.css": ("trial/try.css", "text/css"),
}
"""What is served as it is, by its path below ``/live``: where it is in the package, and its type."""
HEADERS = {
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'",
}


def routes(prefix: str, faye: str, resources: Sequence[Resource]) -> list[BaseRoute]:
    """The routes under ``<prefix>/live``; ``faye`` is the path of the Bayeux endpoint."""

    async def listing(request: Request) -> Response:
        return HTMLResponse(page(request.scope.get("root_path", ""), faye, resources), headers=HEADERS)

    return [
        Route(f"{prefix}/live", Reading(listing)),
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


def file(name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that gives a file of the package as it is, revalidated at each use."""

    async def endpoint(request: Request) -> Response:
        text, etag = read_file(name)
        headers = {**HEADERS, "ETag": etag}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(text, media_type=kind, headers=headers)

    return endpoint


def page(root: str, faye: str, resources: Sequence[Resource]) -> str:
    """The list as HTML, without a script or a style, so that any policy allows it."""
    rows = "".join(map(partial(entry, root), resources))
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><link rel='icon' href='data:,'>"
        "<title>livecollections</title>"
        f"<h1>livecollections {__version__}</h1><ul>{rows}</ul>"
        f"<p>Bayeux at <code>{escape(root + faye)}</code>.</p></html>"
    )


def entry(root: str, resource: Resource) -> str:
    """What is said of one resource. One of many lists, ``/rooms/{room}``, can't be tried without knowing a room."""
    path = quote(resource.path)
    link = escape(root + path)
    known = "{" not in resource.path and "GET" in resource.methods
    keys = [("key", resource.name_of(attribute)) for attribute in resource.source.key]
    asked = escape(urlencode([("path", path), *keys]))
    name = escape(resource.path)
    shown = f"<a href='{link}'>{name}</a>, <a href='live/try?{asked}'>as it changes</a>" if known else name
    return (
        f"<li>{shown}: {' '.join(resource.methods)} — channel <code>{escape(resource.channel)}</code>:"
        f" <code>curl -N -H 'Accept: text/event-stream' …{link}</code></li>"
    )
