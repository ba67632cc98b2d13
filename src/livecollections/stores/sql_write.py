"""Writes as every SQL store does them: what there is to do, what comes of it, and what a sweep means.

This module knows no connection and no statement.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from ..change import Row
from .base import Bulk, Store, Sweep, Write, Written, not_started, told

PLACED = "\x1f"
"""Comes in no Idempotency-Key, and before all that does: after it stands the place of one of several answers."""


def placed(key: str, place: int) -> str:
    """The key by which the answer at a place among several is kept."""
    return f"{key}{PLACED}{place:09}" if place else key


SECOND = placed("", 1)
"""What is after a key only where several were answered."""

Job = Write | Bulk | Sweep
Outcome = Written | list[Written] | Exception


class Theirs(Exception):
    """What a function of the user's raised within a transaction: whatever it is, it is no error of the driver's."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def tell(answer: asyncio.Future[Any], outcome: Outcome) -> None:
    """Give an outcome to whoever waits for it, if anybody still does."""
    if answer.done():
        return
    if isinstance(outcome, Exception):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)


def differs(row: Row, attribute: str, value: Any) -> bool:
    """Whether a write sets what a row does not hold."""
    if attribute not in row:
        return True
    stored = row[attribute]
    return type(stored) is not type(value) or bool(stored != value)


def writes_of(sweep: Sweep, rows: Sequence[Row]) -> list[Write]:
    """The writes of the rows that a sweep has found."""
    writes = [
        Write(
            sweep.source,
            sweep.source.key_of(row),
            sweep.change,
            f"{sweep.origin}.{place}" if sweep.origin else None,
        )
        for place, row in enumerate(rows)
    ]
    return writes if sweep.around is None else list(map(sweep.around, writes))


class SQLStore(Store):
    """A store whose writes wait in a queue, and which is started or not."""

    _started = False
    _queue: Any

    def _require_start(self) -> None:
        if not self._started:
            raise not_started()

    async def write(self, write: Write) -> Written:
        written: Written = await self._outcome(write)
        return written

    async def write_all(self, writes: Bulk | Sweep) -> list[Written]:
        written: list[Written] = await self._outcome(writes)
        return written

    async def _outcome(self, job: Job) -> Any:
        self._require_start()
        return told(await self._queue.outcome(job))
