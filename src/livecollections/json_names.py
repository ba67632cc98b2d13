"""Json names: whether an object of a JSON text names something twice.

RFC 8259 leaves open which of the two counts, and no two readers need agree: what a proxy has checked would not be what
is written, and a filter would lose a condition unseen. Such a text is taken from nobody.

It knows neither where the text comes from nor what it means.
"""

from __future__ import annotations

from typing import Any

TWICE = "a name is given twice in one object"


def names_twice(text: str | bytes, value: Any) -> bool:
    """Whether a JSON text has more names than what was read from it. value: that."""
    return _named(text.encode() if isinstance(text, str) else text) > _members([value])


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
