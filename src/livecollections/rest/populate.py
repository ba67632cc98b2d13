"""Populate: documents with those that they refer to in them, or that refer to them.

Three rules. Each relation that is asked for costs one statement, however many documents there are. What is shown of
another resource is what its own ``GET`` shows this user; a relation to what no resource offers him, or by a field that
he does not see, is not there. Everything is bounded: levels, relations, documents, and documents referred to.

It knows no SQL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic_core import from_json

from ..change import Row
from ..errors import MalformedRequest, RequestError
from ..parameters import asked_of
from ..query import And, Condition, Equal, In, Or, Order, Query
from ..resource import Resource
from ..source import Relation
from ..stores.base import Listing, Store
from ..view import Views
from .answer import Answer
from .formats import Format, format_of
from .links import of_list
from .portion import portion
from .preconditions import Preconditions, document_tag
from .reading import list_headers, total_of, window
from .request import Request

DEEPEST = 3
"""Levels of documents in documents."""
MOST = 10
"""Relations that one request may ask for, and so its statements beside the first."""
AT_ONCE = 1_000
"""Documents of a list that are populated."""
REFERRED = 10_000
"""Documents that they may refer to, all relations together."""

Tree = dict[str, Any]
"""Relations by name; each with those to be populated in it."""
Related = Callable[[Relation], Resource | None]
"""The view that a request has of the resource at the other end of a relation; None: it has none."""
Peers = Mapping[type, Views]
"""The resources that may be referred to, by their models."""

_NAMES = re.compile(r"[,\s]+")


@dataclass(frozen=True, slots=True)
class Population:
    """One relation to be populated. name: in documents.  resource: at its other end, as this user has it."""

    name: str
    relation: Relation
    resource: Resource
    inner: tuple[Population, ...]


def take_populate(parameters: Iterable[tuple[str, Any]]) -> tuple[Tree, list[tuple[str, Any]]]:
    """What ``populate`` asks for, and the other parameters. Raises MalformedRequest.

    ``author``, ``author,publisher``, ``author.company``, ``{"path": "author", "populate": "company"}`` or a list of
    these, ``populate[path]=author``.
    """
    tree: Tree = {}
    others, parts = [], {}
    for name, value in parameters:
        if name == "populate":
            _add(tree, _read(value) if isinstance(value, str) else value, 1)
        elif name.startswith("populate["):
            parts[name[len("populate[") : -1]] = value
        else:
            others.append((name, value))
    if parts:
        _add(tree, parts, 1)
    if _count(tree) > MOST:
        raise MalformedRequest(f"populate: at most {MOST} relations can be asked for at once")
    return tree, others


def _read(text: str) -> Any:
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return from_json(text)
    except ValueError:
        raise MalformedRequest("populate: this is not JSON") from None


def _add(tree: Tree, asked: Any, level: int) -> None:
    """Put into a tree what is asked for in one of its forms."""
    if isinstance(asked, list):
        for each in asked:
            _add(tree, each, level)
    elif isinstance(asked, str):
        for path in filter(None, _NAMES.split(asked)):
            _descend(tree, path, level)
    elif isinstance(asked, dict) and isinstance(asked.get("path"), str):
        if unknown := sorted(asked.keys() - {"path", "populate"}):
            raise MalformedRequest(f"populate: {unknown[0]} can't be said of what is populated")
        for path in filter(None, _NAMES.split(asked["path"])):
            inner, depth = _descend(tree, path, level)
            if "populate" in asked:
                _add(inner, asked["populate"], depth + 1)
    else:
        raise MalformedRequest("populate: names are needed, or objects with a path")


def _descend(tree: Tree, path: str, level: int) -> tuple[Tree, int]:
    steps = path.split(".")
    depth = level + len(steps) - 1
    if depth > DEEPEST:
        raise MalformedRequest(f"populate: at most {DEEPEST} levels can be asked for")
    for step in steps:
        tree = tree.setdefault(step, {})
    return tree, depth


def _count(tree: Tree) -> int:
    return len(tree) + sum(map(_count, tree.values()))


def related_to(peers: Peers, user: Any) -> Related:
    """What a user has at the other end of relations."""

    def related(relation: Relation) -> Resource | None:
        views = peers.get(relation.model)
        if views is None or (views.partition is not None and views.partition.nested):
            return None
        try:
            view = views.of(user, {})
        except RequestError:
            return None
        return view if ("list" if relation.many else "read") in view.rights else None

    return related


def plan(view: Resource, tree: Tree, related: Related) -> tuple[Population, ...]:
    """What is to be read. Raises MalformedRequest for a relation that this user does not have."""
    offered = {_name(view, relation): relation for relation in view.source.relations}
    found = []
    for name, inner in tree.items():
        relation = offered.get(name)
        resource = None if relation is None else related(relation)
        if relation is None or resource is None or not _is_shown(relation.there, resource):
            raise MalformedRequest(f"populate: {view.path} has no relation {name!r}")
        found.append(Population(name, relation, resource, plan(resource, inner, related)))
    return tuple(found)


def _name(view: Resource, relation: Relation) -> str | None:
    """A relation's name in documents; None where it, or a field that it is by, is one that the view has not."""
    if not view.hidden.isdisjoint(view.source.alike(relation)) or not _is_shown(relation.here, view):
        return None
    field = view.field_of(relation.name)
    return relation.name if field is None else field.name


