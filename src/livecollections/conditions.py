"""Conditions: MongoDB's filters, read from JSON or from a query string into the tree of ``query``.

Three rules. Fields are those that the resource shows, and operators those that a field's type has (fewer, where the
resource says so); values are read by the model's types. What a filter may cost is bounded before anything is asked
of the database. Whatever is wrong is told by a JSON pointer into the filter.

There is no way from here to code or to patterns that take long: ``$where``, ``$expr`` and regular expressions that are
more than a literal text are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import Any

from .errors import MalformedRequest
from .field import FILTERS, LARGEST_INTEGER, ORDER, Field, is_json
from .input import pointer
from .portable import SAFE_INTEGER
from .query import ORDERED, And, Compare, Condition, Equal, In, Not, Or, Path, Size, Some, Text, kind
from .resource import Resource

DEEPEST = 8
"""Levels of nesting that a filter may have."""
MOST_CONDITIONS = 100
"""Conditions that it may have in all."""
MOST_VALUES = 1000
"""Values that it may name in all."""
LONGEST_PATH = 8
"""Steps into a structure."""
LONGEST_VALUE = 500
"""Characters of a value that is no text."""

_LOGIC = ("$and", "$or", "$nor")
_META = frozenset(".^$*+?()[]{}|\\")
_SHOWN_INTEGER = re.compile(r"-?[1-9][0-9]{15,40}")
_STEP = re.compile(r"[^$\x00][^\x00]{0,99}")


def read_conditions(resource: Resource, tree: Any, parameter: str = "conditions") -> tuple[Condition, ...]:
    """The conditions of a filter, all of which must hold. Raises MalformedRequest with a pointer into the filter."""
    return tuple(_Reader(resource, parameter).filter(tree, ()))


def refusal(parameter: str, at: Iterable[Any], detail: str) -> MalformedRequest:
    """The refusal of a part of a parameter. at: the way to it."""
    return MalformedRequest(
        f"{parameter}: {detail}", [{"parameter": parameter, "pointer": pointer(at), "detail": detail}]
    )


At = tuple[Any, ...]


class _Reader:
    """Reads one filter, and counts what it costs. ``element`` below: of which list's elements conditions are."""

    def __init__(self, resource: Resource, parameter: str) -> None:
        self._resource = resource
        self._parameter = parameter
        self._conditions = 0
        self._values = 0

    def filter(self, tree: Any, at: At, depth: int = 1, element: Field | None = None) -> list[Condition]:
        self._check_depth(at, depth)
        if type(tree) is not dict:
            raise self._refusal(at, "an object is needed: fields, and what is asked of them")
        found: list[Condition] = []
        for name, operand in tree.items():
            here = (*at, name)
            if name in _LOGIC:
                found.append(self._joined(name, operand, here, depth, element))
            elif name.startswith("$"):
                raise self._refusal(here, "there is no such operator here")
            else:
                field, path = self._field(name, here, element)
                found += self._of_field(field, path, operand, here, depth)
        return found

    def _joined(self, name: str, operand: Any, at: At, depth: int, element: Field | None) -> Condition:
        if type(operand) is not list or not operand:
            raise self._refusal(at, "a list of filters is needed, with one at least")
        parts = tuple(
            And(tuple(self.filter(each, (*at, number), depth + 1, element)))
            for number, each in enumerate(operand)
        )
        return And(parts) if name == "$and" else Or(parts) if name == "$or" else Not(Or(parts))

    def _field(self, name: str, at: At, element: Field | None) -> tuple[Field, Path]:
        try:
            if element is None:
                return field_at(self._resource, name)
            return element, _checked(element, tuple(name.split(".")))
        except ValueError as error:
            raise self._refusal(at, str(error)) from None

    def _of_field(self, field: Field, path: Path, operand: Any, at: At, depth: int) -> list[Condition]:
        if type(operand) is dict and (not is_json(field.type) or _has_operators(operand)):
            return self._asked(field, path, operand, at, depth)
        return [self._operator(field, path, "$eq", operand, at, depth)]

    def _asked(self, field: Field, path: Path, asked: Any, at: At, depth: int) -> list[Condition]:
        self._check_depth(at, depth)
        if type(asked) is not dict or not asked:
            raise self._refusal(at, "an operator is needed, such as $gt")
        if "$regex" in asked:
            options = asked.get("$options", "")
            if options not in ("", "i"):
                raise self._refusal((*at, "$options"), "i is the only option")
            asked = {name: each for name, each in asked.items() if name != "$options"}
            asked["$regex"] = (asked["$regex"], options)
        return [
            self._operator(field, path, name, operand, (*at, name), depth) for name, operand in asked.items()
        ]

    def _operator(self, field: Field, path: Path, name: str, operand: Any, at: At, depth: int) -> Condition:
        if name not in FILTERS:
            raise self._refusal(at, "there is no such operator here")
        if name not in field.filters:
            raise self._refusal(at, "this field can't be asked so")
        self._conditions += 1
        if self._conditions > MOST_CONDITIONS:
            raise self._refusal(at, f"a filter has at most {MOST_CONDITIONS} conditions")
        attribute = field.attribute
        if name in ("$eq", "$ne"):
            equal = _equal(field, self._value(field, path, operand, at), path)
            return equal if name == "$eq" else Not(equal)
        if name in ("$in", "$nin"):
            values = self._list(field, path, operand, at)
            among = In(attribute, tuple(each for value in values for each in _meant(field, value)), path)
            return among if name == "$in" else Not(among)
        if name in ORDER:
            return Compare(attribute, ORDER[name], self._ordered(field, path, operand, at), path)
        if name == "$regex":
            return self._text(field, path, operand, at)
        if name == "$exists":
            null = Equal(attribute, None, path)
            return Not(null) if self._flag(operand, at) else null
        if name == "$not":
            return Not(And(tuple(self._asked(field, path, operand, at, depth + 1))))
        if name == "$all":
            values = self._list(field, path, operand, at)
            return And(tuple(_equal(field, value, path) for value in values)) if values else Or(())
        if name == "$size":
            return Size(attribute, self._size(operand, at), path)
        return Some(attribute, And(tuple(self._of_element(field, operand, at, depth + 1))), path)

    def _of_element(self, field: Field, operand: Any, at: At, depth: int) -> list[Condition]:
        element = replace(field, name="", column=replace(field.column, attribute=""), type=Any)
        if _has_operators(operand) and not any(name in _LOGIC for name in operand):
            return self._asked(element, (), operand, at, depth)
        return self.filter(operand, at, depth, element)

    # Operands

    def _list(self, field: Field, path: Path, operand: Any, at: At) -> tuple[Any, ...]:
        if type(operand) is not list:
            raise self._refusal(at, "a list of values is needed")
        return tuple(self._value(field, path, each, (*at, number)) for number, each in enumerate(operand))

    def _value(self, field: Field, path: Path, value: Any, at: At) -> Any:
        self._count_value(at)
        if value is None:
            return None
        if is_json(field.type):
            self._check_structure(value, at)
            return value
        try:
            return value_of(field, value)
        except ValueError:
            raise self._refusal(at, "this is not a value of the field's type") from None

    def _ordered(self, field: Field, path: Path, operand: Any, at: At) -> Any:
        value = self._value(field, path, operand, at)
        if kind(value) not in ORDERED:
            raise self._refusal(at, "a value that has a before and an after is needed")
        return value

    def _text(self, field: Field, path: Path, asked: tuple[Any, str], at: At) -> Text:
        self._count_value(at)
        pattern, options = asked
        if type(pattern) is not str:
            raise self._refusal(at, "a text is needed")
        starts = pattern.startswith("^")
        ends = pattern.endswith("$") and not _is_escaped(pattern, len(pattern) - 1)
        literal = _literal(pattern[starts : len(pattern) - ends])
        if literal is None:
            detail = (
                "only a literal text is accepted, with ^ before it, $ after it, and \\ before .*+?()[]{}|^$\\"
            )
            raise self._refusal(at, detail)
        return Text(field.attribute, literal, starts, ends, options == "i", path)

    def _flag(self, operand: Any, at: At) -> bool:
        if type(operand) is not bool and operand not in ("true", "false"):
            raise self._refusal(at, "true or false is needed")
        return operand in (True, "true")

    def _size(self, operand: Any, at: At) -> int:
        text = str(operand)
        if type(operand) not in (int, str) or not (text.isascii() and text.isdigit() and len(text) < 10):
            raise self._refusal(at, "a whole number, 0 or more, is needed")
        return int(text)

    # Limits

    def _check_structure(self, value: Any, at: At, depth: int = 1) -> None:
        if type(value) in (dict, list):
            self._check_depth(at, depth)
            for name, each in value.items() if type(value) is dict else enumerate(value):
                self._count_value((*at, name))
                self._check_structure(each, (*at, name), depth + 1)
        elif type(value) in (int, float) and not _is_in_range(value):
            raise self._refusal(at, "this number is beyond what can be stored")

    def _check_depth(self, at: At, depth: int) -> None:
        if depth > DEEPEST:
            raise self._refusal(at, f"this is nested deeper than {DEEPEST} levels")

    def _count_value(self, at: At) -> None:
        self._values += 1
        if self._values > MOST_VALUES:
            raise self._refusal(at, f"a filter names at most {MOST_VALUES} values")

    def _refusal(self, at: At, detail: str) -> MalformedRequest:
        return refusal(self._parameter, at, detail)


