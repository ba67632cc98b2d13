"""Conditions as SQL: what joins them, whatever the database. Each dialect says its leaves, and how columns are told.

Two rules. A statement selects exactly the rows of which ``query.meets`` says so. Each part is true or false, never
NULL, so that NOT is its opposite.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa

from ..errors import MalformedRequest
from ..query import And, Condition, Leaf, Look, Not, Or, Order
from .sql import Field, TableSource

Predicate = Callable[[Any, Look], bool]
Clause = sa.ColumnElement[Any]


class Conditions(ABC):
    """Compiles the conditions of one statement.

    predicates: what the statement calls in Python, by number.  rest: conditions that whoever reads its rows has to
    judge, and then to skip and to count.  merges: parts of a list are merged by what is read of them.
    """

    merges = True

    def __init__(self, source: TableSource) -> None:
        self.source = source
        self.predicates: list[Predicate] = []
        self.rest: list[Condition] = []
        self._shown = {column.attribute for column in source.columns}

    def field(self, attribute: str) -> Field:
        """A field that the source shows. Raises MalformedRequest."""
        if attribute not in self._shown:
            raise MalformedRequest(f"{attribute!r} is not a field of this list")
        return self.source.fields[attribute]

    def where(self, conditions: Iterable[Condition]) -> list[Clause]:
        """What a row has to meet. Raises MalformedRequest for a field that the source does not show."""
        return [self.compile(condition) for condition in conditions]

    def compile(self, condition: Condition) -> Clause:
        """A condition. Raises MalformedRequest as above."""
        if isinstance(condition, And):
            return sa.and_(sa.true(), *map(self.compile, condition.conditions))
        if isinstance(condition, Or):
            return sa.or_(sa.false(), *map(self.compile, condition.conditions))
        if isinstance(condition, Not):
            return sa.not_(self.compile(condition.condition))
        return self.leaf(self.field(condition.field), condition)

    @abstractmethod
    def leaf(self, found: Field, condition: Leaf) -> Clause:
        """What a field has to meet."""

    def read(self, found: Field) -> Clause:
        """A column as it is read."""
        return found.column

    def ordered(self, order: Order) -> Clause:
        """One step of a sort. Raises MalformedRequest as above."""
        column = self.field(order.field).column
        return column.desc() if order.descending else column.asc()

    def begins(self, order: Order, value: Any) -> list[Clause]:
        """What is true of every row after a place, whose value of the first sort this is: where an index begins."""
        return []

    @abstractmethod
    def stored(self, found: Field) -> Clause:
        """A column as rows are sorted by it."""

    @abstractmethod
    def placed(self, found: Field, value: Any) -> Clause:
        """A value of that column, as it was read."""
