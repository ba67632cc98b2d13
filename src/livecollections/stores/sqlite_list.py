"""Lists: rows of one snapshot, put aside before anybody reads them.

Four rules. A list is read on a connection and in a lane of its own, in one transaction, which ends before the list is
given out. That takes no longer than ``Limit`` says. One whose conditions Python judges may need all of that even if it
has one row, so no other waits for it. Of the rows no more than a pile is in memory. It knows no HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import Dialect

from ..query import Query
from .base import Count, Lane, Listing, Run
from .spool import Spool
from .spooled_list import Cut, SpooledList, abandon
from .sql import Field, TableSource, placed, rows_of
from .sql_query import Statement, select_count, select_distinct, select_rows, sorted_by
from .sqlite_conditions import SQLiteConditions
from .sqlite_connection import FileConnection, is_broken_text, lenient, transaction
from .sqlite_limit import Limit

PILE = 100
"""Rows that are read at a time, however wide they are."""
_COUNT = Field("count", sa.Column("count", sa.Integer), int, int, is_plain=True)


class Lists:
    """Reads them. connections: those of the lanes "list" and "judged".

    head: gives the seq that its snapshot holds.  version: the one of a source.
    """

    def __init__(
        self,
        connections: Mapping[str, FileConnection],
        head: Callable[[FileConnection], str],
        version: Callable[[FileConnection, str], str],
        run: Run,
        dialect: Dialect,
        limit: Limit | None = None,
    ) -> None:
        self._connections = connections
        self._head = head
        self._version = version
        self._run = run
        self._dialect = dialect
        self._limit = limit or Limit()

    async def rows(self, source: TableSource, query: Query) -> Listing:
        """The rows of a query. Raises StoreUnavailable."""
        if query.limit is None:
            statement = select_rows(SQLiteConditions(source), query, self._dialect)
            return await self.read(source.name, statement, source.shown)
        # One more than is given out tells whether there is more.
        wanted = replace(query, limit=query.limit + 1)
        statement = select_rows(SQLiteConditions(source), wanted, self._dialect)
        shown = [found.attribute for found in source.shown]
        places = [shown.index(order.field) for order in sorted_by(source, query)]
        return await self.read(source.name, statement, source.shown, query.limit, places)

    async def count(self, source: TableSource, query: Query) -> Count:
        """How many they are. Raises StoreUnavailable."""
        statement = select_count(SQLiteConditions(source), query, self._dialect)
        found = await self.read(source.name, statement, [_COUNT])
        [row] = await found.piece()
        return Count(row[_COUNT.attribute], found.seq, found.version)

    async def distinct(self, source: TableSource, attribute: str, query: Query) -> Listing:
        """The values of a field in them. Raises StoreUnavailable."""
        statement = select_distinct(SQLiteConditions(source), attribute, query, self._dialect)
        return await self.read(source.name, statement, [source.fields[attribute]])

    async def read(
        self,
        source: str,
        statement: Statement,
        fields: Sequence[Field],
        limit: int | None = None,
        places: Sequence[int] = (),
    ) -> SpooledList:
        """The rows of a statement, ``limit`` at most. places: the columns that tell where a row stands.

        Raises StoreUnavailable.
        """
        lane: Lane = "judged" if statement.predicates else "list"
        connection = self._connections[lane]
        reading = asyncio.ensure_future(
            self._run(lane, lambda: self._read(connection, source, statement, fields, limit, places))
        )
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            reading.add_done_callback(abandon)
            raise

    def _read(
        self,
        connection: FileConnection,
        source: str,
        statement: Statement,
        fields: Sequence[Field],
        limit: int | None,
        places: Sequence[int],
    ) -> SpooledList:
        spool = Spool()
        try:
            cut = self._spooled(connection, source, statement, spool, limit)
            return SpooledList(cut, spool, rows_of(fields), placed(places), self._run)
        except BaseException:
            spool.close()
            raise

    def _spooled(
        self, connection: FileConnection, source: str, statement: Statement, spool: Spool, limit: int | None
    ) -> Cut:
        """Fill the spool; once more, leniently, if a text is broken."""
        try:
            return self._snapshot(connection, source, statement, spool, limit)
        except Exception as error:
            if not is_broken_text(error.__cause__):
                raise
        spool.clear()
        with lenient(connection):
            return self._snapshot(connection, source, statement, spool, limit)

    def _snapshot(
        self, connection: FileConnection, source: str, statement: Statement, spool: Spool, limit: int | None
    ) -> Cut:
        with self._limit.on(connection), transaction(connection):
            cut = Cut(self._head(connection), self._version(connection, source))
            cursor = connection.run(statement)
            while rows := cursor.fetchmany(PILE):
                cut.more = limit is not None and spool.count + len(rows) > limit
                if kept := rows[: limit - spool.count] if limit is not None and cut.more else rows:
                    cut.last = kept[-1]
                    spool.put(kept)
        return cut
