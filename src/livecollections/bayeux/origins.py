"""Origins: which pages may use a server, and what its answers tell their browsers.

Four rules. A page gets in because it is of the server's own host, or because ``allowed_origins`` names it; no
header is ever reflected, and no Referer is looked at. ``"*"`` lets every page in, but without the cookies that
its browser sends along: not only does no browser hear that they are wanted, they are not seen. A page that
brings no Origin at all, a script's, is nobody's: it is let in from elsewhere only if somebody else is, and never
with cookies; nor are they seen where ``Sec-Fetch-Site`` tells of such a page. What is no browser is not asked.

This module knows headers, and no request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

from ..errors import ConfigurationError

Headers = list[tuple[bytes, bytes]]

_ORIGIN = re.compile(r"\*|null|[a-z][a-z0-9+.-]*://[^/?#\s]+")
_HOSTS = (b"host", b"x-forwarded-host")
_OURS = (b"none", b"same-origin")
_VARY = (b"vary", b"Origin")
_PREFLIGHT: Headers = [
    (b"access-control-allow-methods", b"POST, GET"),
    (
        b"access-control-allow-headers",
        b"Accept, Authorization, Content-Type, Pragma, X-Requested-With, Last-Event-ID",
    ),
    (b"access-control-max-age", b"86400"),
]


class Trust(Enum):
    """What a page may do."""

    NONE = "nothing: its origin is not allowed"
    ANONYMOUS = "what anybody may: its cookies are not seen"
    FULL = "what its user may"


class Origins:
    """One server's list of origins.

    Args:
        allowed: as browsers write them, "https://app.example"; "null" for pages of files; "*" for all.

    Raises:
        ConfigurationError: one of them is not an origin.
    """

    def __init__(self, allowed: Sequence[str]) -> None:
        self.allowed = _check(allowed)

    def trust(self, headers: Mapping[bytes, bytes]) -> Trust:
        """How far to trust a request with these headers."""
        if b"origin" not in headers:
            return Trust.ANONYMOUS if _is_embedded(headers) else Trust.FULL
        origin = headers[b"origin"].decode("latin-1").lower()
        # Pages can't set X-Forwarded-Host on a WebSocket, nor on a request without asking first.
        hosts = {headers[name].decode("latin-1").lower() for name in _HOSTS if headers.get(name)}
        if _host(origin) in hosts or origin in self.allowed:
            return Trust.FULL
        return Trust.ANONYMOUS if "*" in self.allowed else Trust.NONE

    def trust_script(self, headers: Mapping[bytes, bytes]) -> Trust:
        """How far to trust a request that a page may have made by ``<script src>``, which bears no Origin."""
        is_ours = headers.get(b"sec-fetch-site", b"none") in _OURS
        if self.trust(headers) is Trust.NONE or not (is_ours or self.allowed):
            return Trust.NONE
        return Trust.ANONYMOUS

    def headers(self, headers: Mapping[bytes, bytes]) -> Headers:
        """What the answer to a request bears."""
        origin = headers.get(b"origin", b"")
        if origin and origin.decode("latin-1").lower() in self.allowed - {"*"}:
            return [
                _VARY,
                (b"access-control-allow-origin", origin),
                (b"access-control-allow-credentials", b"true"),
            ]
        if origin and "*" in self.allowed:
            return [_VARY, (b"access-control-allow-origin", b"*")]
        return [_VARY]

    def preflight(self, headers: Mapping[bytes, bytes]) -> Headers:
        """What the answer to OPTIONS bears."""
        told = self.headers(headers)
        return told + _PREFLIGHT if len(told) > 1 else told


def _is_embedded(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a browser says that a foreign page fetches this for itself; a link that is followed leads to us."""
    is_followed = (
        headers.get(b"sec-fetch-mode") == b"navigate" and headers.get(b"sec-fetch-dest") == b"document"
    )
    return headers.get(b"sec-fetch-site", b"none") not in _OURS and not is_followed


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None


def _check(origins: Any) -> frozenset[str]:
    if isinstance(origins, str) or not isinstance(origins, Sequence | set | frozenset):
        raise ConfigurationError(f"allowed_origins: a sequence of origins is expected, not {origins!r}")
    for origin in origins:
        if not isinstance(origin, str) or not _ORIGIN.fullmatch(origin.lower()):
            raise ConfigurationError(
                f"allowed_origins: {origin!r} is not an origin such as 'https://app.example', nor '*' or 'null'"
            )
    return frozenset(origin.lower() for origin in origins)