def field_at(resource: Resource, name: str) -> tuple[Field, Path]:
    """The field that a name means, and the path into it. Raises ValueError, which says what is wrong."""
    head, *rest = (name,) if name in resource.fields else name.split(".")
    field = resource.fields.get(head)
    if field is None:
        raise ValueError(f"{resource.path} has no such field")
    if not field.filters:
        raise ValueError("lists can't be filtered by this field")
    return field, _checked(field, tuple(rest))


def _checked(field: Field, path: Path) -> Path:
    if path and not is_json(field.type):
        raise ValueError("this field has no structure to go into")
    if len(path) > LONGEST_PATH or not all(map(_STEP.fullmatch, path)):
        raise ValueError(f"this is no path of at most {LONGEST_PATH} steps")
    return path


def _equal(field: Field, value: Any, path: Path) -> Equal | In:
    meant = _meant(field, value)
    return Equal(field.attribute, value, path) if len(meant) == 1 else In(field.attribute, meant, path)


def _meant(field: Field, value: Any) -> tuple[Any, ...]:
    """What a value in a structure may mean: documents show big integers as texts."""
    is_shown = is_json(field.type) and type(value) is str and _SHOWN_INTEGER.fullmatch(value)
    return (value, int(value)) if is_shown and abs(int(value)) > SAFE_INTEGER else (value,)


