"""Formats: documents as JSON, as NDJSON (one on each line), as CSV (RFC 4180, with a line of names).

A list is made part by part, whatever its format. In CSV null is an empty cell, a text is in quotes, and what is neither
text nor number is written as JSON. What a spreadsheet would take for a formula has an apostrophe before it, at the
beginning of a text and after each semicolon, tab and line break in it, where another separator would make it begin a
cell; so has what begins with an apostrophe there, so that whoever reads the cell by a program gets the text back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ..errors import NotAcceptable
from .accept import best

_UNSEEN = r"(?:[^\S\t\r\n]|[\x00-\x08\x0e-\x1b\x7f\u200b-\u200f\u2060\ufeff\"])*"
"""Blanks, control characters and quotes, which a spreadsheet may drop before a formula."""
_FORMULA = r"'=+\-@\uff1d\uff0b\uff0d\uff20"
"""What formulas begin with, in their wide forms too, and what stands before a text that does."""
_GUARDED = re.compile(rf"^(?={_UNSEEN}[{_FORMULA}\t\r\n])|(?<=[;\t\r\n])(?={_UNSEEN}[{_FORMULA}])")
"""Where an apostrophe is put."""
_PARTING = re.compile(rf";(?={_UNSEEN}[{_FORMULA}])")
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


def _csv(rows: Iterable[Iterable[str]]) -> bytes:
    return "".join(f"{','.join(cells)}\r\n" for cells in rows).encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return _quoted(value if _NUMBER.fullmatch(value) else _GUARDED.sub("'", value))
    written = orjson.dumps(value).decode()
    if isinstance(value, int | float):
        return written
    # Only the texts in it can hold a semicolon, and tabs and line breaks are escaped already.
    return _quoted(_PARTING.sub(r"\\u003b", written))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


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
    start=lambda names: _csv([[name if name.isidentifier() else _quoted(name) for name in names]]),
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
