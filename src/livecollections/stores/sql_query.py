"""Queries as SQL: what each of them selects, which rows, in which order.

The conditions are compiled in ``sql_conditions``. This module knows no connection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import Dialect

from ..query import Query
from .sql import Field, TableSource
from .sql_conditions import Conditions, Predicate


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text, its positional values, and what ``live_holds`` calls in it, by number."""

    text: str
    values: Sequence[Any] = ()
    predicates: Sequence[Predicate] = ()


def select_rows(source: TableSource, query: Query, dialect: Dialect) -> Statement:
    """The rows of a query. Raises MalformedRequest for a field that the source does not show."""
    conditions = Conditions(source)
    statement = _met(sa.select(*(found.column for found in source.shown)), source, query, conditions)
    for order in query.sort:
        column = conditions.field(order.field).column
        statement = statement.order_by(column.desc() if order.descending else column.asc())
    if query.sort or query.skip or query.limit is not None:
        statement = statement.order_by(*(found.column for found in source.key_fields))
    return _compiled(_cut(statement, query), conditions, dialect)


def _met(
    statement: sa.Select[Any], source: TableSource, query: Query, conditions: Conditions
) -> sa.Select[Any]:
    keyed = (found.column.is_not(None) for found in _nullable_keys(source))
    return statement.where(*keyed, *map(conditions.compile, query.where))


def _cut(statement: sa.Select[Any], query: Query) -> sa.Select[Any]:
    if query.skip:
        statement = statement.offset(query.skip)
    return statement if query.limit is None else statement.limit(query.limit)


def _compiled(statement: sa.Select[Any], conditions: Conditions, dialect: Dialect) -> Statement:
    compiled = statement.compile(dialect=dialect)
    values = [compiled.params[name] for name in compiled.positiontup or ()]
    return Statement(str(compiled), values, tuple(conditions.predicates))


def _nullable_keys(source: TableSource) -> Iterable[Field]:
    # A row whose key is NULL (SQLite allows it) can't be addressed: it is no document.
    return [found for found in source.key_fields if len(source.key) > 1 or not _is_integer(found)]


def _is_integer(found: Field) -> bool:
    return isinstance(found.column.type, sa.Integer)
