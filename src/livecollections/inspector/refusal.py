"""Refusal: the answer to whom the inspector is not shown.

Two rules. A browser that goes to the page gets a few plain words to read, everybody else a problem document. Both say
the same, with the same status.
"""

from __future__ import annotations

import re
from html import escape

from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Scope

from .. import rest
from ..errors import RequestError
from ..rest.accept import best

HTML = "text/html"
HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Vary": "Accept",
    "X-Content-Type-Options": "nosniff",
}
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Inspector</title>
<h1>Inspector</h1>
<p>{told}.</p>
"""


def refusal(scope: Scope, error: RequestError, *, is_page: bool) -> ASGIApp:
    """What a request is told. is_page: it asks for the page, and not for something that the page needs."""
    if not is_page:
        return rest.problem(error.status, error.title, error.detail)
    accept = HTTPConnection(scope).headers.get("accept", "*/*")
    if best(accept, ("application/problem+json", HTML)) != HTML:
        return rest.problem(error.status, error.title, error.detail, headers=[(b"vary", b"Accept")])
    words = error.detail[:1].upper() + error.detail[1:]
    told = re.sub("`([^`]+)`", r"<code>\1</code>", escape(words))
    return HTMLResponse(_PAGE.format(told=told), error.status, HEADERS)
