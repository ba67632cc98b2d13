"""Key: what opens the inspector for a developer: his terminal has the link with it, and nobody else does.

Two rules. Whoever follows the link gets it as a cookie, and is sent on to the page itself, so that it stays in no
address bar and no Referer. A cookie counts only where a page of ours asks: those of other servers on this machine are,
to a browser, of the same site.

It knows no policy, no file, and no address from which a request comes: by a tunnel a stranger's is our own.
"""

from __future__ import annotations

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
        """Whether a request bears it as its cookie, and no page of others sends that."""
        connection = HTTPConnection(scope)
        given = connection.cookies.get(_name(connection), "")
        return self._is_it(given) and _OURS.trust(dict(scope["headers"])) is Trust.FULL

    def answer(self, scope: Scope) -> Response | None:
        """The answer to whoever follows the link; None: this request is none of that."""
        connection = HTTPConnection(scope)
        if not self._is_it(connection.query_params.get(PARAMETER, "")):
            return None
        path = connection.url.path
        headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
        answer = RedirectResponse(path, 303, headers)
        # "lax": a link that is followed in a terminal on the web comes from another site.
        name = _name(connection)
        answer.set_cookie(name, self.text, max_age=LASTS, path=path, httponly=True, samesite="lax")
        return answer

    def _is_it(self, text: str) -> bool:
        return secrets.compare_digest(text.encode("utf-8", "replace"), self.text.encode())


def _name(connection: HTTPConnection) -> str:
    return f"{COOKIE}-{connection.url.port or 80}"
