"""Channel names: grammar, patterns, and the patterns that cover a name.

A name is one or more segments, ``/chat/1``; a pattern ends in ``*`` (one segment) or ``**`` (one or more).
The character set is that of the Bayeux specification, as Faye keeps it: letters, digits and ``-_!~()$@``.
Nothing else is a channel: no trailing slash, no empty segment, no star elsewhere.

This module knows no session and no message.
"""

from __future__ import annotations

import re
from functools import lru_cache

HANDSHAKE = "/meta/handshake"
CONNECT = "/meta/connect"
SUBSCRIBE = "/meta/subscribe"
UNSUBSCRIBE = "/meta/unsubscribe"
DISCONNECT = "/meta/disconnect"

_TOKEN = r"[A-Za-z0-9\-_!~()$@]+"
_NAME = re.compile(rf"(?:/{_TOKEN})+")
_PATTERN = re.compile(rf"(?:/{_TOKEN})*/\*\*?")
_TO_ESCAPE = re.compile(r"[^A-Za-z0-9\-_!~()$@/]|~(?=[0-9A-Fa-f]{2})")


def is_name(text: str) -> bool:
    """Whether messages can be published here."""
    return _NAME.fullmatch(text) is not None


def is_pattern(text: str) -> bool:
    """Whether this covers several channels: ``/chat/*``, ``/chat/**``."""
    return _PATTERN.fullmatch(text) is not None


def is_valid(text: str) -> bool:
    """Whether one can subscribe to this: a name or a pattern."""
    return is_name(text) or is_pattern(text)


def is_meta(channel: str) -> bool:
    """Whether a valid name or pattern belongs to the protocol itself."""
    return channel == "/meta" or channel.startswith("/meta/")


def is_service(channel: str) -> bool:
    """Whether a valid name or pattern is for the server's ears only."""
    return channel == "/service" or channel.startswith("/service/")


@lru_cache(maxsize=4096)
def expand(name: str) -> tuple[str, ...]:
    """Everything that a subscriber may have named to hear this channel: the name first, the widest pattern last."""
    segments = name.split("/")[1:]
    parents = ["/".join(["", *segments[:depth]]) for depth in range(len(segments) - 1, -1, -1)]
    return (name, f"{parents[0]}/*", *(f"{parent}/**" for parent in parents))


@lru_cache(maxsize=4096)
def broader(name: str) -> tuple[str, ...]:
    """The name or pattern itself, then the patterns that cover all that it covers, from the narrowest on."""
    found = expand(name)
    return found[2:] if name.endswith("/**") else tuple(dict.fromkeys(found))


def matches(pattern: str, name: str) -> bool:
    """Whether a name or pattern covers this name."""
    return pattern in expand(name)


def covers(wide: str, narrow: str) -> bool:
    """Whether a name or pattern covers all that another one covers.

    Any two either cover one the other or have no channel in common.
    """
    return wide in broader(narrow)


def escape(path: str) -> str:
    """The channel of a path: other characters become ``~XX`` (UTF-8, hexadecimal), a trailing slash goes.

    ``/api/order.items`` becomes ``/api/order~2Eitems``. A tilde stays itself unless it would read as an escape,
    so different paths have different channels.
    """
    return _TO_ESCAPE.sub(
        lambda found: "".join(f"~{byte:02X}" for byte in found[0].encode()), path.rstrip("/")
    )
