"""Preference: what a client would rather have (RFC 7240): ``return=minimal``, an answer without the document."""

from __future__ import annotations

from collections.abc import Mapping

from .answer import Header

APPLIED: Header = (b"preference-applied", b"return=minimal")


def is_minimal(headers: Mapping[str, str]) -> bool:
    """Whether the client needs no document in the answer to its write. headers: by lower-case name."""
    if "prefer" not in headers:
        return False
    stated = (part.partition(";")[0].strip().lower() for part in headers["prefer"].split(","))
    # Of several that contradict each other the first counts.
    returned = next((part for part in stated if part.startswith("return=")), "")
    return returned.partition("=")[2].strip('"') == "minimal"
