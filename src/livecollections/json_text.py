"""Json text: what a text of JSON says, where it says one thing.

NaN and Infinity are no JSON. An object that names something twice is, but RFC 8259 leaves open which of the two
counts, and no two readers need agree: what a proxy has checked would not be what is written, and a filter would lose a
condition unseen. Such a text is taken from nobody.

It knows neither where the text comes from nor what it means.
"""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json


def read(text: str | bytes) -> Any:
    """What a text says. Raises ValueError, which ends a sentence that begins with what is read."""
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None
    if _named(text.encode() if isinstance(text, str) else text) > _members([value]):
        raise ValueError("ambiguous: a name is given twice in one object")
    return value


def _named(text: bytes) -> int:
    # Outside of texts a colon stands after each name, and nowhere else.
    outside = text.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2]
    return b"".join(outside).count(b":")


def _members(value: Any) -> int:
    found, left = 0, [value]
    while left:
        each = left.pop()
        if type(each) is dict:
            found += len(each)
            each = each.values()
        left += [part for part in each if type(part) in (dict, list)]
    return found
