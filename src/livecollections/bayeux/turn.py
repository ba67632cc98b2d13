"""A turn: what is published within one turn of the loop, until it has been written to sockets.

Three rules. What one turn publishes leaves at its end, as one write to each socket; nothing waits for a timer. A
session hears everything in the order in which it was published, whichever way it takes: who does something else with
a session that is written to *settles* it first, so that what is on its way is in its queue. A fan-out to many lets
others have their turn in between.

It decides nothing about messages: what can't be written at once, the exchange queues.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from operator import length_hint
from typing import Protocol

from .audience import Roll, Sessions
from .load import Entry, Load, loads
from .position import are_next, move
from .sent import is_told, tell_sent
from .session import Session
from .straight import write_to

logger = logging.getLogger("livecollections.bayeux")

SLICE = 256
"""Sockets that are written to before others have their turn."""
LIGHT = 4
"""Sessions for which messages are queued in the place of one socket that is written to."""
WOKEN = 64
"""Links that write what waits before others have their turn: past no transport, each runs a task for it."""
BACKLOG = 1_048_576
"""Bytes of messages that are on their way before whoever publishes more has them all written first."""


class Waiting(Protocol):
    """A link with something to write at the end of this turn."""

    def flush(self) -> None:
        """Write what waits."""


class _Batch:
    """Messages, one after the other, that the same sessions hear.

    deaf: who does not.  settled: how many of them some have in their queue already.
    """

    __slots__ = ("deaf", "entries", "roll", "settled")

    def __init__(self, roll: Roll, deaf: Session | None) -> None:
        self.roll = roll
        self.deaf = deaf
        self.entries: list[Entry] = []
        self.settled: dict[Session, int] = {}

    def take(self, session: Session) -> list[Entry]:
        """What is on its way to a session, which then is not any more; what comes later is."""
        if session is self.deaf or session not in self.roll.places:
            return []
        count = self.settled.get(session, 0)
        self.settled[session] = len(self.entries)
        return self.entries[count:]


class _Course:
    """The messages of one turn that some sessions hear, and no others: a node in the tree of such sequences."""

    __slots__ = ("_batches", "_next", "sessions")

    def __init__(self, batches: tuple[_Batch, ...] = ()) -> None:
        self._batches = batches
        self._next: dict[int, _Course] = {}
        self.sessions: dict[Session, None] = {}

    def then(self, number: int, batch: _Batch) -> _Course:
        """The same and then a batch; ``number``: which of the turn's."""
        found = self._next.get(number)
        if found is None:
            found = self._next[number] = _Course((*self._batches, batch))
        return found

    @property
    def entries(self) -> list[Entry]:
        return [entry for batch in self._batches for entry in batch.entries]


class _Wave:
    """Messages on their way to many sockets, which are written to in the order of a roll, a slice at a time.

    passed: those of the roll that have them otherwise, or not at all.  reached: how many were written to.
    is_written: whether they are written to; elsewhere messages are queued for their links to take.
    """

    __slots__ = ("_loads", "entries", "is_written", "passed", "reached", "roll")

    def __init__(
        self, entries: list[Entry], roll: Roll, passed: Sessions, *, is_written: bool = True
    ) -> None:
        self.entries = entries
        self.is_written = is_written
        self.roll = roll
        self.passed = passed
        self.reached = 0
        self._loads: list[Load] | None = None

    @property
    def loads(self) -> list[Load]:
        if self._loads is None:
            self._loads = [*loads(self.entries)]
        return self._loads

    @property
    def size(self) -> int:
        return sum(len(message.body) for message, *_ in self.entries)

    @property
    def is_over(self) -> bool:
        return self.reached >= len(self.roll.sessions)

    def take(self, session: Session) -> list[Entry]:
        """What is on its way to a session, which then is not any more."""
        if session in self.passed or self.roll.places.get(session, -1) < self.reached:
            return []
        self.passed[session] = None
        return self.entries

    def among(self, sessions: Sessions, start: int, end: int) -> set[int]:
        """The places of a slice at which some of these sessions are."""
        if not sessions:
            return set()
        if len(sessions) > end - start:
            return {place for place in range(start, end) if self.roll.sessions[place] in sessions}
        places = self.roll.places
        return {place for session in sessions if start <= (place := places.get(session, -1)) < end}