def _is_shown(attributes: Iterable[str], view: Resource) -> bool:
    return all(view.field_of(attribute) is not None for attribute in attributes)


async def read_populated(
    request: Request,
    view: Resource,
    store: Store,
    parameters: Iterable[tuple[str, Any]],
    populations: Sequence[Population],
) -> Answer:
    """The answer that is a list of populated documents. parameters: the others. Raises MalformedRequest.

    It is no whole, and its tag is one of what it shows (so HEAD, for which that is not read, has none): what is
    referred to changes unheard of by this table.
    """
    form, asked = format_of(request.headers), asked_of(view, parameters)
    if asked.count or asked.distinct is not None:
        raise MalformedRequest("populate: this goes neither with count nor with distinct")
    query = asked.query
    most = AT_ONCE if query.limit is None else min(query.limit, AT_ONCE)
    asked = replace(asked, query=replace(query, limit=most), is_whole=False)
    part, conditions = portion(store, view), Preconditions(request.headers)
    is_head = request.method == "HEAD" and not conditions
    found = await part.listing(view.source, window(asked.query) if is_head else asked.query)
    try:
        body = None if is_head else await _body(asked.shown, store, found, populations, form)
    finally:
        found.close()
    tag = None if body is None else document_tag(body)
    headers = list_headers(asked, found, tag, view)
    total = await total_of(view, part, asked) if asked.is_paged else None
    headers.append((b"link", of_list(request, asked, found, total)))
    if tag is not None and conditions.are_unchanged(tag):
        return Answer(304, headers=headers)
    return Answer(200, body, headers, form.type)


async def _body(
    shown: Resource, store: Store, found: Listing, populations: Sequence[Population], form: Format
) -> bytes:
    rows: list[Row] = []
    while piece := await found.piece():
        rows += piece
    documents = shown.documents(rows)
    await populate(store, rows, documents, populations)
    names = [*shown.fields, *sorted(shown.computed), *(each.name for each in populations)]
    return form.start(names) + form.part(documents, names) + form.end


async def populate(
    store: Store,
    rows: Sequence[Row],
    documents: Sequence[dict[str, Any]],
    populations: Sequence[Population],
    room: int = REFERRED,
) -> int:
    """Put into documents what their rows refer to; gives the room that is left.

    room: documents that may still be read. Raises MalformedRequest where there are more.
    """
    for population in populations:
        room = await _fill(store, rows, documents, population, room)
    return room


async def _fill(
    store: Store,
    rows: Sequence[Row],
    documents: Sequence[dict[str, Any]],
    population: Population,
    room: int,
) -> int:
    relation, resource = population.relation, population.resource
    places = [_place(row, relation.here) for row in rows]
    wanted = {place: None for place in places if place is not None}
    found = await _referred(store, resource, _meeting(relation.there, list(wanted)), room) if wanted else []
    shown = resource.documents(found)
    room = await populate(store, found, shown, population.inner, room - len(found)) if found else room
    by_place: dict[tuple[Any, ...] | None, list[dict[str, Any]]] = {}
    for row, document in zip(found, shown, strict=True):
        by_place.setdefault(_place(row, relation.there), []).append(document)
    for place, document in zip(places, documents, strict=True):
        here = by_place.get(place, []) if place is not None else []
        document[population.name] = here if relation.many else next(iter(here), None)
    return room


async def _referred(store: Store, resource: Resource, condition: Condition, room: int) -> list[Row]:
    sort = tuple(Order(attribute) for attribute in resource.source.key)
    found = await portion(store, resource).find(resource.source, Query((condition,), sort, limit=room + 1))
    if len(found.rows) > room:
        raise MalformedRequest(
            f"populate: more than {REFERRED} documents are referred to: ask for fewer, with limit"
        )
    return found.rows


def _meeting(attributes: Sequence[str], places: Sequence[tuple[Any, ...]]) -> Condition:
    if len(attributes) == 1:
        return In(attributes[0], tuple(value for (value,) in places))
    return Or(tuple(And(tuple(map(Equal, attributes, place))) for place in places))


def _place(row: Mapping[str, Any], attributes: Sequence[str]) -> tuple[Any, ...] | None:
    """The values by which rows belong together; None where there is none, or none that can be compared."""
    place = tuple(row.get(attribute) for attribute in attributes)
    try:
        hash(place)
    except TypeError:
        return None
    return None if None in place else place
