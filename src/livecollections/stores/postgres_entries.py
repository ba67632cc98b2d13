"""The log of a PostgreSQL database as it stands there: rows by the columns that it keeps, values as texts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from typing import Any

from ..change import Change, Key, Row
from .administration import untold
from .base import Log
from .postgres_images import Image, PostgresImages
from .postgres_log import PostgresLog
from .sql import Field
from .sql_log import Undecodable

BATCH = 500
"""Entries read at a time."""


class AnyImages(PostgresImages):
    """Reads the images of every source."""

    def __init__(self) -> None:
        super().__init__({})

    def knows(self, source: str) -> bool:
        """All are."""
        return True

    def row(self, source: str, layout: str | None, image: Image) -> Row:
        """The texts by their columns. Raises Undecodable."""
        columns = self._layouts.get(layout or "", [])
        if len(columns) != len(image):
            raise Undecodable(f"the layout {layout!r} is not known")
        return dict(zip(columns, image, strict=True))

    @staticmethod
    def key(source: str, fields: Sequence[Field], key: Image) -> Key:
        """The texts."""
        return tuple(key)


async def entries(pool: Any, log: Log, since: str | None, follow: bool) -> AsyncIterator[Change]:
    """The entries after a seq. Raises ConfigurationError where they can't be told."""
    changes = PostgresLog(pool, log, AnyImages(), defaultdict(tuple))
    await changes.start()
    try:
        after = await changes.oldest() if since is None else since
        while True:
            batch = await changes.read(after, BATCH)
            if batch.lost is not None:
                raise untold(after, batch.lost)
            for change in batch.changes:
                yield change
            after = batch.upto
            if not batch.more:
                if not follow:
                    return
                await changes.wait_changed(after)
    finally:
        await changes.stop()
