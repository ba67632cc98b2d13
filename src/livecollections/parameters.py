"""Parameters: what a list is asked for, by the names that documents use.

In a URL: ``sort=-created,title``, ``skip=20``, ``limit=10``, ``conditions`` as JSON or as ``conditions[age][$gt]=5``,
and ``field=value``; all of them must hold. Values are read by the types of the model; in a URL ``null`` asks for null
where it is no value of the type.

This module knows no HTTP and no database.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic_core import from_json

from .conditions import DEEPEST, read_conditions, refusal, value_of
from .query import Condition, Equal, Order, Query
from .resource import Resource

_COUNT = re.compile(r"[0-9]{1,15}")
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_DEEPEST = 2 * DEEPEST
"""Brackets one behind the other: a field and an operator are a level."""
_CACHE_BUSTER = "_"
"""jQuery's ``cache: false`` adds it; it says nothing."""


def parse(resource: Resource, parameters: Iterable[tuple[str, str]]) -> Query:
    """What the query string of a list asks for. Ties of the sort are broken by the key, so that pages are stable.

    Raises MalformedRequest that names the parameter.
    """
    brackets: list[tuple[str, str]] = []
    asked: dict[str, str] = {}
    for name, value in parameters:
        if name.startswith("conditions["):
            brackets.append((name, value))
        elif name in asked:
            raise refusal(name, (), "is given twice")
        elif name != _CACHE_BUSTER:
            asked[name] = value
    sort, skip, limit = asked.pop("sort", resource.sort), asked.pop("skip", "0"), asked.pop("limit", None)
    filtered = _filter(resource, asked.pop("conditions", None), brackets)
    return Query(
        where=(*filtered, *(_equal(resource, name, value) for name, value in asked.items())),
        sort=_sort(resource, sort),
        skip=_count("skip", skip),
        limit=None if limit is None else _limit(resource, limit),
    )


def _filter(resource: Resource, text: str | None, brackets: list[tuple[str, str]]) -> tuple[Condition, ...]:
    if text is not None and brackets:
        raise refusal("conditions", (), "this is given both as JSON and in brackets")
    if text is None:
        return read_conditions(resource, nested(brackets)) if brackets else ()
    try:
        tree = from_json(text, allow_inf_nan=False)
    except ValueError:
        raise refusal("conditions", (), "this is not JSON") from None
    return read_conditions(resource, tree)


def nested(parameters: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """What ``conditions[age][$gt]=5`` and its like mean together: numbered members and repeated names are lists.

    Raises MalformedRequest.
    """
    root: dict[str, Any] = {}
    for name, text in parameters:
        steps = _BRACKETS.findall(name)
        if "conditions" + "".join(f"[{step}]" for step in steps) != name or len(steps) > _DEEPEST:
            raise refusal("conditions", (), f"brackets that close, at most {_DEEPEST}, are needed")
        into = root
        for step in steps[:-1]:
            into = into.setdefault(step or str(len(into)), {})
            if type(into) is not dict:
                raise refusal("conditions", steps, "this is both a value and something with parts")
        last = steps[-1] or str(len(into))
        if last in into:
            raise refusal("conditions", steps, "this is given twice")
        into[last] = text
    found = _listed(root)
    if type(found) is not dict:
        raise refusal("conditions", (), "an object is needed: fields, and what is asked of them")
    return found


def _listed(value: Any) -> Any:
    if type(value) is not dict:
        return value
    if value and all(name.isascii() and name.isdigit() and len(name) < 5 for name in value):
        return [_listed(value[name]) for name in sorted(value, key=int)]
    return {name: _listed(each) for name, each in value.items()}


def _equal(resource: Resource, name: str, text: str) -> Equal:
    field = resource.fields.get(name)
    if field is None:
        raise refusal(name, (), f"{resource.path} has no such field or parameter")
    if field.parse is None or "$eq" not in field.filters:
        raise refusal(name, (), "lists can't be filtered by this field")
    try:
        return Equal(field.attribute, value_of(field, text))
    except ValueError:
        raise refusal(name, (), "this is not a value of the field's type") from None


def _sort(resource: Resource, text: str) -> tuple[Order, ...]:
    steps = []
    for step in filter(None, re.split("[, ]", text)):
        field = resource.fields.get(step.removeprefix("-"))
        if field is None:
            raise refusal("sort", (), f"{resource.path} has no field {step.removeprefix('-')!r}")
        steps.append(Order(field.attribute, step.startswith("-")))
    named = {step.field for step in steps}
    return (*steps, *(Order(attribute) for attribute in resource.source.key if attribute not in named))


def _count(name: str, text: str) -> int:
    if not _COUNT.fullmatch(text):
        raise refusal(name, (), "a whole number, 0 or more, is needed")
    return int(text)


def _limit(resource: Resource, text: str) -> int:
    limit = _count("limit", text)
    if resource.limit is not None and limit > resource.limit:
        raise refusal("limit", (), f"{resource.limit} is the most that one answer holds here")
    return limit
