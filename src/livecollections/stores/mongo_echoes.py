"""Echoes: what the stream tells of own writes, for whoever waits for one.

Two rules. A write that left a mark before it is known by that. An insert that left none is known by its key and by the
time of the server's answer, which is the event's; where none is of that time, as when the server was asked again or
wrote something else meanwhile, it is the only one of its key once the stream is at a later one, or at its end.

It knows entries, and neither stream nor connection.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import Any

from bson.timestamp import Timestamp

from ..change import Key, Row
from .mongo_events import Entry

Told = tuple[str, Row | None]
"""A seq, and the row, if it is one."""


class Insertion:
    """An insert without a mark, from before it is sent."""

    def __init__(self, source: str, key: Key) -> None:
        self._document = source, key
        self._heard: dict[Timestamp, Told] = {}
        self._reached = self._time = Timestamp(0, 0)
        self._answered = inf
        self._is_at_end = False
        self._moved = asyncio.Event()

    def answer(self, time: Timestamp | None) -> None:
        """The server has answered, and says what time it was."""
        self._time = time or self._time
        self._answered = asyncio.get_running_loop().time()

    def meet(self, entry: Entry) -> None:
        """What the stream tells next."""
        self._reached = entry.place.time
        for change in entry.changes:
            if change.method == "POST" and (change.source, change.key) == self._document:
                self._heard[self._reached] = change.seq, change.after
        self._moved.set()

    def end(self, asked: float) -> None:
        """The stream had nothing more when it was asked; where it has told nothing at all of the key, it is behind."""
        if self._heard and self._answered < asked:
            self._is_at_end = True
            self._moved.set()

    async def told(self) -> Told | None:
        """What the stream tells of it, once it is answered; None: nobody can say which event that was."""
        while self._time not in self._heard and self._reached <= self._time and not self._is_at_end:
            self._moved.clear()
            await self._moved.wait()
        return self._heard.get(self._time, self.only)

    @property
    def only(self) -> Told | None:
        """What was told of inserts of this key, if it was one: where nothing more comes, that one is ours."""
        return next(iter(self._heard.values())) if len(self._heard) == 1 else None


class Echoes:
    """Those that are waited for."""

    def __init__(self) -> None:
        self._marks: dict[Any, asyncio.Future[Told]] = {}
        self._insertions: set[Insertion] = set()

    def expect(self, mark: Any) -> asyncio.Future[Told]:
        """What will be told of a mark."""
        return self._marks.setdefault(mark, asyncio.get_running_loop().create_future())

    def insertion(self, source: str, key: Key) -> Insertion:
        """An insert that is about to be sent."""
        found = Insertion(source, key)
        self._insertions.add(found)
        return found

    def forget(self, mark: Any) -> None:
        """Nobody waits for a mark, or an insertion, any more."""
        self._marks.pop(mark, None)
        self._insertions.discard(mark)

    def end(self, asked: float) -> None:
        """The stream was asked for more at a time of the loop, and has nothing."""
        for insertion in self._insertions:
            insertion.end(asked)

    def met(self, entry: Entry, seq: str) -> None:
        """The stream has told an entry."""
        for insertion in self._insertions:
            insertion.meet(entry)
        mark = entry.mark
        if mark is None or (entry.is_mark and (mark.source is not None or mark.origin is not None)):
            return  # of an own write that is marked, the write itself comes after its mark
        waiting = self._marks.get(mark.id)
        if waiting is not None and not waiting.done():
            waiting.set_result((seq, entry.changes[0].after if entry.changes else None))
