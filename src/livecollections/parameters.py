"""Parameters: what a list is asked for, by the names that documents use.

In a URL: ``sort=-created,title``, ``skip=20``, ``limit=10``, ``conditions`` as JSON or as ``conditions[age][$gt]=5``,
and ``field=value``; all of them must hold. Values are read by the types of the model; in a URL ``null`` asks for null
where it is no value of the type.

This module knows no HTTP and no database.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import json_text
from .conditions import DEEPEST, field_at, read_conditions, refusal, value_of
from .errors import RequestRefused
from .field import ORDER, Field, filters_of
from .place import decode
from .query import Condition, Equal, Order, Path, Query
from .resource import MOST_STEPS, Resource
from .selection import selected

ASKED = ("conditions", "sort", "skip", "limit", "after")
"""Parameters that say which documents are in a list."""
SHOWN = ("select", "count", "distinct")
"""Parameters that say how a list is to be shown, not what is in it."""

_COUNT = re.compile(r"[0-9]{1,15}")
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_DEEPEST = 2 * DEEPEST
"""Brackets one behind the other: a field and an operator are a level."""
_CACHE_BUSTER = "_"
"""jQuery's ``cache: false`` adds it; it says nothing."""


def parse(resource: Resource, parameters: Iterable[tuple[str, Any]]) -> Query:
    """Which documents the parameters of a list ask for. Ties of the sort are broken by the key, so that pages are
    stable.

    parameters: texts, or values of JSON.  Raises MalformedRequest that names the parameter.
    """
    brackets: list[tuple[str, str]] = []
    asked: dict[str, Any] = {}
    for name, value in parameters:
        if name.startswith("conditions["):
            brackets.append((name, value))
        elif name in asked:
            raise refusal(name, (), "is given twice")
        elif name != _CACHE_BUSTER:
            asked[name] = value
    sort = _sort(resource, asked.pop("sort", resource.sort))
    skip, limit, after = asked.pop("skip", "0"), asked.pop("limit", None), asked.pop("after", None)
    filtered = _filter(resource, asked.pop("conditions", None), brackets)
    return Query(
        where=(*filtered, *(_equal(resource, name, value) for name, value in asked.items())),
        sort=sort,
        skip=_count("skip", skip),
        limit=None if limit is None else _limit(resource, limit),
        after=_after(resource, sort, after) if after else None,
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """What a list is asked for, and how it is to be shown.

    query: its limit is the resource's where none was asked for.  shown: the resource, with the fields that documents
    are to show.  is_whole: what is shown is the whole of the channel, or the first of pages that are, which follow each
    other by place.  has_places: pages can, of this sort.  is_paged: pages are asked for
    by number.
    count: how many documents there are, instead of them.  distinct: the values of this field, instead of them, or those
    at a path in it.
    """

    query: Query
    shown: Resource
    is_whole: bool
    has_places: bool
    is_paged: bool
    count: bool
    distinct: tuple[Field, Path] | None


def asked_of(resource: Resource, parameters: Iterable[tuple[str, Any]]) -> Asked:
    """What a reader of a list asks for. Raises MalformedRequest that names the parameter."""
    own: dict[str, Any] = {}
    rest = []
    for name, value in parameters:
        if name not in SHOWN:
            rest.append((name, value))
        elif name in own:
            raise refusal(name, (), "is given twice")
        else:
            own[name] = value
    count = _flag("count", own.get("count", "false"))
    if count and (hint := next((name for name, _ in rest if _is_hint(resource, name)), None)):
        raise refusal(hint, (), "this does not go with count")
    query, distinct = parse(resource, rest), _distinct(resource, own.get("distinct"))
    if distinct is not None and (count or "select" in own):
        raise refusal("distinct", (), "this goes neither with count nor with select")
    shown = selected(resource, _text("select", own["select"])) if "select" in own else resource
    is_summary = count or distinct is not None
    limit = query.limit if query.limit is not None or is_summary else resource.page
    names = {name for name, _ in rest}
    has_places = _has_places(resource, query.sort)
    is_asked_whole = query.is_whole and not is_summary and shown is resource
    return Asked(
        query=replace(query, limit=limit),
        shown=shown,
        is_whole=is_asked_whole and (limit is None or has_places),
        has_places=has_places,
        is_paged=query.limit is not None and "after" not in names,
        count=count,
        distinct=distinct,
    )


def shown_of(resource: Resource, parameters: Iterable[tuple[str, str]]) -> Resource:
    """The resource with the fields that a reader of one document asks for. Raises MalformedRequest."""
    shown = resource
    for name, value in parameters:
        if name == "select" and shown is resource:
            shown = selected(resource, value)
        elif name != _CACHE_BUSTER:
            raise refusal(name, (), "a document is asked for with select alone, and once")
    return shown


def of_body(body: Mapping[str, Any], beside: Iterable[tuple[str, str]]) -> list[tuple[str, Any]]:
    """The parameters in the body of a search; what the URL says beside it counts instead.

    Raises MalformedRequest.
    """
    for name, value in body.items():
        if name not in (*ASKED, *SHOWN, "populate"):
            raise refusal(name, (), f"a search takes {', '.join((*ASKED, *SHOWN))} and populate")
        if value is None:
            raise refusal(name, (), "this is null: leave it out")
    said = list(beside)
    names = {name.partition("[")[0] for name, _ in said}
    return [*said, *((name, value) for name, value in body.items() if name not in names)]


def _flag(name: str, value: Any) -> bool:
    if type(value) is not bool and value not in ("true", "false"):
        raise refusal(name, (), "true or false is needed")
    return value in (True, "true")


def _text(name: str, value: Any) -> str:
    if type(value) is not str:
        raise refusal(name, (), "a text is needed")
    return value


def _distinct(resource: Resource, name: Any) -> tuple[Field, Path] | None:
    if name is None:
        return None
    try:
        return field_at(resource, _text("distinct", name))
    except ValueError as error:
        raise refusal("distinct", (), str(error)) from None


def _filter(resource: Resource, text: Any, brackets: list[tuple[str, str]]) -> tuple[Condition, ...]:
    if text is not None and brackets:
        raise refusal("conditions", (), "this is given both as JSON and in brackets")
    if text is None:
        return read_conditions(resource, nested(brackets)) if brackets else ()
    if type(text) is not str:
        return read_conditions(resource, text)
    try:
        tree = json_text.read(text)
    except ValueError as error:
        raise refusal("conditions", (), f"this is {error}") from None
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
    if _is_hint(resource, name):
        told = refusal(name, (), "which index is read is the database's business")
        raise RequestRefused(told.detail, told.errors, 403, "Forbidden")
    if field is None:
        raise refusal(name, (), f"{resource.path} has no such field or parameter")
    if field.parse is None or "$eq" not in field.filters:
        raise refusal(name, (), "lists can't be filtered by this field")
    try:
        return Equal(field.attribute, value_of(field, text))
    except ValueError:
        raise refusal(name, (), "this is not a value of the field's type") from None


def _is_hint(resource: Resource, name: str) -> bool:
    """Whether a parameter is the ``hint`` of MongoDB's find, and no field of that name."""
    return name.partition("[")[0] == "hint" and name not in resource.fields


def _sort(resource: Resource, text: Any) -> tuple[Order, ...]:
    steps: list[Order] = []
    named: set[str] = set()
    for step in filter(None, re.split("[, ]", _text("sort", text))):
        field = resource.fields.get(step.removeprefix("-"))
        if field is None:
            raise refusal("sort", (), f"{resource.path} has no field {step.removeprefix('-')!r}")
        if field.attribute in named:
            raise refusal("sort", (), f"{field.name!r} is given twice")
        if len(steps) == MOST_STEPS:
            raise refusal("sort", (), f"a list is sorted by at most {MOST_STEPS} fields")
        named.add(field.attribute)
        steps.append(Order(field.attribute, step.startswith("-")))
    return (*steps, *(Order(attribute) for attribute in resource.source.key if attribute not in named))


def _has_places(resource: Resource, sort: tuple[Order, ...]) -> bool:
    """Whether pages go on by place. A place compares with its fields: so documents show these as they are stored, and
    where their operators were cut down it is for the key, and for what the resource itself is sorted by."""
    key = set(resource.source.key)
    shown = {field.attribute: field for field in resource.fields.values()}
    own = key | {order.field for order in _sort(resource, resource.sort)}
    return all(
        order.field in shown
        and (resource.is_bare or order.field in key)
        and (order.field in own or _is_compared(shown[order.field]))
        for order in sort
    )


def _is_compared(field: Field) -> bool:
    """Whether a field may be asked for all of the order that its type has."""
    return filters_of(field.type, field.parse is not None) & {"$eq", *ORDER} <= field.filters


def _after(resource: Resource, sort: tuple[Order, ...], text: Any) -> tuple[Any, ...]:
    if not _has_places(resource, sort):
        raise refusal("after", (), "a list that is sorted so has pages by number: skip and limit")
    try:
        return decode(sort, _text("after", text))
    except ValueError:
        raise refusal("after", (), "this is no place in this list, sorted as it is") from None


def _count(name: str, value: Any) -> int:
    if type(value) is float and value.is_integer():  # JSON knows no difference
        value = int(value)
    if type(value) not in (str, int) or not _COUNT.fullmatch(str(value)):
        raise refusal(name, (), "a whole number, 0 or more, is needed")
    return int(value)


def _limit(resource: Resource, text: Any) -> int:
    limit = _count("limit", text)
    if limit == 0:
        raise refusal("limit", (), "a whole number, 1 or more, is needed")
    if resource.limit is not None and limit > resource.limit:
        raise refusal("limit", (), f"{resource.limit} is the most that one answer holds here")
    return limit
