"""Key: how a document is named: as text in Python, as the last segment of its URL on the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ..portable import portable


class Keys:
    """The keys of one resource's documents.

    fields: the members of a document that are its key, in the resource's order. A key of one part is its text
    as documents show it; one of several is their texts, percent-encoded, with commas between.
    """

    def __init__(self, fields: Sequence[str] = ("id",)) -> None:
        self.fields = tuple(fields)

    def of(self, document: Mapping[str, Any]) -> str | None:
        """The key of a document; None while it has none."""
        parts = [document.get(name) for name in self.fields]
        return None if None in parts else self.text(parts[0] if len(parts) == 1 else tuple(parts))

    def text(self, key: Any) -> str:
        """A key as text. key: that text itself, or the value, or the tuple of values, of the model's own types."""
        if len(self.fields) == 1:
            return str(portable(key))
        return ",".join(_quoted(part) for part in key) if isinstance(key, tuple | list) else str(key)

    def segment(self, text: str) -> str:
        """A key's text as the last segment of a URL."""
        return _quoted(text) if len(self.fields) == 1 else text


def _quoted(part: Any) -> str:
    return quote(str(portable(part)), safe="")
