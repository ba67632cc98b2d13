"""The log of a SQLite file as it stands there: rows by the columns that it keeps, whatever models say."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

from ..change import Change, Key
from .administration import untold
from .base import Log
from .sql import Field
from .sql_log import Undecodable
from .sqlite_connection import FileConnection, reading
from .sqlite_log import LAYOUT_WIDTH, ChangeLog, Images, stored_value

BATCH = 500
"""Entries read at a time."""
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
    after = reading(connection, changes.oldest) if since is None else since
    while True:
        batch = reading(connection, partial(changes.read, after=after, limit=BATCH, source=None))
        if batch.lost is not None:
            raise untold(after, batch.lost)
        for change in batch.changes:
            yield change
        after = batch.upto
        if not batch.more:
            if not follow:
                return
            await asyncio.sleep(LOOK)
