"""A turn: what is published within one turn of the loop, until it has been written to sockets.

Three rules. What one turn publishes leaves at its end, as one write to each socket; nothing waits for a timer. A
session hears everything in the order in which it was published, whichever way it takes: who does something else with
a session that is written to *settles* it first, so that what is on its way is in its queue. A fan-out to many lets
others have their turn in between.

It decides nothing about messages: what can't be written at once, the exchange queues.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from .audience import Sessions
from .load import Entry, Load, loads
from .message import Message
from .position import Step, move
from .session import Session

SLICE = 256
"""Sockets that are written to before others have their turn."""
BACKLOG = 1_048_576
"""Bytes of messages that are on their way before whoever publishes more has them all written first."""


class Waiting(Protocol):
    """A link with something to write at the end of this turn."""

    def flush(self) -> None:
        """Write what waits."""


class _Batch:
    """Messages, one after the other, that the same sessions hear.

    settled: how many of them some have in their queue already.
    """

    __slots__ = ("deaf", "entries", "receivers", "settled", "source", "version")

    def __init__(self, source: Sessions, version: int, deaf: Session | None) -> None:
        self.source = source
        self.version = version
        self.deaf = deaf
        self.entries: list[Entry] = []
        self.settled: dict[Session, int] = {}
        self.receivers = source.copy()
        if deaf is not None:
            self.receivers.pop(deaf, None)

    def take(self, session: Session) -> list[Entry]:
        """What is on its way to a session, which then is not any more; what comes later is."""
        if session not in self.receivers:
            return []
        count = self.settled.get(session, 0)
        self.settled[session] = len(self.entries)
        return self.entries[count:]


class _Course:
    """The messages of one turn that some sessions hear, and no others: a node in the tree of such sequences."""

    __slots__ = ("_batches", "_loads", "_next")

    def __init__(self, batches: tuple[_Batch, ...] = ()) -> None:
        self._batches = batches
        self._next: dict[int, _Course] = {}
        self._loads: list[Load] | None = None

    def then(self, number: int, batch: _Batch) -> _Course:
        """The same and then a batch; ``number``: which of the turn's."""
        found = self._next.get(number)
        if found is None:
            found = self._next[number] = _Course((*self._batches, batch))
        return found

    @property
    def entries(self) -> list[Entry]:
        return [entry for batch in self._batches for entry in batch.entries]

    @property
    def loads(self) -> list[Load]:
        if self._loads is None:
            self._loads = [*loads(self.entries)]
        return self._loads


class _Wave:
    """What is on its way to many sockets: for each that has not been written to, its course.

    whole: the course of those for which none is noted.  is_alike: it is that of all.
    """

    __slots__ = ("courses", "is_alike", "size", "whole")

    def __init__(self, batches: list[_Batch], size: int) -> None:
        self.size = size
        self.whole = root = _Course()
        self.courses: dict[Session, _Course | None]
        self.is_alike = len(batches) == 1
        if self.is_alike:
            self.whole = root.then(0, batches[0])
            self.courses = batches[0].receivers  # type: ignore[assignment]
            return
        courses = self.courses = {}
        for number, batch in enumerate(batches):
            for session in batch.receivers:
                courses[session] = (courses.get(session) or root).then(number, batch)

    def take(self, session: Session) -> list[Entry]:
        """What is on its way to a session, which then is not any more."""
        if session not in self.courses:
            return []
        return (self.courses.pop(session) or self.whole).entries


