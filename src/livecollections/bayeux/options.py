"""The checks of a server's options: each wrong one is an error at once that names it.

This module knows what may be said, not what it means.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from ..errors import ConfigurationError
from .binding import COOKIE_NAME
from .message import CONNECTION_TYPES, Limits

TRANSPORTS = ("websocket", "eventsource", "long-polling", "callback-polling")
"""What a server may offer; a client that can do several takes the first."""

_SUBPROTOCOL = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def check_seconds(name: str, value: Any, *, above: float | None = None) -> None:
    """Raise ConfigurationError unless it is a number of seconds."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or value < 0 or (above is not None and value <= above):
        raise ConfigurationError(f"{name}: seconds are expected, a number from {above or 0}, not {value!r}")


def check_limits(limits: Any) -> None:
    """Raise ConfigurationError unless every limit is a number above 0."""
    if not isinstance(limits, Limits):
        raise ConfigurationError(f"limits: a Limits is expected, not {limits!r}")
    for field in fields(limits):
        value = getattr(limits, field.name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise ConfigurationError(f"limits.{field.name}: a number above 0 is expected, not {value!r}")


def check_cookie(name: Any) -> None:
    """Raise ConfigurationError unless it is a name that a cookie can have, or None."""
    if name is not None and (not isinstance(name, str) or not COOKIE_NAME.fullmatch(name)):
        raise ConfigurationError(f"cookie: the name of a cookie or None is expected, not {name!r}")


def check_subprotocol(name: Any) -> None:
    """Raise ConfigurationError unless it is a name that a WebSocket's handshake can bear, or None."""
    if name is not None and (not isinstance(name, str) or not _SUBPROTOCOL.fullmatch(name)):
        raise ConfigurationError(f"subprotocol: a name such as 'bayeux' is expected, or None, not {name!r}")


def connection_types(transports: Any) -> tuple[str, ...]:
    """The connection types of the transports that a server is to offer, in Faye's order.

    Raises:
        ConfigurationError: there are none, one is unknown, or one can't do without another that is missing.
    """
    if (
        isinstance(transports, str)
        or not isinstance(transports, Sequence | set | frozenset)
        or not transports
    ):
        raise ConfigurationError(
            f"transports: some of {', '.join(TRANSPORTS)} are expected, not {transports!r}"
        )
    for name in transports:
        if name not in TRANSPORTS:
            raise ConfigurationError(f"transports: {name!r} is none of {', '.join(TRANSPORTS)}")
    if "eventsource" in transports and "long-polling" not in transports:
        raise ConfigurationError(
            "transports: clients of 'eventsource' send by 'long-polling', which is missing"
        )
    # To a server the two are one: the other is Faye's name for a page of another origin that does it.
    return tuple(name for name in CONNECTION_TYPES if name.removeprefix("cross-origin-") in transports)
