"""Links: where else a client may go from an answer, as ``Link`` says it (RFC 8288).

Pages that a client asks for by ``limit`` and ``skip`` have first, last, previous and next, by number. Those of a
resource that shows no more at once, and of a client that asks by ``after``, follow each other by place: each begins
after the last document of the one before, whatever has been written meanwhile. A resource without links has those only.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from ..parameters import Asked
from ..place import encode
from ..stores.base import Listing
from .request import Request

_PLACED = ("skip", "after")


def of_list(request: Request, asked: Asked, found: Listing, total: int | None) -> bytes:
    """The links of a list. total: how many documents there are on all pages, where that is known."""
    links: list[tuple[str, str]] = []
    is_told = asked.shown.links
    if is_told and request.method in ("GET", "HEAD"):
        links = [("search", request.path), ("self", _at(request, request.parameters(), request.path))]
    query = asked.query
    limit = query.limit
    if not limit:
        return _written(links)
    if is_told and asked.is_paged:
        links.append(("first", _page(request, skip=0)))
        if total is not None:
            links.append(("last", _page(request, skip=max(0, total - limit))))
        if query.skip:
            links.append(("previous", _page(request, skip=max(0, query.skip - limit))))
    if found.more and (is_told or not asked.is_paged):
        place = None if asked.is_paged else place_of(asked, found)
        following = {"skip": query.skip + limit} if place is None else {"after": place}
        links.append(("next", _page(request, **following)))
    return _written(links)


def of_document(path: str) -> bytes:
    """The links of a document, which is at a path."""
    collection = path.rpartition("/")[0]
    return _written([("collection", collection), ("search", collection), ("edit", path), ("self", path)])


def place_of(asked: Asked, found: Listing) -> str | None:
    """The place of the last document; None where it would tell what documents do not show, or is too long."""
    return encode(asked.query.sort, found.place) if found.place is not None and asked.has_places else None


def _page(request: Request, **place: Any) -> str:
    kept = [(name, value) for name, value in request.parameters() if name not in _PLACED]
    return _at(request, [*kept, *((name, str(value)) for name, value in place.items())])


def _at(request: Request, parameters: list[tuple[str, str]], path: str = "") -> str:
    return f"{path}?{urlencode(parameters)}" if parameters else path


def _written(links: list[tuple[str, str]]) -> bytes:
    return ", ".join(f'<{target}>; rel="{name}"' for name, target in links).encode("latin-1")
