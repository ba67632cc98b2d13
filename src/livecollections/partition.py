"""Partition: the columns whose values are part of a resource's channel.

Three rules. A row is in the partition that the values of these columns name, and in no other; one in which a value is
null is in none. A value is written in a channel in one way only, so that a look-up by the text finds it. Values come
from the URL (``/api/rooms/{room_id}/messages``) or from the user (``partition=`` and ``by=``), never from a body.

It knows no user, no request and no database.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from .bayeux.channel import escape
from .errors import ConfigurationError, DocumentNotFound
from .field import Field, field
from .portable import portable
from .source import Source

_NESTED = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_ESCAPED = re.compile(r"~([0-9A-F]{2})")
_TO_ESCAPE = re.compile(r"[^A-Za-z0-9\-_!()$@]")
VALUE = "{}"
"""What stands in the channel of a partitioned resource for each value."""
_EMPTY = "~"
"""The segment of an empty text: none else is a tilde alone."""

Values = Mapping[str, Any]
"""By attribute."""
Segments = tuple[str, ...]
"""The values as they stand in a channel, in the partition's order."""


class Partition:
    """The columns of one resource, those of its path first.

    path: with ``{attribute}`` where a value stands.  named: the attributes that the user's values are of.
    channel: the resource's, with ``VALUE`` in place of each value.
    by: gives these of a user: one value, or a tuple where there are several. Of a resource whose columns are all in its
    path it gives the values that the user may name there.
    """

    def __init__(
        self, path: str, source: Source, named: Sequence[str], by: Callable[[Any], Any] | None
    ) -> None:
        nested = _NESTED.findall(path)
        self.path = path
        self.nested = tuple(nested)
        self.named = tuple(named)
        self.by = by
        self.attributes = (*nested, *named)
        columns = {column.attribute: column for column in source.columns}
        for attribute in self.attributes:
            if attribute not in columns:
                option = "path" if attribute in nested else "partition"
                raise ConfigurationError(f"{option}: {source.model.__name__} has no column {attribute!r}")
        self._fields: dict[str, Field] = {name: field(columns[name], name) for name in self.attributes}
        for name, one in self._fields.items():
            if one.parse is None:
                raise ConfigurationError(f"partition: values of {name!r} have no text form")
        if named and by is None:
            raise ConfigurationError(
                "by: a function of the user is needed, which gives the values of `partition`"
            )
        # The letter keeps the slash before it.
        parts = (
            VALUE if place % 2 else escape(part + "x")[:-1] for place, part in enumerate(_NESTED.split(path))
        )
        self.channel = "".join(parts) + "".join(f"/~{escape(name)}/{VALUE}" for name in named)

    # Values

    def parse(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """The values that a URL names. Raises DocumentNotFound: what is no value names nothing."""
        try:
            return {name: self._read(name, texts[name]) for name in self.nested}
        except ValueError:
            raise DocumentNotFound("there is nothing of this name") from None

    def of_user(self, told: Any) -> dict[str, Any] | None:
        """The values that ``by`` gave; None: they name no partition."""
        values = told if len(self.named) > 1 and isinstance(told, tuple) else (told,)
        if len(values) != len(self.named) or any(value is None for value in values):
            return None
        return {name: self._typed(name, value) for name, value in zip(self.named, values, strict=True)}

    def may_name(self, told: Any, values: Values) -> bool:
        """Whether ``by`` gave the values that a URL names."""
        wanted = self.segments(values)
        several = (
            told if isinstance(told, Iterable) and not isinstance(told, str | bytes | Mapping) else (told,)
        )
        return any(
            self._segments(one if isinstance(one, tuple) else (one,)) == wanted
            for one in several
            if one is not None
        )

    def _segments(self, values: Sequence[Any]) -> Segments | None:
        if len(values) != len(self.attributes):
            return None
        return tuple(
            _segment(self._typed(name, value)) for name, value in zip(self.attributes, values, strict=True)
        )

    def _typed(self, name: str, value: Any) -> Any:
        """A value as rows have it: an application may keep its users' ids as text."""
        try:
            return self._read(name, value) if isinstance(value, str) else value
        except ValueError:
            return value

    def _read(self, name: str, text: str) -> Any:
        parse = self._fields[name].parse
        assert parse is not None, "it was checked when the partition was made"
        return parse(text)

    # Segments and channels

    def segments(self, values: Values) -> Segments | None:
        """Where a row with these values is; None: in no partition."""
        found = [values.get(name) for name in self.attributes]
        return None if None in found else tuple(_segment(value) for value in found)

    def values(self, segments: Segments) -> dict[str, Any] | None:
        """The values that stand in a channel; None: nothing is written so."""
        try:
            values = {
                name: self._read(name, _text(segment))
                for name, segment in zip(self.attributes, segments, strict=True)
            }
        except ValueError:
            return None
        return values if self.segments(values) == segments else None

    def url(self, values: Values) -> str:
        """The path with its values."""
        return _NESTED.sub(lambda found: quote(str(portable(values[found[1]])), safe=""), self.path)


def free_name(path: str, name: str) -> str:
    """A name for another value of a URL than those that stand in its path. name: which it has if that is free."""
    return name if name not in _NESTED.findall(path) else free_name(path, f"{name}_")


def without_values(path: str) -> str:
    """The path with a harmless word for each value that stands in it, to be checked as any other."""
    return _NESTED.sub("x", path)


def _segment(value: Any) -> str:
    text = str(portable(value))
    if isinstance(value, bool):
        text = text.lower()
    return _TO_ESCAPE.sub(lambda found: "".join(f"~{byte:02X}" for byte in found[0].encode()), text) or _EMPTY


def _text(segment: str) -> str:
    """Raises ValueError for what is no text."""
    if segment == _EMPTY:
        return ""
    raw = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), segment)
    return raw.encode("latin-1").decode()
