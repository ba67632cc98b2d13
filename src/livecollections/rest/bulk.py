"""Bulk: several documents in one request, in one transaction: all are written, or none.

Everything about every document is checked before the first is written, and what is wrong is told of each, by its place:
``/3/title``. The write of each bears the request's origin and its place, ``token.3``, and has its hooks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..errors import InvalidDocument, TooLarge
from ..hooks import Operation
from ..input import sentence
from ..resource import Resource
from ..stores.base import Bulk, Idempotency, Store, Sweep, Write, Written
from .answer import placed
from .hooks import Hooked
from .portion import Portion

MOST = 1_000
"""Documents that one request may create: others wait for its transaction."""
MOST_TOLD = 100
"""Faults that one answer names."""


async def create_all(
    view: Resource,
    store: Store | Portion,
    user: Any,
    sent: Sequence[Any],
    origin: str | None,
    idempotency: Idempotency | None,
) -> list[Written]:
    """Create documents, in order. Raises InvalidDocument, TooLarge, and what a store does."""
    if not sent:
        raise InvalidDocument("one document at least is needed", [{"pointer": "", "detail": "this is empty"}])
    if len(sent) > MOST:
        raise TooLarge(f"at most {MOST} documents are created at once here")
    hooked = [Hooked(view.hooks, Operation("POST", view.path, user)) for _ in sent]
    bodies = [await each.before_validate(body) for each, body in zip(hooked, sent, strict=True)]
    writes = _creations(view, bodies, origin)
    written = await store.write_all(
        Bulk([each.around(write) for each, write in zip(hooked, writes, strict=True)], idempotency)
    )
    for each, done in zip(hooked, written, strict=True):
        await each.after_commit(done)
    return written


async def delete_all(view: Resource, store: Store | Portion, user: Any, sweep: Sweep) -> list[Written]:
    """Delete what a sweep finds. Raises what a store does."""
    await Hooked(view.hooks, Operation("DELETE", view.path, user)).before_validate()
    hooked: dict[Any, Hooked] = {}
    loop = asyncio.get_running_loop()

    def around(write: Write) -> Write:
        each = hooked[write.key] = Hooked(view.hooks, Operation("DELETE", view.path, user, write.key))
        return each.around(write, loop)

    written = await store.write_all(replace(sweep, around=around) if view.hooks else sweep)
    for done in written if hooked else ():
        each = hooked[view.source.key_of(done.row)]
        if each.operation.before is None:  # another one has taken it along
            each.operation.before = each.operation.after = done.row
        await each.after_commit(done)
    return written


def _creations(view: Resource, bodies: Sequence[Any], origin: str | None) -> list[Write]:
    writes: list[Write] = []
    faults: list[dict[str, Any]] = []
    for place, body in enumerate(bodies):
        try:
            writes.append(_creation(view, body, origin and f"{origin}.{place}"))
        except InvalidDocument as error:
            faults += placed(error, place).errors
    if faults:
        raise InvalidDocument(sentence(faults), faults[:MOST_TOLD])
    return writes


def _creation(view: Resource, body: Any, origin: str | None) -> Write:
    if not isinstance(body, dict):
        raise InvalidDocument("a JSON object is needed")
    values = view.create_values(body)
    return Write(view.source, None, lambda row: values, origin)
