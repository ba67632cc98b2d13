"""Queries as SQL: what each of them selects, which rows, in which order.

The conditions are compiled in ``sql_conditions``. This module knows no connection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import Dialect

from ..query import Order, Query
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
    shown = (found.column for found in source.shown)
    return _compiled(_selected(shown, source, query, conditions), conditions, dialect)


def select_count(source: TableSource, query: Query, dialect: Dialect) -> Statement:
    """How many rows a query has. Raises MalformedRequest as above."""
    conditions = Conditions(source)
    rows = _selected([sa.literal_column("1")], source, _unsorted(query), conditions).subquery()
    return _compiled(sa.select(sa.func.count()).select_from(rows), conditions, dialect)


def select_distinct(source: TableSource, attribute: str, query: Query, dialect: Dialect) -> Statement:
    """The values of a field in the rows of a query. Raises MalformedRequest as above."""
    conditions = Conditions(source)
    rows = _selected([conditions.field(attribute).column], source, _unsorted(query), conditions).subquery()
    return _compiled(sa.select(*rows.columns).distinct(), conditions, dialect)


def _selected(
    columns: Iterable[sa.ColumnElement[Any]], source: TableSource, query: Query, conditions: Conditions
) -> sa.Select[Any]:
    statement = _met(sa.select(*columns).select_from(source.table), source, query, conditions)
    if query.sort or query.skip or query.limit is not None:
        for order in sorted_by(source, query):
            column = conditions.field(order.field).column
            statement = statement.order_by(column.desc() if order.descending else column.asc())
    return _cut(statement, query)


def _unsorted(query: Query) -> Query:
    """A sort costs, and says nothing where no part is cut out."""
    is_cut = query.skip or query.limit is not None
    return query if is_cut else replace(query, sort=())


def _met(
    statement: sa.Select[Any], source: TableSource, query: Query, conditions: Conditions
) -> sa.Select[Any]:
    keyed = (found.column.is_not(None) for found in _nullable_keys(source))
    after = [] if query.after is None else [_after(sorted_by(source, query), query.after, conditions)]
    return statement.where(*keyed, *map(conditions.compile, query.where), *after)


def sorted_by(source: TableSource, query: Query) -> tuple[Order, ...]:
    """The whole sort of a list of which parts are asked for: with the key, so that no two rows are alike."""
    named = {order.field for order in query.sort}
    return (*query.sort, *(Order(attribute) for attribute in source.key if attribute not in named))


def _after(sort: Sequence[Order], place: Sequence[Any], conditions: Conditions) -> sa.ColumnElement[Any]:
    """Rows that come after a place, as the database orders what is stored, with the collations of its columns."""
    clauses: list[sa.ColumnElement[Any]] = []
    alike: list[sa.ColumnElement[Any]] = []
    first: list[sa.ColumnElement[Any]] = []
    for order, value in zip(sort, place, strict=True):
        column = sa.type_coerce(conditions.field(order.field).column, sa.types.NullType())
        bound = sa.bindparam(None, value, type_=sa.types.NullType(), unique=True)
        null = column.is_(None)
        beyond: sa.ColumnElement[Any]
        if value is None:  # before all others
            beyond = sa.false() if order.descending else ~null
        elif order.descending:
            beyond = sa.or_(column.op("<", is_comparison=True)(bound), null)
        else:
            beyond = column.op(">", is_comparison=True)(bound)
            if not clauses:
                first = [column.op(">=", is_comparison=True)(bound)]  # by which an index begins there
        clauses.append(sa.and_(*alike, beyond))
        alike.append(column.op("IS", is_comparison=True)(bound))
    return sa.and_(*first, sa.or_(*clauses))


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
