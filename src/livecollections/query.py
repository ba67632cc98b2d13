"""The filter language: a tree of conditions on rows. Each store compiles it; ``matches`` says what it means.

Three rules. A condition is about values of one kind: text is no number, and what is of another kind than a condition
asks about does not meet it, nor does null; so nothing is ever unknown, and ``Not`` is the exact opposite. Null and
what is not there are one. In structures a path goes into objects and into each object of a list, and a condition on
a list holds if it holds for the list or for one of its elements (MongoDB's rules).

Numbers are compared by their exact values, text by its code points, times as instants (without an offset: UTC).

This module knows no database, no names of documents and no JSON: fields are the model's attributes, values the
model's own types.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from .change import Row

Path = tuple[str, ...]
Comparison = Literal["<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Equal:
    """The field has this value; None means that it is null. path: into its structure."""

    field: str
    value: Any
    path: Path = ()


@dataclass(frozen=True, slots=True)
class In:
    """The field has one of these values."""

    field: str
    values: tuple[Any, ...]
    path: Path = ()
    _scalars: frozenset[Any] = dataclasses.field(init=False, repr=False, compare=False)
    _others: tuple[Any, ...] = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        scalars = [each for each in self.values if _is_hashable(each)]
        object.__setattr__(self, "_scalars", frozenset(map(_identity, scalars)))
        object.__setattr__(self, "_others", tuple(each for each in self.values if not _is_hashable(each)))

    def has(self, value: Any) -> bool:
        """Whether a value is equal to one of these."""
        if _is_hashable(value):
            return _identity(value) in self._scalars
        return any(equal(value, each) for each in self._others)


@dataclass(frozen=True, slots=True)
class Compare:
    """The field's value is of the kind of ``value``, and comes before or after it."""

    field: str
    operator: Comparison
    value: Any
    path: Path = ()


@dataclass(frozen=True, slots=True)
class Text:
    """The field is text that has ``text`` in it. starts, ends: at its start, at its end; both: it is all of it.
    any_case: A to Z are as a to z."""

    field: str
    text: str
    starts: bool = False
    ends: bool = False
    any_case: bool = False
    path: Path = ()


@dataclass(frozen=True, slots=True)
class Size:
    """The field is a list of so many elements."""

    field: str
    count: int
    path: Path = ()


@dataclass(frozen=True, slots=True)
class Some:
    """The field is a list, of which one element meets a condition, whose fields are called ""."""

    field: str
    condition: Condition
    path: Path = ()


@dataclass(frozen=True, slots=True)
class And:
    """Each of them holds."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of them holds."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """It does not hold."""

    condition: Condition


Leaf = Equal | In | Compare | Text | Size | Some
Condition = Leaf | And | Or | Not
Look = Callable[[], None]
"""Raises what ends a judgement that takes too long."""


@dataclass(frozen=True, slots=True)
class Order:
    """One step of a sort."""

    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """What a list is asked for: rows that meet every condition of ``where``, sorted, skipped, limited.

    after: begin after the row that holds these values in the fields of the sort, as its store has them.
    """

    where: tuple[Condition, ...] = ()
    sort: tuple[Order, ...] = ()
    skip: int = 0
    limit: int | None = None
    after: tuple[Any, ...] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the list is the whole of its channel (its order does not matter)."""
        return not self.where and not self.skip and self.limit is None and self.after is None


def matches(row: Row, query: Query) -> bool:
    """Whether a row meets every condition of a query."""
    return all(meets(row, condition) for condition in query.where)


def meets(row: Row, condition: Condition, look: Look | None = None) -> bool:
    """Whether a row meets a condition. look: as of ``holds``."""
    if isinstance(condition, And):
        return all(meets(row, each, look) for each in condition.conditions)
    if isinstance(condition, Or):
        return any(meets(row, each, look) for each in condition.conditions)
    if isinstance(condition, Not):
        return not meets(row, condition.condition, look)
    if look is not None:
        look()
    return holds(condition, row.get(condition.field), look)


