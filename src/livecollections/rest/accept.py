"""Accept: which form of an answer a client would rather have (RFC 9110, section 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

Ranges = dict[str, float]


def quality(accept: str, kind: str) -> float:
    """The weight, 0 to 1, that an Accept header gives to a media type: that of the range which says most about it."""
    ranges = _ranges(accept)
    for each in (kind, f"{kind.partition('/')[0]}/*", "*/*"):
        if each in ranges:
            return ranges[each]
    return 0.0


def best(accept: str, offered: Sequence[str]) -> str | None:
    """The type of those offered that weighs most; the first of several that weigh the same; None if none is wanted."""
    weights = [quality(accept, kind) for kind in offered]
    most = max(weights)
    return offered[weights.index(most)] if most > 0 else None


@lru_cache(maxsize=64)
def _ranges(accept: str) -> Ranges:
    """The weights by media range; parameters of a range are passed over, for nothing here has any."""
    ranges: Ranges = {}
    for entry in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in entry.split(";"))
        if kind:
            weights = [_weight(part[2:]) for part in parameters if part.startswith("q=")]
            ranges.setdefault(kind, weights[0] if weights else 1.0)
    return ranges


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0
