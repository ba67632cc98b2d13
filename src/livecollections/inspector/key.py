"""Key: what opens the inspector for a developer: his terminal has the link with it, and nobody else does.

Three rules. Whoever follows the link gets a cookie, and is sent on to the page itself, so that the key stays in no
address bar and no Referer. The cookie is made of the key and the port, and is not the key: browsers send it to every
port of a host, whose servers could open this port by it and no other. It counts only where a page of ours asks: those
of other servers on this machine are, to a browser, of the same site.

It knows no policy, no file, and no address from which a request comes: by a tunnel a stranger's is our own.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from ..bayeux.origins import Origins, Trust

PARAMETER = "key"
"""Of the link, in its query string."""
COOKIE = "livecollections-inspector"
"""How the names of the cookies begin; the port follows, since browsers keep one jar for all ports of a host."""
LASTS = 30 * 86_400
"""Seconds for which a browser keeps it."""
SHORTEST = 32
"""Characters that it has."""
_OURS = Origins(())


class Key:
    """What opens an inspector. text: as it was drawn before; one that could be guessed, and none, is drawn anew."""

    def __init__(self, text: str = "") -> None:
        self.text = text if len(text) >= SHORTEST else secrets.token_urlsafe(32)

    def link(self, address: str, path: str) -> str:
        """Where the developer goes. address: of the server, with a slash at its end.  path: of the page."""
        return f"{address.rstrip('/')}{path}?{PARAMETER}={self.text}"

    def opens(self, scope: Scope) -> bool:
        """Whether a request bears its cookie, and no page of others sends that."""
        connection = HTTPConnection(scope)
        port = _port(connection)
        given = connection.cookies.get(f"{COOKIE}-{port}", "")
        return _is_same(given, self.cookie(port)) and _OURS.trust(dict(scope["headers"])) is Trust.FULL

    def answer(self, scope: Scope) -> Response | None:
        """The answer to whoever follows the link; None: this request is none of that."""
        connection = HTTPConnection(scope)
        if not _is_same(connection.query_params.get(PARAMETER, ""), self.text):
            return None
        path = connection.url.path
        headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
        answer = RedirectResponse(path, 303, headers)
        # "lax": a link that is followed in a terminal on the web comes from another site.
        port = _port(connection)
        answer.set_cookie(
            f"{COOKIE}-{port}", self.cookie(port), max_age=LASTS, path=path, httponly=True, samesite="lax"
        )
        return answer

    def cookie(self, port: int) -> str:
        """What a browser keeps of it for one port."""
        return hmac.new(self.text.encode(), str(port).encode(), hashlib.sha256).hexdigest()


def _is_same(given: str, text: str) -> bool:
    return secrets.compare_digest(given.encode("utf-8", "replace"), text.encode())


def _port(connection: HTTPConnection) -> int:
    return connection.url.port or 80
