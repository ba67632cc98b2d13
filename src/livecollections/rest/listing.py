"""Listing: an answer that is a list. A short one is whole; a long one is sent as its reader takes it.

Two rules. Whatever the reader does, no more than a piece of the list is in memory, and what was put aside of it goes
with the answer. A list that can't be sent to its end is cut off, so that nobody takes a part for the whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from starlette.types import Receive, Scope, Send

from ..change import Row
from ..resource import Resource
from ..stores.base import Listing
from .answer import Answer, Header
from .formats import Format

TURN = 500
"""Documents rendered before the loop gets a turn."""


async def answer_of(
    resource: Resource, listing: Listing, form: Format, headers: Sequence[Header]
) -> Answer | LongAnswer:
    """The answer."""
    parts = _parts(resource, listing, form)
    if not listing.is_short:
        return LongAnswer(listing, parts, form.type, headers)
    try:
        return Answer(200, b"".join([part async for part in parts]), headers, form.type)
    finally:
        listing.close()


def whole(resource: Resource, rows: Sequence[Row], form: Format) -> bytes:
    """A list as its answer writes it, where it is in memory."""
    return form.whole(resource.documents(rows)) if rows else _empty(resource, form)


def _empty(resource: Resource, form: Format) -> bytes:
    return form.start([*resource.fields, *sorted(resource.computed)]) + form.end


class LongAnswer:
    """A list that is sent in pieces, with no length told before."""

    def __init__(
        self, listing: Listing, parts: AsyncIterator[bytes], kind: bytes, headers: Sequence[Header]
    ) -> None:
        self.headers = headers
        self._type = kind
        self._listing = listing
        self._parts = parts

    def close(self) -> None:
        """Let go of the list, of an answer that is not sent."""
        self._listing.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(wait_gone(receive))
        try:
            headers = [(b"x-content-type-options", b"nosniff"), (b"content-type", self._type), *self.headers]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            if scope["method"] != "HEAD":
                async for part in self._parts:
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                    if gone.done():
                        return
            await send({"type": "http.response.body", "body": b""})
        finally:
            self._listing.close()
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)


async def _parts(resource: Resource, listing: Listing, form: Format) -> AsyncIterator[bytes]:
    """A list as it is written."""
    names: list[str] | None = None
    while rows := await listing.piece():
        for start in range(0, len(rows), TURN):
            if names is not None:
                await asyncio.sleep(0)
            documents = resource.documents(rows[start : start + TURN])
            before = form.start(documents[0].keys()) if names is None else form.between
            names = list(documents[0]) if names is None else names
            yield before + form.part(documents, names)
    yield _empty(resource, form) if names is None else form.end


async def wait_gone(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
