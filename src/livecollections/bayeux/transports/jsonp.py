"""Callback-polling (JSONP): messages in a query, replies in a script that calls a function of the page.

Two rules. The script can do nothing but call: the function's name is checked, and what could end a script or a
string in it is escaped. It is a poll else, and delivers in answers to connects only.

This module knows no session.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from ...errors import MalformedRequest
from .. import message as messages
from ..message import Limits

DEFAULT_CALLBACK = "jsonpcallback"
LONGEST_CALLBACK = 64

# Faye's, so that no other program hides in the name (as the "Rosetta Flash" did).
_CALLBACK = re.compile(r"[a-z_$][a-z0-9_$]*(?:\.[a-z_$][a-z0-9_$]*)*", re.IGNORECASE | re.ASCII)


def read(query: bytes, limits: Limits) -> tuple[list[Any], str]:
    """The messages of a request, and the name of the function that takes the replies.

    Raises:
        MalformedRequest: no message, not JSON, or no such name.
        TooLarge: more messages than allowed.
    """
    received = messages.parse_form(query, limits)
    try:
        names = [value for name, value in parse_qsl(query.decode("ascii")) if name == "jsonp"]
    except ValueError:
        raise MalformedRequest("a query has ASCII characters only") from None
    callback = names[0] if names else DEFAULT_CALLBACK
    if len(callback) > LONGEST_CALLBACK or not _CALLBACK.fullmatch(callback):
        raise MalformedRequest("jsonp: this is no name of a function")
    return received, callback


def script(callback: str, body: bytes) -> bytes:
    """The replies as a script; the comment in front keeps it from being anything else than one."""
    # Only strings hold these.
    body = body.replace(b"</", b"<\\/")
    body = body.replace("\u2028".encode(), b"\\u2028").replace("\u2029".encode(), b"\\u2029")
    return b"/**/%b(%b);" % (callback.encode(), body)
