"""CORS for a resource: which pages of other origins may use it, and see the live headers.

An origin gets in because ``allowed_origins`` names it; none is ever reflected. ``"*"`` lets all in, without their
cookies.
"""

from __future__ import annotations

from collections.abc import Sequence

from .answer import Header
from .request import Request

EXPOSED = b"Live-Seq, Live-Until, Live-Channel, Live-Signal, Live-Created, ETag, Link, Location, API-Version"
ALLOWED = (
    b"Content-Type, Authorization, Live-Origin, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, "
    b"API-Version, Prefer, Update-Operator"
)
_PREFLIGHT_AGE = b"7200"


class Cors:
    """The rule of one resource. allowed_origins: as browsers write them, ``https://example.org``."""

    def __init__(self, allowed_origins: Sequence[str]) -> None:
        self._named = frozenset(origin.rstrip("/").lower() for origin in allowed_origins) - {"*"}
        self._all = "*" in allowed_origins

    def headers(self, request: Request) -> list[Header]:
        """What an answer bears."""
        headers = [(b"vary", b"Origin")] if self._named else []
        origin = request.headers.get("origin")
        if origin is None:
            return headers
        if origin.lower() in self._named:
            headers += [
                (b"access-control-allow-origin", origin.encode("latin-1")),
                (b"access-control-allow-credentials", b"true"),
            ]
        elif self._all:
            headers.append((b"access-control-allow-origin", b"*"))
        else:
            return headers
        headers.append((b"access-control-expose-headers", EXPOSED))
        return headers

    def preflight(self, request: Request, methods: bytes) -> list[Header]:
        """What the answer to OPTIONS bears beside them, if a browser asks before it sends."""
        origin = request.headers.get("origin", "").lower()
        if "access-control-request-method" not in request.headers or not (origin in self._named or self._all):
            return []
        return [
            (b"access-control-allow-methods", methods),
            (b"access-control-allow-headers", ALLOWED),
            (b"access-control-max-age", _PREFLIGHT_AGE),
        ]
