"""Values as they travel in documents: JSON that every reader understands alike.

Three rules. Integers that JavaScript would round are strings; NaN and the infinities are null. Everything else
that JSON lacks is written as Pydantic writes it. Whatever a database holds gets some form: nothing raises.
"""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import Any

from pydantic_core import to_jsonable_python

SAFE_INTEGER = 2**53 - 1
DEEPEST = 100
"""Levels of nesting shown: encoders and browsers give up on deeper ones, so what is below is null."""


class Misfit(str):
    """Text for what is none, and what Python has no value for, as bytes or an infinite date: shown, but no text to a
    condition, nor to the database."""


def is_beyond_models(value: Any) -> bool:
    """Whether a database holds a value for which classes of Python's have none."""
    if type(value) is Decimal:
        return not value.is_finite()
    return type(value) is Misfit or (type(value) is float and not isfinite(value))


def portable(value: Any, depth: int = 0) -> Any:
    """A value as documents show it."""
    kind = type(value)
    if kind is str:
        return value if value.isascii() else _text(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        return value if -SAFE_INTEGER <= value <= SAFE_INTEGER else str(value)
    if kind is float:
        return value if isfinite(value) else None
    if depth > DEEPEST:
        return None
    if kind is dict:
        return {portable_name(name): portable(each, depth + 1) for name, each in value.items()}
    if kind is list or kind is tuple:
        return [portable(each, depth + 1) for each in value]
    return _foreign(value, depth)


def portable_name(name: Any) -> str:
    """The name of a member of a JSON object."""
    return _text(name) if isinstance(name, str) else str(portable(name))


def _text(value: str) -> str:
    """Broken UTF-8, which a database may hold, as U+FFFD."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return str(value)


def _foreign(value: Any, depth: int) -> Any:
    """What JSON has no word for: dates, UUIDs, decimals, bytes (base64), enumerations (by value), anything."""
    try:
        plain = to_jsonable_python(
            value, bytes_mode="base64", inf_nan_mode="constants", serialize_unknown=True
        )
    except (ValueError, RecursionError):
        plain = str(value)
    return portable(plain, depth + 1) if type(plain) in _PLAIN else str(plain)


_PLAIN = frozenset({str, bool, int, float, dict, list, tuple, type(None)})


def is_deeper(value: Any, levels: int) -> bool:
    """Whether arrays and objects are nested in a value deeper than that."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(is_deeper(each, levels - 1) for each in inner)


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same stored value: 1, 1.0 and True are three."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(each, other[name]) for name, each in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) or (one != one and other != other)
