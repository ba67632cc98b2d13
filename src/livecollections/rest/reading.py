"""Reading: what a list is asked for, answered: its documents, how many there are, or the values of one field.

An answer and its headers are of one state of the database. It knows the port of the stores, and no SQL.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import orjson

from ..conditions import refusal
from ..errors import StoreUnavailable
from ..field import Field
from ..parameters import Asked, asked_of
from ..portable import portable
from ..query import Path, Query, values_at
from ..resource import Resource
from ..stores.base import Count, Listing, Snapshot, Store, Written
from .answer import NO_CACHE, Answer, Header
from .formats import JSON, Format, format_of
from .links import of_list, place_of
from .listing import TURN, LongAnswer, answer_of
from .portion import Portion
from .preconditions import Preconditions, document_tag, list_tag
from .request import Request

MOST_VALUES = 10_000
"""Values that one answer to ``distinct`` holds."""


async def read_list(
    request: Request,
    view: Resource,
    store: Store | Portion,
    parameters: Iterable[tuple[str, Any]],
    body: bytes = b"",
) -> Answer | LongAnswer:
    """Answer what the parameters of a list ask for. body: that they came in."""
    asked = asked_of(view, parameters)
    form = format_of(request.headers)
    if asked.count or asked.distinct is not None:
        form = JSON  # whatever is wanted of documents
    identity = Identity(view, request.query + b"\0" + body if body else request.query, form)
    conditions, is_head = Preconditions(request.headers), request.method == "HEAD"
    is_summary, is_judged = asked.count or asked.distinct is not None, False
    if conditions or (is_head and is_summary):
        state = await store.listing(view.source, Query(limit=0))
        headers = identity.headers(asked, state)
        is_judged = (tag := identity.tag(state)) is not None
        if tag and conditions.are_unchanged(tag):
            return Answer(304, headers=headers)
        if is_head and is_summary:
            return Answer(200, None, headers, form.type)
    if asked.count:
        counted = await store.count(view.source, asked.query)
        answer = Answer(200, str(counted.number).encode(), identity.headers(asked, counted))
        return answer if is_judged else tagged(answer, counted, JSON, conditions)
    if asked.distinct is not None:
        found, values = await _values(view, store, asked.query, *asked.distinct)
        answer = Answer(200, orjson.dumps(values), identity.headers(asked, found))
        return answer if is_judged else tagged(answer, found, JSON, conditions)
    found = await store.listing(view.source, window(asked.query) if is_head else asked.query)
    try:
        if asked.is_whole and asked.query.limit and found.more and place_of(asked, found) is None:
            # What moves between pages by number is met by none of them.
            asked = replace(asked, is_whole=False)
        headers = identity.headers(asked, found)
        total = await total_of(view, store, asked) if asked.is_paged and view.links else None
        if links := of_list(request, asked, found, total):
            headers.append((b"link", links))
    except BaseException:
        found.close()
        raise
    if is_head:
        found.close()
        return Answer(200, None, headers, form.type)
    listed = await answer_of(asked.shown, found, form, headers)
    return tagged(listed, found, form, conditions) if isinstance(listed, Answer) and not is_judged else listed


def tagged(answer: Answer, found: Listing | Count, form: Format, conditions: Preconditions) -> Answer:
    """An answer about a list; where the store tells no version of its source, with a tag of what is shown.

    Raises PreconditionFailed.
    """
    if found.version is not None or answer.body is None:
        return answer
    tag = document_tag(answer.body, form)
    headers = [*answer.headers, (b"etag", tag)]
    return Answer(304, headers=headers) if conditions.are_unchanged(tag) else replace(answer, headers=headers)


async def total_of(view: Resource, store: Store | Portion, asked: Asked) -> int | None:
    """How many there are on all pages; None where counting them takes too long."""
    try:
        return (await store.count(view.source, replace(asked.query, sort=(), skip=0, limit=None))).number
    except StoreUnavailable:
        return None


async def _values(
    view: Resource, store: Store | Portion, query: Query, field: Field, path: Path
) -> tuple[Listing, list[Any]]:
    """Each value of a field once, as documents show it; of lists their elements. path: into its structure."""
    if view.is_bare:
        found = await store.distinct(view.source, field.attribute, query)
    else:
        found = await store.listing(view.source, query)
    values: dict[bytes, Any] = {}
    try:
        while rows := await found.piece():
            for start in range(0, len(rows), TURN):
                await asyncio.sleep(0)
                for row in rows[start : start + TURN]:
                    whole = portable(row[field.attribute]) if view.is_bare else view.document(row)[field.name]
                    for value in _elements(whole, path):
                        values.setdefault(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), value)
                if len(values) > MOST_VALUES:
                    detail = f"there are more than {MOST_VALUES} values: ask for those of fewer documents"
                    raise refusal("distinct", (), detail)
    finally:
        found.close()
    return found, list(values.values())


def _elements(whole: Any, path: Path) -> Iterator[Any]:
    for value in values_at(whole, path):
        if isinstance(value, list):
            yield from value
        elif value is not None or not path:
            yield value


def window(query: Query) -> Query:
    """What is read of a list for HEAD: the last of the page, and whether there is more."""
    if not query.limit:
        return replace(query, limit=0)
    return replace(query, skip=query.skip + query.limit - 1, limit=1)


def seq_headers(result: Snapshot | Listing | Written | Count) -> list[Header]:
    """``Live-Seq`` and ``Live-Until``, as far as there is such a seq."""
    headers = [] if result.seq is None else [(b"live-seq", result.seq.encode())]
    if not isinstance(result, Written) and result.until is not None:
        headers.append((b"live-until", result.until.encode()))
    return headers


def list_headers(
    asked: Asked, found: Listing | Count, tag: bytes | None, view: Resource, beside: Iterable[Resource] = ()
) -> list[Header]:
    """What an answer about a list of a view bears. beside: others on which it depends what the list shows.

    Who may not hear the list's own channel is told of none: hearing others alone, he would take the list for live.
    """
    headers = [NO_CACHE, *seq_headers(found)]
    if "subscribe" in view.rights:
        kind = b"live-channel" if asked.is_whole else b"live-signal"
        heard = dict.fromkeys(each.channel for each in (view, *beside) if "subscribe" in each.rights)
        headers.append((kind, ", ".join(heard).encode()))
    if tag:
        headers.append((b"etag", tag))
    return headers


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells one answer about a list from another: whose it is, what was asked, and in which form."""

    view: Resource
    query: bytes
    form: Format

    def headers(self, asked: Asked, found: Listing | Count) -> list[Header]:
        """What an answer bears, whether it is sent or not."""
        return list_headers(asked, found, self.tag(found), self.view)

    def tag(self, found: Listing | Count) -> bytes | None:
        """The entity tag, where the store can tell one state from another."""
        return None if found.version is None else list_tag(self.view, found.version, self.query, self.form)