def value_of(field: Field, value: Any) -> Any:
    """A value of JSON, or the text of one, as the model has it. Raises ValueError."""
    if field.parse is None:
        raise ValueError("values of this field have no text form")
    if type(value) is str:
        return _read(field, value)
    if type(value) is bool:
        return _same_type(value, field.type is bool)
    if field.type in (int, float):
        return _same_type(value, type(value) in (int, float) and _is_in_range(value))
    if field.type is Decimal and type(value) in (int, float):
        return _read(field, repr(value))
    # An enumeration of numbers, perhaps; dates are not read from numbers.
    is_number = type(value) is int and isinstance(field.type, type) and issubclass(field.type, Enum)
    return field.parse(str(_same_type(value, is_number)))


def _read(field: Field, text: str) -> Any:
    assert field.parse is not None, "checked by the caller"
    if field.type is not str and len(text) > LONGEST_VALUE:
        raise ValueError("this is too long")
    try:
        value = field.parse(text)
    except ValueError:
        if text == "null" and field.column.nullable:
            return None
        raise
    return _same_type(value, type(value) is not Decimal or isfinite(float(value)))


def _same_type(value: Any, is_so: bool) -> Any:
    if not is_so:
        raise ValueError("this is of another type")
    return value


def _is_in_range(value: float) -> bool:
    if type(value) is int:
        return -LARGEST_INTEGER - 1 <= value <= LARGEST_INTEGER
    return isfinite(value)


def _has_operators(operand: Any) -> bool:
    return type(operand) is dict and any(name.startswith("$") for name in operand)


def _literal(pattern: str) -> str | None:
    """The text that a pattern means, if it means just one."""
    letters = iter(pattern)
    found = []
    for letter in letters:
        if letter == "\\":
            letter = next(letters, "")
            if letter not in _META:
                return None
        elif letter in _META:
            return None
        found.append(letter)
    return "".join(found)


def _is_escaped(pattern: str, index: int) -> bool:
    before = pattern[:index]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1
