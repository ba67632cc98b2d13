"""Lists on PostgreSQL: rows of one snapshot, put aside before anybody reads them.

Three rules. The watermark is taken before the snapshot, so that rows may be newer than it says and never older; what
they hold beyond it is told by ``until``. A list is read in one transaction, which ends before the list is given out,
and takes ten seconds at most. Of the rows no more than a pile is in memory. It knows no HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy.engine.interfaces import Dialect

from ..errors import InvalidDocument, MalformedRequest
from ..query import Query
from .base import Count, Listing, Snapshot, too_long
from .postgres_connection import acquired, snapshot
from .postgres_log import PostgresLog
from .postgres_rows import LONGEST, Stored, all_rows, count, distinct, piles, selection
from .postgres_shape import Shape
from .postgres_steps import Shaped
from .spool import Spool
from .spooled_list import Cut, SpooledList
from .sql import Field, TableSource, decode_row, placed, rows_of
from .sql_query import sorted_by

AT_ONCE = 5
"""Lists that are read at a time: the pool has connections left for those who write, and for whoever follows the log."""


class Lists:
    """Reads them on connections of a pool. shape: gives the statements for a source."""

    def __init__(self, pool: Any, log: PostgresLog, shape: Shaped, dialect: Dialect) -> None:
        self._pool = pool
        self._log = log
        self._shape = shape
        self._dialect = dialect
        self._room = asyncio.Semaphore(AT_ONCE)

    async def find(self, source: TableSource, query: Query) -> Snapshot:
        """The rows of a query, in memory."""
        async with self._reading(source, query) as (connection, shape, cut):
            selected = selection(shape, query, self._dialect)
            rows = await all_rows(connection, selected)
            return Snapshot([decode_row(selected.fields, row) for row in rows], cut.seq, cut.until)

    async def get(self, source: TableSource, key: Sequence[Any]) -> Snapshot:
        """The row with a key, as it is bound."""
        async with self._reading(source) as (connection, shape, cut):
            found = shape.found(await connection.fetchrow(shape.select, *key))
            return Snapshot([] if found is None else [found.row], cut.seq, cut.until)

    async def rows(self, source: TableSource, query: Query) -> Listing:
        """The rows of a query. Raises StoreUnavailable."""
        # One more than is given out tells whether there is more.
        wanted = query if query.limit is None else replace(query, limit=query.limit + 1)
        shown = [found.attribute for found in source.shown]
        places = () if query.limit is None else [shown.index(each.field) for each in sorted_by(source, query)]
        async with self._reading(source, query) as (connection, shape, cut):
            coming = piles(connection, selection(shape, wanted, self._dialect))
            return await _spooled(coming, cut, source.shown, query.limit, places)

    async def count(self, source: TableSource, query: Query) -> Count:
        """How many they are. Raises StoreUnavailable."""
        async with self._reading(source, query) as (connection, shape, cut):
            number = await count(connection, shape, query, self._dialect)
            return Count(number, cut.seq, cut.version, cut.until)

    async def distinct(self, source: TableSource, attribute: str, query: Query) -> Listing:
        """The values of a field in them. Raises StoreUnavailable."""
        async with self._reading(source, query) as (connection, shape, cut):
            coming = distinct(connection, shape, attribute, query, self._dialect)
            return await _spooled(coming, cut, [source.fields[attribute]])

    @asynccontextmanager
    async def _reading(
        self, source: TableSource, query: Query | None = None
    ) -> AsyncIterator[tuple[Any, Shape, Cut]]:
        """A snapshot of a source, and what is said of it."""
        try:
            async with asyncio.timeout(LONGEST), self._room, acquired(self._pool) as connection:
                shape = await self._shape(source, connection)
                seq = await self._log.watermark(connection)
                async with snapshot(connection):
                    # The first statement takes the snapshot: whatever is said of the rows is said of these.
                    until = await self._log.until(connection, source.name, seq)
                    version = None if until else await self._log.version(connection, source.name)
                    yield connection, shape, Cut(seq, version, until)
        except TimeoutError as error:
            raise too_long(LONGEST) from error
        except InvalidDocument as error:
            if query is None or query.after is None:
                raise
            raise MalformedRequest("after: this is no place in this list") from error


async def _spooled(
    coming: AsyncGenerator[list[Stored], None],
    cut: Cut,
    fields: Sequence[Field],
    limit: int | None = None,
    places: Sequence[int] = (),
) -> SpooledList:
    spool = Spool()
    try:
        async with aclosing(coming):
            async for rows in coming:
                cut.more = limit is not None and spool.count + len(rows) > limit
                if kept := rows[: limit - spool.count] if limit is not None and cut.more else rows:
                    cut.last = kept[-1]
                    spool.put(kept)
        return SpooledList(cut, spool, rows_of(fields), placed(places))
    except BaseException:
        spool.close()
        raise
