"""Rows of a query: what SQL selects of it, and what is judged here of what comes.

Three rules. Where every condition is in the statement, the server also skips and cuts; where one is not, each row is
judged as it comes, and then skipped, cut or counted. That is done beside the loop, and for two seconds at most. Rows
are the texts that the server puts out. It knows no log.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.engine.interfaces import Dialect

from ..query import Condition, Look, Query, meets
from .base import Distinct, too_long
from .postgres_shape import Shape
from .sql import Field, decode_row
from .sql_query import Statement, select_count, select_distinct, select_rows, sorted_by

LONGEST = 10.0
"""Seconds by the clock that the rows of one query may be read for."""
JUDGED = 2.0
"""Seconds that the rows of one query may be judged for."""
PILE = 100
"""Rows that come at a time."""

Stored = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """What to run, and what is left to do with each row: rest, skip, limit. fields: of which a row consists."""

    statement: Statement
    fields: Sequence[Field]
    rest: Sequence[Condition] = ()
    skip: int = 0
    limit: int | None = None


def selection(shape: Shape, query: Query, dialect: Dialect) -> Selection:
    """The rows of a query, in the order of their keys where it says none: the server has them in no order that stays.

    Raises MalformedRequest for a field that the source does not show.
    """
    conditions = shape.conditions()
    query = replace(query, sort=sorted_by(shape.source, query))
    statement = select_rows(conditions, query, dialect)
    fields = shape.source.shown
    if not conditions.rest:
        return Selection(statement, fields)
    statement = select_rows(shape.conditions(), replace(query, skip=0, limit=None), dialect)
    return Selection(statement, fields, conditions.rest, query.skip, query.limit)


async def piles(connection: Any, selected: Selection) -> AsyncGenerator[list[Stored], None]:
    """The rows in order, some at a time, inside the caller's transaction."""
    cut = _Cutter(selected)
    cursor = await connection.cursor(selected.statement.text, *selected.statement.values)
    while not cut.is_full and (coming := await cursor.fetch(PILE)):
        if rows := await cut.kept(coming):
            yield rows


async def locked(connection: Any, selected: Selection) -> list[Stored]:
    """All of them, which nobody else changes before the end of the caller's transaction. Raises StoreUnavailable."""
    text = f"{selected.statement.text} FOR NO KEY UPDATE"
    try:
        async with asyncio.timeout(LONGEST):
            return await _Cutter(selected).kept(await connection.fetch(text, *selected.statement.values))
    except TimeoutError as error:
        raise too_long(LONGEST) from error


class _Cutter:
    """Does with rows what was left to do with them."""

    def __init__(self, selected: Selection) -> None:
        self._selected = selected
        self._skip = selected.skip
        self._left = selected.limit
        self._judged = 0.0

    @property
    def is_full(self) -> bool:
        """Whether no more rows are wanted."""
        return self._left == 0

    async def kept(self, coming: Sequence[Any]) -> list[Stored]:
        """Those of the next rows that are asked for. Raises TimeoutError if they are judged for too long."""
        rows = [tuple(row) for row in coming]
        if self._selected.rest:
            rows = await asyncio.to_thread(self._met, rows)
        self._skip, rows = max(0, self._skip - len(rows)), rows[self._skip :]
        if self._left is not None:
            rows = rows[: self._left]
            self._left -= len(rows)
        return rows

    def _met(self, rows: Sequence[Stored]) -> list[Stored]:
        begun = time.thread_time()
        end = begun + JUDGED - self._judged

        def look() -> None:
            if time.thread_time() > end:
                raise TimeoutError("the rows of this query are judged for too long")

        met = [row for row in rows if self._is_met(row, look)]
        self._judged += time.thread_time() - begun
        return met

    def _is_met(self, row: Stored, look: Look) -> bool:
        decoded = decode_row(self._selected.fields, row)
        return all(meets(decoded, condition, look) for condition in self._selected.rest)


async def all_rows(connection: Any, selected: Selection) -> list[Stored]:
    """All of them."""
    async with aclosing(piles(connection, selected)) as coming:
        return [row async for rows in coming for row in rows]


async def count(connection: Any, shape: Shape, query: Query, dialect: Dialect) -> int:
    """How many rows a query has. Raises MalformedRequest as above."""
    conditions = shape.conditions()
    statement = select_count(conditions, query, dialect)
    if not conditions.rest:
        return int(await connection.fetchval(statement.text, *statement.values))
    number = 0
    async with aclosing(piles(connection, selection(shape, query, dialect))) as coming:
        async for rows in coming:
            number += len(rows)
    return number


async def distinct(
    connection: Any, shape: Shape, attribute: str, query: Query, dialect: Dialect
) -> AsyncGenerator[list[Stored], None]:
    """The values of a field in them, each once. Raises MalformedRequest as above."""
    conditions = shape.conditions()
    statement = select_distinct(conditions, attribute, query, dialect)
    if not conditions.rest:
        only = Selection(statement, [shape.source.fields[attribute]])
        async with aclosing(piles(connection, only)) as coming:
            async for rows in coming:
                yield rows
        return
    selected = selection(shape, query, dialect)
    place = [found.attribute for found in selected.fields].index(attribute)
    found = Distinct()
    async with aclosing(piles(connection, selected)) as coming:
        async for rows in coming:
            if fresh := [(row[place],) for row in rows if found.is_new(row[place])]:
                yield fresh
