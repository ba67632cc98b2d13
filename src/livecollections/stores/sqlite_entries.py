"""The log of a SQLite file as it stands there: rows by the columns that it keeps, whatever models say."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

from ..change import Change, Key
from .administration import BATCH, batched
from .base import Batch, Log
from .sql import Field
from .sql_log import Undecodable
from .sqlite_connection import FileConnection, reading
from .sqlite_log import LAYOUT_WIDTH, ChangeLog, Images, stored_value

LOOK = 0.05
"""Seconds between two looks for more."""


class AnyImages(Images):
    """Reads the images of every source."""

    def __init__(self) -> None:
        super().__init__({})

    def knows(self, source: str) -> bool:
        """All are."""
        return True

    def row(self, source: str, image: str) -> dict[str, Any]:
        """The stored values by their columns. Raises Undecodable."""
        columns, values = (
            self._layouts.get(image[:LAYOUT_WIDTH], []),
            image[LAYOUT_WIDTH + 1 :].split(";")[:-1],
        )
        if len(columns) != len(values):
            raise Undecodable(f"the layout {image[:LAYOUT_WIDTH]!r} is not known")
        return dict(zip(columns, map(stored_value, values), strict=True))

    def key(self, source: str, fields: Sequence[Field], key: str) -> Key:
        """The stored values. Raises Undecodable."""
        return tuple(stored_value(value) for value in key.split(";")[:-1])


async def entries(
    connection: FileConnection, log: Log, since: str | None, follow: bool
) -> AsyncIterator[Change]:
    """The entries after a seq. Raises ConfigurationError where they can't be told."""
    changes = ChangeLog(log, AnyImages(), defaultdict(tuple))

    async def read(after: str) -> Batch:
        return reading(connection, partial(changes.read, after=after, limit=BATCH, source=None))

    async def look_again(_: str) -> None:
        await asyncio.sleep(LOOK)

    start = reading(connection, changes.oldest) if since is None else since
    async for change in batched(read, start, look_again if follow else None):
        yield change
