"""Queries as SQL: what each of them selects, which rows, in which order.

The conditions are compiled by a dialect's ``Conditions``. This module knows no connection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import Dialect

from ..query import Order, Query
from .sql import Field, TableSource
from .sql_conditions import Clause, Conditions, Predicate

PARTED = 2
"""Fields of a sort by which what follows a place is parted. Each part is a search in an index, or a reading of the
table where there is none: so there are not more."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text, its positional values, and what ``live_holds`` calls in it, by number."""

    text: str
    values: Sequence[Any] = ()
    predicates: Sequence[Predicate] = ()


def select_rows(conditions: Conditions, query: Query, dialect: Dialect) -> Statement:
    """The rows of a query. Raises MalformedRequest for a field that the source does not show."""
    shown = conditions.source.shown
    if query.after is None or not conditions.merges:
        return _compiled(_selected(shown, query, conditions), conditions, dialect)
    return _compiled(_following(shown, query, query.after, conditions), conditions, dialect)


def select_count(conditions: Conditions, query: Query, dialect: Dialect) -> Statement:
    """How many rows a query has. Raises MalformedRequest as above."""
    rows = _selected([], _unsorted(query), conditions).subquery()
    return _compiled(sa.select(sa.func.count()).select_from(rows), conditions, dialect)


def select_distinct(conditions: Conditions, attribute: str, query: Query, dialect: Dialect) -> Statement:
    """The values of a field in the rows of a query. Raises MalformedRequest as above."""
    rows = _selected([conditions.field(attribute)], _unsorted(query), conditions).subquery()
    return _compiled(sa.select(*rows.columns).distinct(), conditions, dialect)


def _selected(fields: Sequence[Field], query: Query, conditions: Conditions) -> Any:
    """fields: none of them where it only matters that there is a row."""
    sort = sorted_by(conditions.source, query)
    after = [] if query.after is None else _after(sort, query.after, conditions)
    columns = list(map(conditions.read, fields)) or [sa.literal_column("1")]
    statement = sa.select(*columns).select_from(conditions.source.table).where(*_wanted(query, conditions))
    if query.after is not None:
        statement = statement.where(*conditions.begins(sort[0], query.after[0]), sa.or_(*after))
    if query.sort or query.skip or query.limit is not None:
        statement = statement.order_by(*map(conditions.ordered, sort))
    return _cut(statement, query)


def _following(fields: Sequence[Field], query: Query, place: Sequence[Any], conditions: Conditions) -> Any:
    """The rows of a query from its place on: in parts, of which each begins where an index leads, merged in order."""
    sort, wanted = sorted_by(conditions.source, query), _wanted(query, conditions)
    columns = list(map(conditions.read, fields))
    parts = [
        sa.select(*columns).select_from(conditions.source.table).where(part, *wanted)
        for part in _after(sort, place, conditions)
    ]
    attributes = [found.attribute for found in fields]
    whole: Any = sa.union_all(*parts)
    for order in sort:
        column: Clause = sa.literal_column(str(attributes.index(order.field) + 1))
        whole = whole.order_by(column.desc() if order.descending else column.asc())
    return _cut(whole, query)


def _unsorted(query: Query) -> Query:
    """A sort costs, and says nothing where no part is cut out."""
    is_cut = query.skip or query.limit is not None
    return query if is_cut or query.after is not None else replace(query, sort=())


def _wanted(query: Query, conditions: Conditions) -> list[Clause]:
    keyed = [found.column.is_not(None) for found in _nullable_keys(conditions.source)]
    return [*keyed, *conditions.where(query.where)]


def sorted_by(source: TableSource, query: Query) -> tuple[Order, ...]:
    """The whole sort of a list of which parts are asked for: with the key, so that no two rows are alike."""
    named = {order.field for order in query.sort}
    return (*query.sort, *(Order(attribute) for attribute in source.key if attribute not in named))


def _after(
    sort: Sequence[Order], place: Sequence[Any], conditions: Conditions, levels: int = PARTED
) -> list[Clause]:
    """Rows that come after a place, as the database orders what is stored, with the collations of its columns: in
    parts that have no row in common, one at least."""
    (order, *others), (value, *places) = sort, place
    found = conditions.field(order.field)
    column, bound = conditions.stored(found), conditions.placed(found, value)
    null = column.is_(None)
    if value is None:  # before all others
        alike, beyond = null, [] if order.descending else [column.is_not(None)]
    else:
        alike = column.op("=", is_comparison=True)(bound)
        beyond = [column.op("<" if order.descending else ">", is_comparison=True)(bound)]
        if order.descending and order.field not in conditions.source.key:
            beyond.append(null)
    further = _after(others, places, conditions, levels - 1) if others else []
    if levels <= 1 and further:
        further = [sa.or_(*further)]
    return [*(sa.and_(alike, each) for each in further), *beyond] or [sa.false()]


def _cut(statement: Any, query: Query) -> Any:
    if query.skip:
        statement = statement.offset(query.skip)
    return statement if query.limit is None else statement.limit(query.limit)


def _compiled(statement: Any, conditions: Conditions, dialect: Dialect) -> Statement:
    compiled = statement.compile(dialect=dialect)
    values = [compiled.params[name] for name in compiled.positiontup or ()]
    return Statement(str(compiled), values, tuple(conditions.predicates))


def _nullable_keys(source: TableSource) -> Iterable[Field]:
    # A row whose key is NULL (SQLite allows it) can't be addressed: it is no document.
    return [found for found in source.key_fields if len(source.key) > 1 or not _is_integer(found)]


def _is_integer(found: Field) -> bool:
    return isinstance(found.column.type, sa.Integer)
