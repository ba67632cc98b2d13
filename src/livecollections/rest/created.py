"""Created: what a user's earlier POSTs to a list have made, told beside it to one who may have lost their answers.

Three rules. It is looked up after the rows were read, so that it leaves out no document that the list has. Each user is
told of his own. For what is asked here in vain no read fails: where it can't be told, whole, nothing is.
"""

from __future__ import annotations

import json
from typing import TypeVar

from ..errors import RequestRefused
from ..resource import Resource
from ..selection import addressed
from ..stores.base import Store
from .answer import Answer, Header
from .caller import READS, told_apart
from .listing import LongAnswer
from .portion import Portion
from .request import Request, is_key, kept_as
from .route import ALLOW

MOST = 100
"""Keys that one read may ask for."""
LONGEST = 2_048
"""Bytes of the header: proxies take few kilobytes of all."""
ASKED: Header = (b"vary", b"Live-Origin")

T = TypeVar("T", bound=Answer | LongAnswer)


def asks_created(request: Request) -> bool:
    """Whether a read asks what the user's POSTs have made: by ``Live-Origin``, their Idempotency-Keys."""
    return request.method in READS and "live-origin" in request.headers


async def with_created(answer: T, request: Request, view: Resource, store: Store | Portion) -> T:
    """An answer about a list, with what was asked for beside."""
    if asks_created(request):
        try:
            answer.headers = [*answer.headers, ASKED, *await _told(request, view, store)]
        except BaseException:
            if isinstance(answer, LongAnswer):
                answer.close()
            raise
    return answer


async def _told(request: Request, view: Resource, store: Store | Portion) -> list[Header]:
    try:
        user = told_apart(request.user)
    except RequestRefused:
        return []
    path = request.path.rpartition("/")[0] if ALLOW in request.scope else request.path
    tokens = (token.strip() for token in request.headers["live-origin"].split(","))
    kept = {token: kept_as(token, path, user) for token in list(filter(None, tokens))[:MOST] if is_key(token)}
    made = await store.made(view.source, list(kept.values())) if kept else {}
    shown, members = addressed(view), len({*view.source.key, *view.address})
    told = {token: shown.document(made[key]) for token, key in kept.items() if key in made}
    whole = {token: document for token, document in told.items() if len(document) == members}
    header = json.dumps(whole, separators=(",", ":")).encode()
    return [(b"live-created", header)] if len(header) <= LONGEST else []
