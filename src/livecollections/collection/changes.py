"""Changes: what a collection shows otherwise, step by step, for one reader who takes his time.

Two rules. Every step comes, in order. If more wait than the buffer holds, those of one document become one step, from
what the reader has seen to what is shown now: then what waits is bounded by the documents, and nothing is lost.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Self

from .state import Document, DocumentChange, Kind

Present = Callable[[Document], Any]


class Changes:
    """``async for change in collection.changes()``; it hears until it or the collection is closed.

    present: makes of a document what the reader gets.  buffer: how many steps may wait one by one.
    """

    def __init__(self, present: Present, buffer: int) -> None:
        self._present = present
        self._buffer = self._limit = buffer
        self._waiting: deque[DocumentChange] = deque()
        self._signal = asyncio.Event()
        self._is_closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> DocumentChange:
        while not self._waiting:
            if self._is_closed:
                raise StopAsyncIteration
            self._signal.clear()
            await self._signal.wait()
        change = self._waiting.popleft()
        shown = {name: self._shown(getattr(change, name)) for name in ("document", "previous")}
        return replace(change, **shown)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Hear no more. What waits is still told, then the iteration ends."""
        self._is_closed = True
        self._signal.set()

    def _shown(self, document: Document | None) -> Any:
        return None if document is None else self._present(document)

    def _put(self, changes: Iterable[DocumentChange]) -> None:
        if self._is_closed:
            return
        self._waiting.extend(changes)
        if len(self._waiting) > self._limit:
            self._waiting = deque(squash(self._waiting))
            # What is left may still be long: squashing is worth its time again when that much has come anew.
            self._limit = max(self._buffer, 2 * len(self._waiting))
        self._signal.set()


def squash(changes: Iterable[DocumentChange]) -> list[DocumentChange]:
    """Of several steps of one document one, at the place of the last."""
    waiting: dict[object, DocumentChange] = {}
    for change in changes:
        before = waiting.pop(change.draft or change.key, None)
        joined = change if before is None else _join(before, change)
        if joined is None:
            continue
        name = joined.key or joined.draft
        if name in waiting:
            # A draft has got the key of a document that went before: that stays a step of its own.
            waiting[object()] = waiting.pop(name)
        waiting[name] = joined
    return list(waiting.values())


def _join(first: DocumentChange, second: DocumentChange) -> DocumentChange | None:
    is_new = first.previous is None
    if is_new and second.document is None:
        return None
    kind: Kind = "add" if is_new else "remove" if second.document is None else "change"
    # Who has never seen the draft needs no word of it once there is a key.
    draft = first.draft if not is_new else second.draft if second.key is None else None
    own = first.own and second.own
    return replace(second, kind=kind, previous=first.previous, own=own, draft=draft)
