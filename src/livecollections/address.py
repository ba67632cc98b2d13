"""Address: where a document is: what URLs name it by, and the partition that it is in.

Two rules. What is of another form than an address is no question that can be answered. For who has the view of a
partition, a row of another one is not there. It knows no database, no HTTP, and nothing of what a document holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import quote, unquote

from .change import Key, Row
from .errors import DocumentNotFound, MalformedRequest
from .field import Field
from .partition import Partition
from .portable import portable
from .source import Source

_ENCODED_COMMA = re.compile("%2C", re.IGNORECASE)
UNREACHABLE = ("", ".", "..")
"""Last segments that a client's URL loses on its way (RFC 3986, section 5.2.4)."""


class Addressed:
    """What ``Resource`` says of addresses; its fields are those of a resource."""

    path: str
    source: Source
    fields: Mapping[str, Field]
    find_by: str | None
    partition: Partition | None
    given: Mapping[str, Any]
    hidden: frozenset[str]

    def field_of(self, attribute: str) -> Field | None:
        """The field that shows an attribute."""
        return next((field for field in self.fields.values() if field.attribute == attribute), None)

    @property
    def is_part(self) -> bool:
        """Whether it is a view whose channel does not tell every change of the source."""
        return bool(self.given or self.hidden)

    def holds(self, row: Row) -> bool:
        """Whether a row is in the partition that this is a view of."""
        if not self.given:
            return True
        assert self.partition is not None, "only a partition gives values"
        return self.partition.segments(row) == self._segments

    @cached_property
    def _segments(self) -> tuple[str, ...] | None:
        return None if self.partition is None else self.partition.segments(self.given)

    def check_holds(self, row: Row) -> None:
        """Raise DocumentNotFound for a row of another partition: for who has this view it is not there."""
        if not self.holds(row):
            raise self.not_found()

    @cached_property
    def address(self) -> tuple[str, ...]:
        """The attributes by which a URL names a document."""
        return self.source.key if self.find_by is None else (self.find_by,)

    def format_address(self, row: Row) -> str:
        """The last segment of a row's URL: the values of its address, percent-encoded, with commas between."""
        return ",".join(quote(str(portable(row[attribute])), safe="") for attribute in self.address)

    def parse_address(self, text: str) -> Key:
        """The values of the address that a URL's last segment, still percent-encoded, names.

        Clients that encode the commas between its parts are understood, where there are no others.
        Raises MalformedRequest for what no document can have.
        """
        parts = [text]
        if len(self.address) > 1:
            parts = text.split(",") if "," in text else _ENCODED_COMMA.split(text)
        if len(parts) == len(self.address):
            try:
                return tuple(
                    self._address_part(attribute, part)
                    for attribute, part in zip(self.address, parts, strict=True)
                )
            except ValueError:
                pass
        raise MalformedRequest(f"the URL names no document: this is no key of {self.path}")

    def not_found(self) -> DocumentNotFound:
        """The error that says there is no such document."""
        return DocumentNotFound(f"{self.path} has no document with this key")

    def _address_part(self, attribute: str, text: str) -> Any:
        field = self.field_of(attribute)
        if field is None or field.parse is None:
            raise ValueError("values of this field have no text form")
        return field.parse(unquote(text, errors="strict"))
