"""Conditions as MongoDB's own filters.

Three rules. A condition becomes two filters: what surely meets it, and what may; Python judges what is between
(``query.meets``), so that a list is what the filter language says, whoever stored what. Where the two are one,
the server does everything. ``Not`` is the opposite of both.

MongoDB's operators are the language's own but for these: true is no 1, equality of objects heeds the order of their
members, "i" folds more than A to Z, and what is stored for a type of Python's is not its value.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from math import inf, nextafter
from typing import Any
from uuid import UUID

from bson.objectid import ObjectId

from ..errors import MalformedRequest
from ..query import And, Compare, Comparison, Condition, Equal, In, Leaf, Not, Or, Size, Text, kind
from .mongo_models import DocumentSource, Field
from .mongo_values import LARGEST_INTEGER

Filter = dict[str, Any]
ALL: Filter = {}
NONE: Filter = {"$nor": [{}]}
LONGEST = 5_000
"""Characters of a text that a pattern is made of; PCRE takes 32,764 bytes."""
_OPERATORS: dict[Comparison, str] = {"<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What surely meets a condition, and what may."""

    surely: Filter
    maybe: Filter

    @property
    def is_exact(self) -> bool:
        """Whether nothing is left to be judged."""
        return self.surely == self.maybe


def compile_all(source: DocumentSource, conditions: Iterable[Condition]) -> Bounds:
    """Conditions that must all hold. Raises MalformedRequest for a field that the source does not show."""
    return _compiled(source, And(tuple(conditions)))


def field_of(source: DocumentSource, attribute: str) -> Field:
    """A field that the source shows. Raises MalformedRequest."""
    if not any(column.attribute == attribute for column in source.columns):
        raise MalformedRequest(f"{attribute!r} is not a field of this list")
    return source.fields[attribute]


def _compiled(source: DocumentSource, condition: Condition) -> Bounds:
    if isinstance(condition, And):
        parts = [_compiled(source, each) for each in condition.conditions]
        return Bounds(_all(each.surely for each in parts), _all(each.maybe for each in parts))
    if isinstance(condition, Or):
        parts = [_compiled(source, each) for each in condition.conditions]
        return Bounds(_any(each.surely for each in parts), _any(each.maybe for each in parts))
    if isinstance(condition, Not):
        inner = _compiled(source, condition.condition)
        return Bounds(_not(inner.maybe), _not(inner.surely))
    found = field_of(source, condition.field)
    return _leaf(found, condition)


def _all(parts: Iterable[Filter]) -> Filter:
    kept = [part for part in parts if part != ALL]
    if NONE in kept:
        return NONE
    return ALL if not kept else kept[0] if len(kept) == 1 else {"$and": kept}


def _any(parts: Iterable[Filter]) -> Filter:
    kept = [part for part in parts if part != NONE]
    if ALL in kept:
        return ALL
    return NONE if not kept else kept[0] if len(kept) == 1 else {"$or": kept}


def _not(part: Filter) -> Filter:
    return NONE if part == ALL else ALL if part == NONE else {"$nor": [part]}


def _exactly(part: Filter) -> Bounds:
    return Bounds(part, part)


def _judged(maybe: Filter = ALL) -> Bounds:
    return Bounds(NONE, maybe)


# --- leaves -------------------------------------------------------------------------------------------------


def _leaf(found: Field, condition: Leaf) -> Bounds:
    name = ".".join((found.name, *condition.path))
    if not found.codec.is_plain or condition.path:
        return _judged(_wide(found, name, condition))
    if isinstance(condition, Equal):
        return _equal(name, condition.value)
    if isinstance(condition, In):
        return _among(name, condition.values)
    if isinstance(condition, Compare):
        return _compare(name, condition.operator, condition.value)
    if isinstance(condition, Text):
        return _text(name, condition)
    if isinstance(condition, Size):
        return _exactly({name: {"$size": condition.count}})
    return _judged({name: {"$type": "array"}})


def _wide(found: Field, name: str, condition: Leaf) -> Filter:
    """What may meet a condition on a field of whose values the database has another form."""
    if condition.path:
        return ALL
    if isinstance(condition, Equal | In):
        values = condition.values if isinstance(condition, In) else (condition.value,)
        return _any(_stored_as(found, name, value) for value in values)
    return ALL


def _stored_as(found: Field, name: str, value: Any) -> Filter:
    if value is None:
        return {name: None}
    if found.kind is Decimal and type(value) in (Decimal, int, float):
        return _near(name, value)
    try:
        stored = found.codec.encode(value)
    except (TypeError, ValueError, ArithmeticError):
        return ALL
    return ALL if isinstance(stored, dict | list) else {name: {"$eq": stored}}


