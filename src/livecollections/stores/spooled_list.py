"""Lists that were read: their rows lie in a spool, and whoever takes them holds no snapshot of the database.

This module knows no database and no statement.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ..change import Row
from .base import Lane, Listing, Run
from .spool import Spool

T = TypeVar("T")

PIECE = 256 * 1024
"""Bytes of stored rows that are given out at once, or one pile."""


@dataclass(slots=True)
class Cut:
    """What was read beside the rows: seq, version, until; whether a limit left some out, and the last that it kept."""

    seq: str
    version: str | None = None
    until: str | None = None
    more: bool = False
    last: Any = None


async def at_once(lane: Lane, function: Callable[[], T]) -> T:
    """Run a function here: a piece is read in a fraction of a millisecond, less than a way through a thread."""
    return function()


class SpooledList(Listing):
    """A list that was read. place: of a row of the spool, where lists go on.  row: of one, as the model types it."""

    def __init__(
        self,
        cut: Cut,
        spool: Spool,
        row: Callable[[Any], Row],
        place: Callable[[Any], tuple[Any, ...]] | None = None,
        run: Run = at_once,
    ) -> None:
        place_of_last = place(cut.last) if place and cut.more and cut.last is not None else None
        super().__init__(cut.seq, spool.count, cut.until, cut.version, cut.more, place_of_last)
        self._spool = spool
        self._row = row
        self._run = run
        self._first = self._next()
        self._is_short = len(self._first) == self.count
        if self._is_short:
            self.close()

    @property
    def is_short(self) -> bool:
        return self._is_short

    async def piece(self) -> list[Row]:
        first, self._first = self._first, []
        return first or ([] if self._is_short else await self._run("read", self._next))

    def _next(self) -> list[Row]:
        return [self._row(stored) for stored in self._spool.get(PIECE)]

    def close(self) -> None:
        self._spool.close()


def abandon(reading: asyncio.Future[SpooledList]) -> None:
    """Close a list that nobody waits for any more."""
    if not reading.cancelled() and reading.exception() is None:
        reading.result().close()
