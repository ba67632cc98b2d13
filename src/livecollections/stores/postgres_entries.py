"""The log of a PostgreSQL database as it stands there: rows by the columns that it keeps, values as texts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

from ..change import Change, Key, Row
from .administration import BATCH, batched
from .base import Log
from .postgres_images import Image, PostgresImages
from .postgres_log import PostgresLog
from .sql import Field
from .sql_log import Undecodable


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
        start = await changes.oldest() if since is None else since
        more = changes.wait_changed if follow else None
        async for change in batched(partial(changes.read, limit=BATCH), start, more):
            yield change
    finally:
        await changes.stop()
