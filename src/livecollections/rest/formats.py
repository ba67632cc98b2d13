"""Formats: documents as JSON, as NDJSON (one on each line), as CSV (RFC 4180, with a line of names).

A list is made part by part, whatever its format. In CSV null is an empty cell, and what is no text is written as JSON.
A text that a spreadsheet would take for a formula has an apostrophe before it, as has one that begins with an
apostrophe, so that whoever reads the cell by a program gets the text back.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ..errors import NotAcceptable
from .accept import best

_FORMULA = re.compile("['=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""What formulas begin with, in their wide forms too, and what stands before a text that does."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

Documents = Sequence[Mapping[str, Any]]
Names = Collection[str]


@dataclass(frozen=True, slots=True)
class Format:
    """How documents are written.

    type: the media type.  suffix: of entity tags, since those of two formats are two.
    part: some documents of a list, in the order of the names.  between: parts.  start, end: of a list.
    """

    type: bytes
    suffix: bytes
    part: Callable[[Documents, Names], bytes]
    start: Callable[[Names], bytes]
    between: bytes = b""
    end: bytes = b""

    def whole(self, documents: Documents) -> bytes:
        """A list of documents, one at least."""
        names = list(documents[0])
        return self.start(names) + self.part(documents, names) + self.end


def _lines(documents: Documents, names: Names) -> bytes:
    return b"".join(orjson.dumps(each) + b"\n" for each in documents)


def _rows(documents: Documents, names: Names) -> bytes:
    return _csv([[_cell(each.get(name)) for name in names] for each in documents])


def _csv(rows: Sequence[Names]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return orjson.dumps(value).decode()
    return f"'{value}" if _FORMULA.match(value) and not _NUMBER.fullmatch(value) else value


JSON = Format(
    b"application/json",
    b"",
    part=lambda documents, names: orjson.dumps(documents)[1:-1],
    start=lambda names: b"[",
    between=b",",
    end=b"]",
)
NDJSON = Format(
    b"application/x-ndjson",
    b"-ndjson",
    part=_lines,
    start=lambda names: b"",
)
CSV = Format(
    b"text/csv; charset=utf-8; header=present",
    b"-csv",
    part=_rows,
    start=lambda names: _csv([names]),
)
FORMATS = {
    "application/json": JSON,
    "application/x-ndjson": NDJSON,
    "application/ndjson": NDJSON,
    "text/csv": CSV,
}
_OFFERED = tuple(FORMATS)


def format_of(headers: Mapping[str, str]) -> Format:
    """The format that a client would rather have. headers: by lower-case name. Raises NotAcceptable."""
    accept = headers.get("accept", "*/*")
    if accept in ("*/*", "application/json", ""):
        return JSON
    kind = best(accept, _OFFERED)
    if kind is None:
        raise NotAcceptable(f"this can be had as {', '.join(_OFFERED)}, and Accept wants none of them")
    return FORMATS[kind]
