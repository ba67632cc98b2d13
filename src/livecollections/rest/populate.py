"""Populate: documents with those that they refer to in them, or that refer to them.

Three rules. Each relation that is asked for costs one statement, or two where a table is between, however many
documents there are. What is shown of another resource is what its own ``GET`` shows this user; a relation to what no
resource offers him, or by a field that he does not see, is not there. Rows of a table between count as its resource
shows them, where it has one. Everything is bounded: levels, relations, documents, and what they refer to.

It knows no SQL.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..change import Row
from ..errors import MalformedRequest, RequestError
from ..parameters import asked_of
from ..query import And, Condition, Equal, In, Or, Order, Query
from ..resource import Resource
from ..source import Relation, Source
from ..stores.base import Listing, Store
from ..view import Views
from .answer import Answer
from .formats import Format, format_of
from .links import of_list
from .portion import Portion, portion
from .preconditions import Preconditions, document_tag
from .reading import list_headers, total_of, window
from .request import Request
from .tree import Tree

AT_ONCE = 1_000
"""Documents of a list that are populated."""
REFERRED = 10_000
"""Documents that they may refer to, all relations together; rows that a table between may have for one."""

Place = tuple[Any, ...]
"""The values by which rows belong together."""


class Peers:
    """The resources that may be referred to.

    views: of one release, those first that others of the same model or table give way to.  all_views: of all releases.
    """

    def __init__(self, views: Sequence[Views] = (), all_views: Sequence[Views] = ()) -> None:
        self._by_table = {each.resource.source.name: each for each in views}
        self._by_model = {each.resource.source.model: each for each in views}
        self._offered = {_called(each.resource.source) for each in all_views}

    def of(self, source: Source) -> Views | None:
        """That of a table: of its own model, or else of another one."""
        return self._by_model.get(source.model) or self._by_table.get(source.name)

    def is_offered(self, source: Source) -> bool:
        """Whether any release offers a table, whoever may read that."""
        return _called(source) in self._offered


def _called(source: Source) -> str:
    """A table's name as far as it does not depend on how it is written: rather two are taken for one."""
    return source.name.rpartition(".")[2].casefold()


@dataclass(frozen=True, slots=True)
class Population:
    """One relation to be populated. name: in documents.

    resource: at its other end, as this user has it.  between: of the table between, if it has one.
    """

    name: str
    relation: Relation
    resource: Resource
    inner: tuple[Population, ...]
    between: Resource | None = None


class Related:
    """What a user has at the other end of relations."""

    def __init__(self, peers: Peers, user: Any) -> None:
        self._peers = peers
        self._user = user

    def is_offered(self, source: Source) -> bool:
        """Whether a table has a resource, whoever may read that, and in whatever release."""
        return self._peers.is_offered(source)

    def view(self, source: Source, action: str) -> Resource | None:
        """The view of a table's resource, if the user may do what is named; None: he has none."""
        views = self._peers.of(source)
        if views is None or (views.partition is not None and views.partition.nested):
            return None
        try:
            view = views.of(self._user, {})
        except RequestError:
            return None
        return view if action in view.rights else None


def plan(view: Resource, tree: Tree, related: Related) -> tuple[Population, ...]:
    """What is to be read. Raises MalformedRequest for a relation that this user does not have."""
    offered = {_name(view, relation): relation for relation in view.source.relations}
    found = []
    for name, inner in tree.items():
        relation = offered.get(name)
        population = None if relation is None else _population(name, relation, related)
        if population is None:
            raise MalformedRequest(f"populate: {view.path} has no relation {name!r}")
        found.append(replace(population, inner=plan(population.resource, inner, related)))
    return tuple(found)


