"""The filter language: what a list may be asked for. Each store compiles the same tree.

In a URL: ``sort=-created,title``, ``skip=20``, ``limit=10``, and ``field=value`` for each condition, all of which
must hold. Values are read by the types of the model; ``null`` asks for null where it is no value of the type.

This module knows no database: fields are the model's attributes, values are the model's own types.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .change import Row
from .errors import MalformedRequest
from .field import Field
from .portable import same
from .resource import Resource

_COUNT = re.compile(r"[0-9]{1,15}")
_CACHE_BUSTER = "_"
"""jQuery's ``cache: false`` adds it; it says nothing."""


@dataclass(frozen=True, slots=True)
class Equal:
    """``field = value``; None means that the field is null."""

    field: str
    value: Any


@dataclass(frozen=True, slots=True)
class Order:
    """One step of a sort."""

    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """What a list is asked for: rows that meet every condition of ``where``, sorted, skipped, limited."""

    where: tuple[Equal, ...] = ()
    sort: tuple[Order, ...] = ()
    skip: int = 0
    limit: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the list is the whole of its channel (its order does not matter)."""
        return not self.where and not self.skip and self.limit is None


def parse(resource: Resource, parameters: Iterable[tuple[str, str]]) -> Query:
    """What the query string of a list asks for. Ties of the sort are broken by the key, so that pages are stable.

    Raises MalformedRequest that names the parameter.
    """
    asked: dict[str, str] = {}
    for name, value in parameters:
        if name in asked:
            raise MalformedRequest(f"{name}: is given twice")
        if name != _CACHE_BUSTER:
            asked[name] = value
    sort, skip, limit = asked.pop("sort", resource.sort), asked.pop("skip", "0"), asked.pop("limit", None)
    return Query(
        where=tuple(_equal(resource, name, value) for name, value in asked.items()),
        sort=_sort(resource, sort),
        skip=_count("skip", skip),
        limit=None if limit is None else _limit(resource, limit),
    )


def matches(row: Row, query: Query) -> bool:
    """Whether a row meets every condition of a query."""
    return all(_holds(row.get(condition.field), condition.value) for condition in query.where)


def _holds(stored: Any, value: Any) -> bool:
    if isinstance(stored, int | float) and isinstance(value, int | float):
        return stored == value  # databases compare numbers by value, whatever their type
    return same(stored, value)


def _equal(resource: Resource, name: str, text: str) -> Equal:
    field = resource.fields.get(name)
    if field is None:
        raise MalformedRequest(f"{name}: {resource.path} has no such field or parameter")
    if field.parse is None:
        raise MalformedRequest(f"{name}: lists can't be filtered by this field")
    return Equal(field.attribute, _value(field, text))


def _value(field: Field, text: str) -> Any:
    assert field.parse is not None, "checked by the caller"
    try:
        return field.parse(text)
    except ValueError:
        if text == "null" and field.column.nullable:
            return None
        raise MalformedRequest(f"{field.name}: this is not a value of the field's type") from None


def _sort(resource: Resource, text: str) -> tuple[Order, ...]:
    steps = []
    for step in filter(None, text.split(",")):
        field = resource.fields.get(step.removeprefix("-"))
        if field is None:
            raise MalformedRequest(f"sort: {resource.path} has no field {step.removeprefix('-')!r}")
        steps.append(Order(field.attribute, step.startswith("-")))
    named = {step.field for step in steps}
    return (*steps, *(Order(attribute) for attribute in resource.source.key if attribute not in named))


def _count(name: str, text: str) -> int:
    if not _COUNT.fullmatch(text):
        raise MalformedRequest(f"{name}: a whole number, 0 or more, is needed")
    return int(text)


def _limit(resource: Resource, text: str) -> int:
    limit = _count("limit", text)
    if resource.limit is not None and limit > resource.limit:
        raise MalformedRequest(f"limit: {resource.limit} is the most that one answer holds here")
    return limit