def holds(condition: Leaf, value: Any, look: Look | None = None) -> bool:
    """Whether a condition holds for a field with this value.

    look: called before each condition on an element, of which there may be as many as the value has times those of the
    filter; what it raises ends this.
    """
    if not condition.path and type(value) is not list:
        return _column_holds(condition, value)
    test = _TESTS[type(condition)]
    found = values_at(value, condition.path)
    if isinstance(condition, Some):
        return any(_has_some(condition, each, look) for each in found)
    if isinstance(condition, Size):
        return any(test(condition, each) for each in found)
    return any(test(condition, each) for one in found for each in _itself_and_elements(one))


def _column_holds(condition: Leaf, value: Any) -> bool:
    """The same for a value that is no structure: there true and false are 1 and 0, as columns have them."""
    if isinstance(condition, Equal):
        return equal(_number(value), _number(condition.value))
    if isinstance(condition, In):
        number = _number(value)
        return condition.has(number) or (
            kind(number) == "number" and number in (0, 1) and condition.has(number == 1)
        )
    return _TESTS[type(condition)](condition, _number(value))


def values_at(value: Any, path: Sequence[str]) -> Iterator[Any]:
    """What stands at a path of a structure, in each object of the lists on the way; None where there is nothing."""
    if not path:
        yield value
    elif type(value) is dict:
        yield from values_at(value.get(path[0]), path[1:])
    elif type(value) is list:
        if (index := _index(path[0])) < len(value):
            yield from values_at(value[index], path[1:])
        for each in value:
            if type(each) is dict:
                yield from values_at(each, path)
    else:
        yield None


def equal(one: Any, other: Any) -> bool:
    """Whether two values are the same value of the same kind."""
    if kind(one) != kind(other):
        return False
    if type(one) is dict:
        return one.keys() == other.keys() and all(equal(each, other[name]) for name, each in one.items())
    if type(one) is list:
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(instant(one) == instant(other))


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _identity(value: Any) -> Any:
    """What is the same of values that are ``equal``, and hashable."""
    return kind(value), instant(value)


def kind(value: Any) -> Any:
    """What a value is compared with: values of the same kind."""
    if type(value) is time and value.tzinfo is not None:
        return "a time of a place"  # on a day that nobody knows
    return _KINDS.get(type(value), type(value))


def instant(value: Any) -> Any:
    """A time with an offset as one without, in UTC; anything else as it is."""
    if type(value) is datetime and value.tzinfo is not None:
        try:
            return value.astimezone(UTC).replace(tzinfo=None)
        except OverflowError:  # within hours of the first or the last day that there is
            return value.replace(tzinfo=None)
    return value


_KINDS = {int: "number", float: "number", Decimal: "number"}
ORDERED = frozenset({"number", str, datetime, date, time})
"""The kinds that have a before and an after."""
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_LOWER = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


def _itself_and_elements(value: Any) -> Iterator[Any]:
    yield value
    if type(value) is list:
        yield from value


def _index(step: str) -> int:
    return int(step) if step.isascii() and step.isdigit() and len(step) < 10 else 10**10


def _number(value: Any) -> Any:
    return int(value) if type(value) is bool else value


def _equals(condition: Equal, value: Any) -> bool:
    return equal(value, condition.value)


def _is_in(condition: In, value: Any) -> bool:
    return condition.has(value)


def _compares(condition: Compare, value: Any) -> bool:
    asked = condition.value
    if kind(value) != kind(asked) or kind(value) not in ORDERED:
        return False
    try:
        return _OPERATORS[condition.operator](instant(value), instant(asked))
    except InvalidOperation:  # a decimal that is no number
        return False


def _has_text(condition: Text, value: Any) -> bool:
    if type(value) is not str:
        return False
    text = condition.text
    if condition.any_case:
        value, text = value.translate(_LOWER), text.translate(_LOWER)
    if condition.starts and condition.ends:
        return bool(value == text)
    if condition.starts or condition.ends:
        return bool(value.startswith(text) if condition.starts else value.endswith(text))
    return text in value


def _has_size(condition: Size, value: Any) -> bool:
    return type(value) is list and len(value) == condition.count


def _has_some(condition: Some, value: Any, look: Look | None = None) -> bool:
    return type(value) is list and any(meets({"": each}, condition.condition, look) for each in value)


_TESTS: dict[type, Callable[[Any, Any], bool]] = {
    Equal: _equals,
    In: _is_in,
    Compare: _compares,
    Text: _has_text,
    Size: _has_size,
    Some: _has_some,
}
