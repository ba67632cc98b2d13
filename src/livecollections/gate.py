"""The gate of an application that has no users: one token for all of it, or only those who are at this machine.

Two rules. The token is taken from ``Authorization`` (Bearer, or Basic with any name, as browsers ask for it) and from a
handshake's ``ext.token``; never from a URL, which is logged. Without a token, on loopback, a request must name this
machine: else a page from elsewhere could read all by having its own name lead here.
"""

from __future__ import annotations

import base64
import ipaddress
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from . import rest
from .errors import ConfigurationError

OPEN = ("/faye", "/live/health", "/live/livecollections.")
"""Beginnings of paths that need no token here: a handshake brings its own, and the rest tells nothing."""

SHORTEST = 16
"""Characters of a token."""


class Token:
    """The secret of all who may come in; called to say whose a request or a handshake is."""

    def __init__(self, token: str) -> None:
        """Raises ConfigurationError for one that could be guessed."""
        if len(token) < SHORTEST:
            raise ConfigurationError(f"token: at least {SHORTEST} characters are needed")
        self._token = token.encode()

    def __call__(self, connection: HTTPConnection, ext: Mapping[str, Any]) -> str | None:
        given = ext.get("token") if "token" in ext else _given(connection.headers.get("authorization", ""))
        is_it = isinstance(given, str) and secrets.compare_digest(given.encode(), self._token)
        return "whoever has the token" if is_it else None


def _given(authorization: str) -> str | None:
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except ValueError:
        return None


class Gate:
    """An application that has ``routes`` behind its gate.

    token: asked for; None: nobody is asked.  is_local: this machine must be named.
    """

    def __init__(self, app: Any, token: Token | None, is_local: bool) -> None:
        self._app = app
        self._token = token
        self._is_local = is_local

    @property
    def routes(self) -> list[BaseRoute]:
        """Those of the application."""
        routes: list[BaseRoute] = self._app.routes
        return routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] in ("http", "websocket") else None
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refusal(scope, receive, send)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        connection = HTTPConnection(scope)
        host = named_host(connection.headers)
        if self._is_local and host and not is_loopback(host):
            detail = f"this is not {host} unless it is started with --token or --public"
            return rest.problem(421, "Misdirected Request", detail)
        if self._token is None or scope["path"].startswith(OPEN) or self._token(connection, {}):
            return None
        headers = [(b"www-authenticate", b'Basic realm="livecollections", charset="UTF-8"')]
        return rest.problem(401, "Unauthorized", "the token is needed", headers=headers)


def named_host(headers: Mapping[str, str]) -> str:
    """By which name a request asks for this machine; empty: by none."""
    return urlsplit(f"//{headers.get('host', '')}").hostname or ""


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
