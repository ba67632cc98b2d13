"""Change: one entry of the log, and what may be said of several.

A change's place is its ``seq``: an opaque string of fixed width within a store (design, section 5). Within
one epoch (the first 8 characters) the order of the strings is the order of the log; seqs of different
epochs are never compared. This module knows no database and no channel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from .cause import Cause

Method = Literal["POST", "PUT", "DELETE", "RESET"]
Row = Mapping[str, Any]
"""A row as the model names and types it: attribute → Python value."""
Key = tuple[Any, ...]
"""The values of a row's primary key, in the source's order."""

EPOCH_WIDTH = 8
PLACE_WIDTH = 16
CHECK_WIDTH = 4


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the log.

    seq: its place.  source: the table's name.  key: of the row concerned (empty for RESET).
    before, after: the row as it was and as it is; None where there was or is none.
    origin: the token by which the writer knows its own write again.  at: seconds since 1970.
    cause: why there is a RESET.
    """

    seq: str
    source: str
    method: Method
    key: Key
    before: Row | None
    after: Row | None
    origin: str | None
    at: float
    cause: Cause | None = None


def epoch(seq: str) -> str:
    """The epoch that a seq belongs to."""
    return seq[:EPOCH_WIDTH]


def number(seq: str) -> int:
    """A seq's place in its log as a number, without the epoch and the check."""
    return int(seq[EPOCH_WIDTH : EPOCH_WIDTH + PLACE_WIDTH], 16)


def is_after(seq: str, position: str) -> bool:
    """Whether ``seq`` comes after ``position``; both are of one epoch."""
    return seq > position


def follows(seq: str, position: str) -> bool:
    """Whether ``seq`` is still to be sent to a receiver at ``position``; another log's always is."""
    # Asked for each receiver of each message: no calls.
    return seq > position or seq[:EPOCH_WIDTH] != position[:EPOCH_WIDTH]


def is_forked(one: str, other: str) -> bool:
    """Whether two seqs tell that a log went back in time: of one place, and drawn twice."""
    return (
        one != other
        and len(one) == EPOCH_WIDTH + PLACE_WIDTH + CHECK_WIDTH
        and one[:-CHECK_WIDTH] == other[:-CHECK_WIDTH]
    )


def is_same_log(one: str, other: str) -> bool:
    """Whether two seqs are of one log, so that their order means something."""
    return one[:EPOCH_WIDTH] == other[:EPOCH_WIDTH] and not is_forked(one, other)


def is_foreign(one: str | None, other: str | None) -> bool:
    """Whether two seqs are known to be of different logs."""
    return one is not None and other is not None and not is_same_log(one, other)


def is_older(one: str | None, other: str | None) -> bool:
    """Whether ``one`` is known to come before ``other``: both are known and of one log."""
    return one is not None and other is not None and is_same_log(one, other) and one < other


def is_news(seq: str | None, version: str | None) -> bool:
    """Whether a state of this seq may take the place of one of ``version``; without a seq only of an unknown one's."""
    return version is None or (seq is not None and not is_older(seq, version))


def squash(changes: Iterable[Change]) -> list[Change]:
    """Keep, of several changes of one document, only the last, in seq order.

    The method says what the step means to a receiver that has seen none of them: POST if it never had the
    document, DELETE if the document has gone, PUT otherwise. Where the last bears no origin, it has that of the first:
    who made the document knows it by that. A RESET ends everything before it.
    """
    first: dict[Key, Change] = {}
    last: dict[Key, Change] = {}
    reset: list[Change] = []
    for change in changes:
        if change.method == "RESET":
            first, last, reset = {}, {}, [change]
            continue
        first.setdefault(change.key, change)
        last[change.key] = change
    waiting = []
    for key, change in last.items():
        method: Method = change.method
        origin = change.origin
        if method != "DELETE":
            method = "POST" if first[key].before is None else "PUT"
            origin = origin or first[key].origin
        waiting.append(replace(change, method=method, origin=origin))
    return reset + sorted(waiting, key=lambda change: change.seq)
