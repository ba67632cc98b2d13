"""The seqs of MongoDB's log: the epoch, a cluster time (seconds, increment) and a place among its events.

Two rules. Events of one cluster time are counted in a stream of the whole database, before any filter: they need not
be of one transaction. A read at a time is labelled with the place that is after all of them. There is no check.
"""

from __future__ import annotations

import re
import secrets
from typing import NamedTuple

from bson.timestamp import Timestamp

LAST = 0xFFFFFF
"""The place after all events of a time."""
_SEQ = re.compile(r"[0-9a-f]{30}")


class Place(NamedTuple):
    """Where a seq is, within its epoch."""

    seconds: int
    increment: int
    number: int

    @property
    def time(self) -> Timestamp:
        """Its cluster time."""
        return Timestamp(self.seconds, self.increment)

    @property
    def next(self) -> Place:
        """The one after it, of the same time."""
        return self._replace(number=min(self.number + 1, LAST))


def after_all(time: Timestamp) -> Place:
    """The place of a read at a time."""
    return Place(time.time, time.inc, LAST)


def is_of_read(text: str) -> bool:
    """Whether a seq is that of a read, and of no entry."""
    return place_of(text).number == LAST


def seq(epoch: str, place: Place) -> str:
    """A seq as text."""
    return f"{epoch}{place.seconds:08x}{place.increment:08x}{place.number:06x}"


def is_seq(text: str) -> bool:
    """Whether a text has the form of a seq."""
    return _SEQ.fullmatch(text) is not None


def place_of(text: str) -> Place:
    """Where a seq is."""
    return Place(int(text[8:16], 16), int(text[16:24], 16), int(text[24:], 16))


def new_epoch() -> str:
    """Draw an epoch."""
    return secrets.token_hex(4)


class Counter:
    """Gives each event of one stream its place."""

    def __init__(self) -> None:
        self._time: Timestamp | None = None
        self._number = -1

    def place(self, time: Timestamp, width: int = 1) -> Place:
        """The place of the next event, which takes so many; it has the last of them."""
        if time != self._time:
            self._time, self._number = time, -1
        self._number += width
        return Place(time.time, time.inc, min(self._number, LAST - 1))