def _population(name: str, relation: Relation, related: Related) -> Population | None:
    """What a relation is to a user, without what is to be populated in it; None: he does not have it."""
    resource, through = related.view(relation.source, "list" if relation.many else "read"), relation.through
    if resource is None or (there := _meant(relation.there, relation.source, resource)) is None:
        return None
    relation = replace(relation, there=there)
    if through is None or not related.is_offered(through.source):
        return Population(name, relation, resource, ())
    between = related.view(through.source, "list")
    if between is None:
        return None
    near, far = (_meant(attributes, through.source, between) for attributes in (through.near, through.far))
    if near is None or far is None:
        return None
    led = replace(relation, through=replace(through, near=near, far=far))
    return Population(name, led, resource, (), between)


def _meant(attributes: Sequence[str], source: Source, view: Resource) -> tuple[str, ...] | None:
    """What a view calls attributes of its table; None where it does not show them all."""
    meant = view.source.meant(source, attributes)
    return None if meant is None or not _is_shown(meant, view) else meant


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

    It is no whole, its tag is one of what it shows (so HEAD, for which that is not read, has none), and it names the
    channels of all that do: what is referred to changes unheard of by this table.
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
    headers = list_headers(asked, found, tag, view, _views(populations))
    total = await total_of(view, part, asked) if asked.is_paged and view.links else None
    if links := of_list(request, asked, found, total):
        headers.append((b"link", links))
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


def _views(populations: Iterable[Population]) -> Iterator[Resource]:
    """Those by which it is told what is in documents."""
    for each in populations:
        yield each.resource
        if each.between is not None:
            yield each.between
        yield from _views(each.inner)


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
    led = await _led(store, population, list(wanted), room)
    asking = portion(store, resource)
    found = await _met(asking, resource.source, relation.there, list(led), room)
    shown = resource.documents(found)
    room = await populate(store, found, shown, population.inner, room - len(found)) if found else room
    by_place: dict[Place, list[dict[str, Any]]] = {}
    for row, document in zip(found, shown, strict=True):
        for place in led.get(_place(row, relation.there), ()):
            by_place.setdefault(place, []).append(document)
    for here, document in zip(places, documents, strict=True):
        there = by_place.get(here, []) if here is not None else []
        document[population.name] = there if relation.many else next(iter(there), None)
    return room


async def _led(
    store: Store, population: Population, places: Sequence[Place], room: int
) -> dict[Place | None, Collection[Place]]:
    """The places that lead to others, by these."""
    through, between = population.relation.through, population.between
    if through is None:
        return {place: (place,) for place in places}
    asking, source = (store, through.source) if between is None else (portion(store, between), between.source)
    led: dict[Place | None, dict[Place, None]] = {}
    for row in await _met(asking, source, through.near, places, room):
        near, far = _place(row, through.near), _place(row, through.far)
        if near is not None and far is not None:
            led.setdefault(far, {})[near] = None
    return {far: near.keys() for far, near in led.items()}


async def _met(
    asking: Store | Portion, source: Source, attributes: Sequence[str], places: Sequence[Any], room: int
) -> list[Row]:
    """The rows at some places, in the order of their keys. Raises MalformedRequest where there are more than room."""
    if not places:
        return []
    sort = tuple(Order(attribute) for attribute in source.key)
    found = await asking.find(source, Query((_meeting(attributes, places),), sort, limit=room + 1))
    if len(found.rows) > room:
        raise MalformedRequest(
            f"populate: more than {REFERRED} documents are referred to: ask for fewer, with limit"
        )
    return found.rows


def _meeting(attributes: Sequence[str], places: Sequence[Place]) -> Condition:
    if len(attributes) == 1:
        return In(attributes[0], tuple(value for (value,) in places))
    return Or(tuple(And(tuple(map(Equal, attributes, place))) for place in places))


def _place(row: Mapping[str, Any], attributes: Sequence[str]) -> Place | None:
    """The values by which rows belong together; None where there is none, or none that can be compared."""
    place = tuple(row.get(attribute) for attribute in attributes)
    try:
        hash(place)
    except TypeError:
        return None
    return None if None in place else place