class Turn:
    """What waits for the end of the turn.

    Args:
        queue: queues for a session what can't be written to its socket at once.
        delivered: is told how many messages went to receivers.
        is_plain: whether messages go to sockets as they were published.
    """

    def __init__(
        self,
        queue: Callable[[Session, Sequence[Entry]], None],
        delivered: Callable[[int], None],
        is_plain: Callable[[], bool],
    ) -> None:
        self._queue = queue
        self._delivered = delivered
        self._is_plain = is_plain
        self._batches: list[_Batch] = []
        self._size = 0
        self._waves: deque[_Wave] = deque()
        self._links: dict[Waiting, None] = {}
        self._handle: asyncio.Handle | None = None

    def close(self) -> None:
        """Forget everything."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._batches.clear()
        self._waves.clear()
        self._links.clear()
        self._size = 0

    def wake(self, link: Waiting) -> None:
        """Have it write what waits, at the end of this turn."""
        self._links[link] = None
        self._wind()

    def add(
        self, message: Message, before: str | None, source: Sessions, version: int, deaf: Session | None
    ) -> None:
        """Have a message written to the sockets of many.

        Args:
            before: where on its kept channel those are who have no position there.
            source: to whom.  version: as long as it is the same, ``source`` is.  deaf: who does not hear it.
        """
        batch = self._batches[-1] if self._batches else None
        if batch is None or batch.source is not source or batch.version != version or batch.deaf is not deaf:
            batch = _Batch(source, version, deaf)
            self._batches.append(batch)
        batch.entries.append((message, before))
        self._size += len(message.body)
        if self._size > BACKLOG:
            self.finish()
        else:
            self._wind()

    def settle(self, session: Session) -> None:
        """Queue for a session what is on its way to it."""
        several: list[_Wave | _Batch] = [*self._waves, *self._batches]
        for some in several:
            if entries := some.take(session):
                self._queue(session, entries)

    def finish(self) -> None:
        """Write all that is on its way, without letting anybody have his turn."""
        self._seal()
        while self._waves:
            self._run(self._waves[0], len(self._waves[0].courses))

    def _wind(self) -> None:
        if self._handle is None:
            self._handle = asyncio.get_running_loop().call_soon(self._end)

    def _end(self) -> None:
        self._handle = None
        self._seal()
        room = SLICE
        while self._waves and room > 0:
            room -= self._run(self._waves[0], room)
        links, self._links = self._links, {}
        for link in links:
            link.flush()
        if self._waves:
            self._wind()

    def _seal(self) -> None:
        if not self._batches:
            return
        batches, self._batches = self._batches, []
        for session in {session: None for batch in batches for session in batch.settled}:
            # It has something before that in its queue.
            self._queue(session, [entry for batch in batches for entry in batch.take(session)])
            for batch in batches:
                batch.receivers.pop(session, None)
        self._waves.append(_Wave(batches, sum(_size(batch) for batch in batches)))

    def _run(self, wave: _Wave, most: int) -> int:
        """Write to some of a wave's sockets; to how many."""
        courses = wave.courses
        taken = [courses.popitem() for _ in range(min(most, len(courses)))]
        if wave.is_alike:
            sessions = [session for session, _ in taken]
            for load in wave.whole.loads:
                self._write(sessions, load)
        else:
            for session, course in taken:
                for load in (course or wave.whole).loads:
                    self._write((session,), load)
        if not courses and self._waves and self._waves[0] is wave:
            self._waves.popleft()
            self._size -= wave.size
        return len(taken)

    def _write(self, sessions: Sequence[Session], load: Load) -> None:
        """Write a load straight to each socket before which nothing waits, and queue it for the others."""
        frame, steps = load.frame, load.steps
        late: Sequence[Session]
        if steps is None or not self._is_plain():
            late = sessions
        elif steps:
            late = [one for one in sessions if not _write_on(one, frame, steps)]
        else:
            late = []
            # This is what a message costs for each of its receivers: no calls but the write.
            for session in sessions:
                if (write := session.outlet) is not None:
                    write(frame)
                else:
                    late.append(session)
        self._delivered((len(sessions) - len(late)) * len(load.entries))
        for session in late:
            self._queue(session, load.entries)


def _write_on(session: Session, frame: bytes, steps: Sequence[Step]) -> bool:
    """Write to a receiver of channels with a history what comes next there; whether it is that."""
    write = session.outlet
    if write is None or not move(session.positions, steps):
        return False
    write(frame)
    return True


def _size(batch: _Batch) -> int:
    return sum(len(message.body) for message, _ in batch.entries)
