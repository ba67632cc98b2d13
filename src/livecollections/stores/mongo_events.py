"""Events: what a change stream of the whole database tells, as entries of the log.

Two rules. Every event has its place, whatever it is about, since events are counted before any filter. An origin stands
in the event before the write that it is of, in the same transaction (``<prefix>writes``).

It knows the form of events, and no connection.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bson.timestamp import Timestamp

from ..cause import Cause
from ..change import Change, Method, Row
from .base import Log
from .mongo_images import AFTER, Image, images
from .mongo_models import KEY, DocumentSource
from .mongo_seq import Counter, Place, seq
from .mongo_values import identity, native

logger = logging.getLogger("livecollections.store")

WRITES = frozenset({"insert", "update", "replace", "delete"})
GONE = {"drop": Cause.TABLE_GONE, "rename": Cause.TABLE_REBUILT, "dropDatabase": Cause.TABLE_GONE}
Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Names:
    """The collections that the store itself needs."""

    prefix: str

    @property
    def meta(self) -> str:
        """The epoch, and what was done to collections when capture was installed."""
        return f"{self.prefix}meta"

    @property
    def writes(self) -> str:
        """The marks of own writes."""
        return f"{self.prefix}writes"

    @property
    def resets(self) -> str:
        """The RESETs that a program asked for."""
        return f"{self.prefix}resets"

    @property
    def cursors(self) -> str:
        """Where durable listeners stand."""
        return f"{self.prefix}cursors"

    @property
    def answers(self) -> str:
        """The answers to requests that may be repeated."""
        return f"{self.prefix}idempotency"

    @property
    def letters(self) -> str:
        """What the receivers of webhooks have not taken."""
        return f"{self.prefix}letters"

    @property
    def aging(self) -> tuple[str, ...]:
        """Those of which the old is forgotten."""
        return self.writes, self.resets, self.answers

    @property
    def all(self) -> tuple[str, ...]:
        """All of them."""
        return self.meta, self.writes, self.resets, self.cursors, self.answers, self.letters


def names_of(log: Log) -> Names:
    """The collections of a log."""
    return Names(log.prefix)


@dataclass(frozen=True, slots=True)
class Mark:
    """What tells an own write in the stream. id: of the mark.  key: as it is stored; of the document written."""

    id: Any
    source: str | None
    key: bytes | None
    origin: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """What an event says.

    place: of it.  changes: that it is.  mark: of the own write that it is, or begins.  epoch: that begins with it.
    """

    place: Place
    changes: tuple[Change, ...] = ()
    mark: Mark | None = None
    is_mark: bool = False
    epoch: str | None = None


class Reader:
    """Reads the events of one stream in their order.

    sources: by the names of their collections, all that are described of each.  epoch: of the log.
    """

    def __init__(self, log: Log, sources: Mapping[str, DocumentSource], epoch: str) -> None:
        self.epoch = epoch
        self._names = names_of(log)
        self._sources = sources
        self._counter = Counter()
        self._time: Timestamp | None = None
        self._marks: list[Mark] = []

    def read(self, event: Event) -> Entry:
        """The entry of the next event."""
        time, kind = event["clusterTime"], event["operationType"]
        if time != self._time:
            self._time, self._marks = time, []
        place = self._counter.place(time, 2 if kind == "rename" else 1)
        collection = (event.get("ns") or {}).get("coll", "")
        if kind in GONE:
            return Entry(place, tuple(self._gone(event, kind, collection, place)))
        if kind not in WRITES:
            return Entry(place)
        if collection in self._names.all:
            return self._own(event, kind, collection, place)
        source = self._sources.get(collection)
        if source is None:
            return Entry(place)
        mark = self._taken(collection, event["documentKey"][KEY])
        try:
            return Entry(place, tuple(self._written(source, event, place, mark)), mark)
        except Exception:  # whatever a codec of the user's may do
            logger.exception("an event of %s can't be read, receivers read it all again", collection)
            return Entry(place, (self._reset(collection, place, event, Cause.UNDECODABLE),), mark)

    def _own(self, event: Event, kind: str, collection: str, place: Place) -> Entry:
        document = event.get(AFTER)
        if document is None:
            return Entry(place)
        if collection == self._names.writes and kind == "insert":
            mark = Mark(document[KEY], document.get("source"), document.get("key"), document.get("origin"))
            if mark.source is not None or mark.origin is not None:
                self._marks.append(mark)
            return Entry(place, mark=mark, is_mark=True)
        if collection == self._names.resets and kind == "insert" and document.get("source") in self._sources:
            change = self._reset(document["source"], place, event, Cause.stored(document.get("cause")))
            mark = Mark(document[KEY], None, None, None)
            return Entry(place, (change,), mark)
        if collection == self._names.meta and document[KEY] == "epoch":
            self.epoch = document["value"]
            return Entry(place, epoch=self.epoch)
        return Entry(place)

    def _taken(self, collection: str, key: Any) -> Mark | None:
        """The mark of a write, which is of one event only."""
        if not self._marks:
            return None
        wanted = identity(native(key))
        for number, mark in enumerate(self._marks):
            if mark.source is None or (mark.source == collection and mark.key == wanted):
                return self._marks.pop(number)
        return None

    def _written(
        self, source: DocumentSource, event: Event, place: Place, mark: Mark | None
    ) -> Iterator[Change]:
        before, after = images(event)
        kind = event["operationType"]
        if after is None and kind != "delete":
            return  # it has gone since, which is told later
        key = source.key_field.codec.decode(event["documentKey"][KEY])
        was, now = _row(source, before), _row(source, after)
        if kind == "delete" and was is None:
            was = {source.key[0]: key}
        if was is not None and was == now:
            return
        method: Method = "DELETE" if now is None else "POST" if kind == "insert" else "PUT"
        text = seq(self.epoch, place)
        origin = None if mark is None else mark.origin
        yield Change(text, source.name, method, (key,), was, now, origin, _at(event))

    def _gone(self, event: Event, kind: str, collection: str, place: Place) -> Iterator[Change]:
        for number, name in enumerate((collection, (event.get("to") or {}).get("coll"))):
            if name is not None and name in self._sources:
                at = Place(*place[:2], place.number - 1 + number) if kind == "rename" else place
                yield self._reset(name, at, event, GONE[kind])

    def _reset(self, source: str, place: Place, event: Event, cause: Cause) -> Change:
        return Change(seq(self.epoch, place), source, "RESET", (), None, None, None, _at(event), cause)


def _row(source: DocumentSource, image: Image | None) -> Row | None:
    return None if image is None else source.row(image)


def _at(event: Event) -> float:
    wall = event.get("wallTime")
    return wall.timestamp() if wall is not None else float(event["clusterTime"].time)
