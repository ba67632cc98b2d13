"""Place: where in a sorted list a page ends, as the text that the next one is asked for by.

It holds the sort, so that it is not taken for one of another list, and what the last document's fields of the sort
hold, as its store has them. It is opaque to clients, and no secret: it holds nothing that they are not shown.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from math import isfinite
from typing import Any

import orjson
from pydantic_core import from_json

from .field import LARGEST_INTEGER
from .query import Order

LONGEST = 8_000
"""Characters that a place may have: URLs have their limits."""


def encode(sort: Sequence[Order], values: Sequence[Any]) -> str | None:
    """The text of a place; None if it is too long for one."""
    text = orjson.dumps([_named(sort), [_portable(value) for value in values]])
    encoded = urlsafe_b64encode(text).rstrip(b"=").decode()
    return encoded if len(encoded) <= LONGEST else None


def decode(sort: Sequence[Order], text: str) -> tuple[Any, ...]:
    """The values of a place. Raises ValueError if it is none, or of another sort."""
    try:
        named, values = _pair(text)
        if named == _named(sort) and len(values) == len(sort):
            return tuple(map(_stored, values))
    except ValueError:
        pass
    raise ValueError("this is no place in this list")


def _pair(text: str) -> tuple[Any, list[Any]]:
    if len(text) > LONGEST or not text.isascii():
        raise ValueError("this is no place")
    read = from_json(urlsafe_b64decode(text + "=" * (-len(text) % 4)), allow_inf_nan=False)
    if type(read) is not list or len(read) != 2 or type(read[1]) is not list:
        raise ValueError("this is no place")
    return read[0], read[1]


def _named(sort: Sequence[Order]) -> str:
    return ",".join(f"{'-' if order.descending else ''}{order.field}" for order in sort)


def _portable(value: Any) -> Any:
    if type(value) is bytes:
        return {"bytes": value.hex()}
    if type(value) is float and not isfinite(value):
        return {"float": repr(value)}
    return value


def _stored(value: Any) -> Any:
    if type(value) is dict and list(value) == ["bytes"] and type(value["bytes"]) is str:
        return bytes.fromhex(value["bytes"])
    if type(value) is dict and list(value) == ["float"] and value["float"] in ("inf", "-inf"):
        return float(value["float"])
    is_integer = type(value) is int and -LARGEST_INTEGER - 1 <= value <= LARGEST_INTEGER
    if value is None or is_integer or type(value) in (str, float):
        return value
    raise ValueError("this is no place")
