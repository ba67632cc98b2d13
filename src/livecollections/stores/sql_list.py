"""Lists that were read: their rows lie in a spool, and whoever takes them holds no snapshot of the database.

This module knows no database and no statement.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..change import Row
from .base import Listing, Run
from .spool import Spool
from .sql import Field, decode_row

PIECE = 256 * 1024
"""Bytes of stored rows that are given out at once, or one pile."""


@dataclass(slots=True)
class Cut:
    """What was read beside the rows: seq, version, until; whether a limit left some out, and the last that it kept."""

    seq: str
    version: str | None
    until: str | None = None
    more: bool = False
    last: Sequence[Any] | None = None


class SpooledList(Listing):
    """A list that was read. places: the columns of a row that tell where it stands."""

    def __init__(
        self, cut: Cut, places: Sequence[int], spool: Spool, fields: Sequence[Field], run: Run
    ) -> None:
        place = tuple(cut.last[column] for column in places) if cut.more and cut.last else None
        super().__init__(cut.seq, spool.count, cut.until, cut.version, cut.more, place)
        self._spool = spool
        self._fields = fields
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
        return [decode_row(self._fields, row) for row in self._spool.get(PIECE)]

    def close(self) -> None:
        self._spool.close()


def abandon(reading: asyncio.Future[SpooledList]) -> None:
    """Close a list that nobody waits for any more."""
    if not reading.cancelled() and reading.exception() is None:
        reading.result().close()