def _passed(batch: _Batch, queued: Sessions) -> Sessions:
    return queued if batch.deaf is None else {**queued, batch.deaf: None}


def _waves(batches: Sequence[_Batch], queued: Sessions) -> list[_Wave]:
    """What is written in a turn: a wave for all who hear the same.

    Args:
        queued: those that have it in their queue.
    """
    if len(batches) == 1:
        (batch,) = batches
        return [_Wave(batch.entries, batch.roll, _passed(batch, queued))]
    root = _Course()
    courses: dict[Session, _Course] = {}
    for number, batch in enumerate(batches):
        for session in batch.roll.sessions:
            if session is not batch.deaf:
                courses[session] = courses.get(session, root).then(number, batch)
    for session, course in courses.items():
        if session.is_written and session not in queued:
            course.sessions[session] = None
    found = {id(course): course for course in courses.values()}
    return [_Wave(course.entries, Roll(course.sessions), {}) for course in found.values()]


class Turn:
    """What waits for the end of the turn.

    Args:
        queue: queues for sessions what can't be written to their sockets at once.
        delivered: is told how many messages went to receivers.
        is_plain: whether messages go to sockets as they were published.
    """

    def __init__(
        self,
        queue: Callable[[Sequence[Session], Sequence[Entry]], None],
        delivered: Callable[[int], None],
        is_plain: Callable[[], bool],
    ) -> None:
        self._queue = queue
        self._delivered = delivered
        self._is_plain = is_plain
        self.apart: Sessions = {}
        """Those that are written to straight, but where something waits."""
        self.is_queueing = False
        """Whether something is on its way to sessions that are not written to straight."""
        self._batches: list[_Batch] = []
        self._others: list[_Batch] = []
        self._size = 0
        self._waves: deque[_Wave] = deque()
        self._links: dict[Waiting, None] = {}
        self._started = 0
        self._handle: asyncio.Handle | None = None

    def wake(self, link: Waiting) -> None:
        """Have it write what waits, at the end of this turn."""
        self._links[link] = None
        if self._handle is None:
            self._wind()

    def start(self, link: Waiting) -> None:
        """Have it write what waits at once, or where many begin to write in this turn, in one of the next."""
        if self._started < WOKEN and link not in self._links:
            self._started += 1
            link.flush()
        else:
            self._links[link] = None
        if self._handle is None:
            self._wind()

    def add(self, entry: Entry, roll: Roll, deaf: Session | None) -> None:
        """Have a message written to the sockets of many.

        Args:
            roll: to whom.  deaf: who of them does not hear it.
        """
        self._add(self._batches, entry, roll, deaf)

    def is_late(self, others: Sessions) -> bool:
        """Whether messages are queued for these a slice at a time, as they are many, or others are on their way."""
        return self.is_queueing or len(others) > LIGHT * SLICE

    def add_late(self, entry: Entry, roll: Roll, deaf: Session | None) -> None:
        """As ``add``, for those whose links take what is queued."""
        self.is_queueing = True
        self._add(self._others, entry, roll, deaf)

    def _add(self, batches: list[_Batch], entry: Entry, roll: Roll, deaf: Session | None) -> None:
        batch = batches[-1] if batches else None
        if batch is None or batch.roll is not roll or batch.deaf is not deaf:
            batch = _Batch(roll, deaf)
            batches.append(batch)
        batch.entries.append(entry)
        self._size += len(entry[0].body)
        if self._size > BACKLOG:
            self.finish()
        elif self._handle is None:
            self._wind()

    def settle(self, session: Session) -> None:
        """Queue for a session what is on its way to it."""
        for entries in self._taken(session):
            self._queue((session,), entries)

    def forget(self, session: Session) -> None:
        """Nothing is on its way to it any more."""
        self._taken(session)

    def _taken(self, session: Session) -> list[list[Entry]]:
        several: list[_Wave | _Batch] = [*self._waves, *self._batches, *self._others]
        return [entries for some in several if (entries := some.take(session))]

    def finish(self) -> None:
        """Write all that is on its way, without letting anybody have his turn."""
        self._seal()
        while self._waves:
            self._run(self._waves[0], len(self._waves[0].roll.sessions))

    def _wind(self) -> None:
        self._handle = asyncio.get_running_loop().call_soon(self._end)

    def _end(self) -> None:
        self._handle = None
        self._started = 0
        self._seal()
        room = SLICE
        while self._waves and room > 0:
            wave = self._waves[0]
            share = 1 if wave.is_written else LIGHT
            room -= -(-self._run(wave, share * room) // share)
        for link in [*islice(self._links, WOKEN)]:
            del self._links[link]
            link.flush()
        if (self._waves or self._links) and self._handle is None:
            self._wind()

    def _seal(self) -> None:
        if not self._batches and not self._others:
            return
        batches, self._batches = self._batches, []
        others, self._others = self._others, []
        queued: Sessions = {session: None for batch in (*batches, *others) for session in batch.settled}
        for session in queued:
            # It has something before that in its queue.
            rest = [entry for batch in (*batches, *others) for entry in batch.take(session)]
            self._queue((session,), rest)
        waves = _waves(batches, queued) if batches else []
        waves += [
            _Wave(batch.entries, batch.roll, _passed(batch, {**queued}), is_written=False) for batch in others
        ]
        self._size += sum(wave.size for wave in waves)
        self._size -= sum(len(message.body) for batch in (*batches, *others) for message, *_ in batch.entries)
        self._waves += waves

    def _run(self, wave: _Wave, most: int) -> int:
        """Write to some of a wave's sockets; to how many."""
        start = wave.reached
        end = wave.reached = min(start + most, len(wave.roll.sessions))
        passed = wave.among(wave.passed, start, end)
        if not wave.is_written:
            self._queue([wave.roll.sessions[place] for place in _places(start, end, passed)], wave.entries)
        for load in wave.loads if wave.is_written else ():
            late = self._write(wave, load, start, end, passed)
            self._delivered((end - start - len(late) - len(passed)) * len(load.entries))
            if is_told():
                _tell_sent(wave.roll, load, _places(start, end, {*late, *passed}))
            for place in late:
                session = wave.roll.sessions[place]
                self._queue((session,), load.entries)
                if session.has_ended:
                    passed.add(place)
        if wave.is_over and self._waves and self._waves[0] is wave:
            self._waves.popleft()
            self._size -= wave.size
            self.is_queueing = bool(self._others) or any(not each.is_written for each in self._waves)
        return end - start

    def _write(self, wave: _Wave, load: Load, start: int, end: int, passed: set[int]) -> Collection[int]:
        """Write a load straight to each socket of a slice before which nothing waits; the places of all others."""
        if load.steps is None or not self._is_plain():
            return _places(start, end, passed)
        if load.steps:
            return self._write_on(wave.roll, load, _places(start, end, passed))
        late = wave.among(self.apart, start, end) - passed
        failed: set[int] = set()
        begin = start
        for stop in [*sorted(late | passed), end]:
            failed.update(begin + place for place in _put(wave.roll, begin, stop, load.frame))
            begin = stop + 1
        return late | failed

    def _write_on(self, roll: Roll, load: Load, places: Iterable[int]) -> list[int]:
        """As ``_write``, to receivers of channels with a history: what comes next there."""
        late = []
        frame, steps = load.frame, load.steps or ()
        for place in places:
            session = roll.sessions[place]
            if session in self.apart or not are_next(session.positions, steps):
                late.append(place)
                continue
            try:
                roll.puts[place](frame)
            except Exception as error:
                _tell(error)
                late.append(place)
            else:
                move(session.positions, steps)
        return late


def _places(start: int, end: int, passed: Collection[int]) -> Sequence[int]:
    """Those of a slice, but for some."""
    places = range(start, end)
    return [place for place in places if place not in passed] if passed else places


def _tell_sent(roll: Roll, load: Load, places: Iterable[int]) -> None:
    messages = [message for message, *_ in load.entries]
    for place in places:
        tell_sent(roll.sessions[place], messages)


def _put(roll: Roll, begin: int, end: int, frame: bytes) -> Iterator[int]:
    """Write to sockets of a roll; at which it failed, since they have just been closed."""
    if roll.straights is not None:
        yield from write_to(roll.straights[begin:end], frame)
        return
    puts = roll.puts[begin:end]
    rest = iter(puts)
    while True:
        try:
            for put in rest:
                put(frame)
        except Exception as error:
            _tell(error)
            yield len(puts) - length_hint(rest) - 1
        else:
            return


def _tell(error: Exception) -> None:
    # It has just been closed, and its reader does not know yet.
    logger.debug("a socket could not be written to: %r", error)
