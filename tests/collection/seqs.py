"""Seqs as the vectors write them: ``a5`` is the epoch ``a``, the place 5; ``a5'`` the same place, drawn twice."""

from __future__ import annotations


def spell(short: str) -> str:
    """As it stands on the wire."""
    place = int(short[1:].rstrip("'"))
    check = place * 40503 + short.count("'")
    return f"{short[0] * 8}{place:016x}{check & 0xFFFF:04x}"


def shorten(seq: str | None) -> str | None:
    """As the vectors write it."""
    return seq and f"{seq[0]}{int(seq[8:24], 16)}"