def _near(name: str, value: Decimal | float) -> Filter:
    """Numbers about this one, whatever their types."""
    try:
        number = float(value)
    except OverflowError:
        return ALL
    around = {name: {"$gte": nextafter(number, -inf), "$lte": nextafter(number, inf)}}
    return {"$or": [around, {name: {"$type": "bool"}}]}


def _equal(name: str, value: Any) -> Bounds:
    if value is None:
        return _exactly({name: None})
    if type(value) in (bool, int, float) and value in (0, 1):
        return _either(name, value)
    if type(value) in (str, bytes, UUID, ObjectId) or _is_number(value):
        return _exactly({name: {"$eq": value}}) if _is_encodable(value) else _exactly(NONE)
    if isinstance(value, datetime):
        moment = _moment(value)
        return _exactly(NONE if moment is None or moment.microsecond % 1000 else {name: {"$eq": moment}})
    return _judged()


def _either(name: str, value: Any) -> Bounds:
    """0 and false, 1 and true: one value where they stand by themselves, two within lists."""
    other = int(value) if type(value) is bool else bool(value)
    alone = {"$and": [{name: {"$eq": other}}, {name: {"$not": {"$type": "array"}}}]}
    return _exactly({"$or": [{name: {"$eq": value}}, alone]})


def _among(name: str, values: Iterable[Any]) -> Bounds:
    simple: list[Any] = []
    parts = []
    for value in values:
        bounds = _equal(name, value)
        operand = bounds.maybe.get(name, inf) if bounds.is_exact else inf
        if operand is None:
            simple.append(None)
        elif isinstance(operand, dict) and operand.keys() == {"$eq"}:
            simple.append(operand["$eq"])
        else:
            parts.append(bounds)
    if simple:
        parts.append(_exactly({name: {"$in": simple}}))
    return Bounds(_any(each.surely for each in parts), _any(each.maybe for each in parts))


def _compare(name: str, operator: Comparison, value: Any) -> Bounds:
    if type(value) is str:
        return _exactly({name: {_OPERATORS[operator]: value}}) if _is_encodable(value) else _judged()
    if _is_number(value):
        booleans = [flag for flag in (False, True) if _is_so(int(flag), operator, value)]
        alone = {"$and": [{name: {"$in": booleans}}, {name: {"$not": {"$type": "array"}}}]}
        return _exactly(_any([{name: {_OPERATORS[operator]: value}}, *([alone] if booleans else [])]))
    if isinstance(value, datetime) and kind(value) is datetime:
        moment = _moment(value)
        if moment is None:
            return _judged({name: {"$type": ["date", "array"]}})
        if moment.microsecond % 1000:
            moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
            operator = "<=" if operator in ("<", "<=") else ">"
        return _exactly({name: {_OPERATORS[operator]: moment}})
    return _judged()


def _is_so(one: int, operator: Comparison, other: Any) -> bool:
    return bool({"<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}[operator])


def _is_number(value: Any) -> bool:
    """Whether it is a number that BSON has."""
    if type(value) is int:
        return -LARGEST_INTEGER - 1 <= value <= LARGEST_INTEGER
    return type(value) is float and value - value == 0


def _is_encodable(value: Any) -> bool:
    if type(value) is not str:
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _moment(value: datetime) -> datetime | None:
    """In UTC; None within hours of the first or the last day that there is."""
    if value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return None


def _text(name: str, condition: Text) -> Bounds:
    text = condition.text
    if not _is_encodable(text):
        return _exactly(NONE)
    if condition.starts and condition.ends and not condition.any_case:
        return _exactly({name: {"$eq": text}})
    if len(text) > LONGEST:
        return _judged({name: {"$type": ["string", "array"]}})
    pattern = "".join(_letter(letter, condition.any_case) for letter in text)
    start = "^" if condition.starts else ""
    # The end of the text, which "$" also finds before a last line feed.
    end = r"(?![\s\S])" if condition.ends else ""
    return _exactly({name: {"$regex": f"{start}{pattern}{end}"}})


def _letter(letter: str, any_case: bool) -> str:
    if letter == "\0":
        return r"\x00"
    if not letter.isascii():
        return letter
    if letter.isalpha():
        return f"[{letter.lower()}{letter.upper()}]" if any_case else letter
    return letter if letter.isalnum() or letter.isspace() else f"\\{letter}"


__all__ = ["Bounds", "compile_all", "field_of"]
