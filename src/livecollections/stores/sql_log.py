"""What the logs of the SQL stores share: the form of a seq, how long entries are kept, and what can't be read back.

A seq is the epoch (8 hex digits), the place (the log's integer key, 16 hex digits) and the check (4 hex digits).
This module knows no database.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Iterable

from ..cause import Cause
from ..change import CHECK_WIDTH, EPOCH_WIDTH, PLACE_WIDTH
from ..errors import StoreError
from .log_state import LogState, OpenGap

logger = logging.getLogger("livecollections.store")

EMPTY = "0" * (PLACE_WIDTH + CHECK_WIDTH)
"""Place and check of an empty log."""
_SEQ = re.compile(r"[0-9a-f]{8}[0-7][0-9a-f]{19}")  # the place is a positive 64-bit integer
_PLACE = slice(EPOCH_WIDTH, EPOCH_WIDTH + PLACE_WIDTH)
IDEMPOTENT_FOR = 24 * 3600.0
"""Seconds for which the answer to an Idempotency-Key is kept."""
CURSORS_HOLD = 10
"""Durable cursors keep the log from trimming up to this many times ``Log.changes``."""
WENT_BACK = frozenset({Cause.OTHER_CHECK, Cause.BEYOND_END, Cause.NO_ENTRY})
"""What a place of this epoch that nobody trimmed tells of the log."""
TRIM = 5_000
"""Entries trimmed in one transaction, so that writers wait for no more."""


class Undecodable(Exception):
    """An entry whose image can't be read back."""


def new_epoch() -> str:
    """Draw an epoch."""
    return secrets.token_hex(EPOCH_WIDTH // 2)


def place_of(seq: str) -> int:
    """The log's integer key within a seq."""
    return int(seq[_PLACE], 16)


def is_seq(text: str) -> bool:
    """Whether a text has the form of a seq."""
    return _SEQ.fullmatch(text) is not None


def held(wanted: int, top: int, changes: int, trimmed: int, cursors: Iterable[tuple[str, int]]) -> int:
    """The place up to which a log may be trimmed, since durable listeners still read it.

    wanted: up to which it would be.  top: its end.  changes: how many entries it is to keep.
    trimmed: the place up to which it is trimmed.  cursors: the listeners' names and places.
    """
    waiting = [(place, name) for name, place in cursors if trimmed <= place < wanted]
    if not waiting:
        return wanted
    place, name = min(waiting)
    furthest = top - CURSORS_HOLD * changes
    if place < min(wanted, furthest):
        logger.warning("the durable listener %s is too far behind: the log is trimmed past it", name)
    return min(wanted, max(place, furthest))


def log_state(
    after: str,
    epoch: str | None,
    trimmed_to: str | None,
    top: str | None,
    *,
    age: float | None,
    size: int | None = None,
    gap: OpenGap | None = None,
) -> LogState:
    """The state of a log, as seen from a seq; another epoch's has all of the log before it.

    trimmed_to, top: place and check of the last entry that was trimmed, and of the highest; the former where the log is
    empty.  age, size, gap: as of LogState; ``bytes``.
    """
    if epoch is None or trimmed_to is None:
        raise StoreError("the change log is gone from the database")
    head = f"{epoch}{top or trimmed_to}"
    trimmed, end = place_of(f"{epoch}{trimmed_to}"), place_of(head)
    start = place_of(after) if is_seq(after) and after[:EPOCH_WIDTH] == epoch else trimmed
    return LogState(
        head=head,
        behind=max(0, end - start),
        entries=end - trimmed,
        bytes=size,
        age=age,
        gap=gap,
        missing={},
    )
