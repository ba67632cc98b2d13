"""The log of a MongoDB database as it stands there: documents as they are stored, whatever models say.

It is the change stream from a place on, of the collections whose images are kept; it ends where the server has no more
for the moment.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any

from bson.timestamp import Timestamp
from pymongo.errors import OperationFailure

from ..cause import Cause
from ..change import EPOCH_WIDTH, Change, Row
from ..errors import ConfigurationError
from .administration import untold
from .base import Log
from .mongo_connection import HISTORY_LOST, Database, translated
from .mongo_events import Entry, Reader, names_of
from .mongo_models import KEY, DocumentSource, describe
from .mongo_reflection import model_of
from .mongo_replay import completed, now, oldest, open_at
from .mongo_seq import LAST, Place, is_seq, place_of
from .mongo_values import native


class AnyDocument(DocumentSource):
    """A collection whose documents are shown as they are stored."""

    def row(self, stored: Mapping[str, Any]) -> Row:
        """A stored document, by its own names."""
        return {name: native(value) for name, value in stored.items()}


def any_document(name: str) -> AnyDocument:
    """The source that a collection is."""
    found = describe(model_of(name, ()), ())
    return AnyDocument(found.name, found.columns, (KEY,), found.model, fields={KEY: found.key_field})


async def entries(
    database: Database, log: Log, collections: Collection[str], since: str | None, follow: bool
) -> AsyncIterator[Change]:
    """The entries of collections after a seq. Raises ConfigurationError where they can't be told."""
    with translated():
        kept = await database[names_of(log).meta].find_one({KEY: "epoch"})
    if kept is None:
        raise ConfigurationError("there is no change log in this database")
    epoch = str(kept["value"])
    after = None if since is None else _place(since, epoch)
    end = await now(database)
    if after is not None and after.time > end:
        raise untold(str(since), Cause.BEYOND_END)
    reader = Reader(log, {name: any_document(name) for name in collections}, epoch)
    is_met = after is None or after.number == LAST
    async for entry in _read(database, reader, await _start(database, log, after)):
        if entry is None or (not follow and entry.place.time > end):
            if follow:
                continue
            return
        if after is not None and entry.place <= after:
            is_met = is_met or entry.place == after
            continue
        if not is_met or (since is not None and entry.epoch is not None):
            raise untold(str(since), Cause.NO_ENTRY if entry.epoch is None else Cause.OTHER_EPOCH)
        for change in entry.changes:
            yield change


def _place(since: str, epoch: str) -> Place:
    if not is_seq(since):
        raise untold(since, Cause.NOT_A_SEQ)
    if since[:EPOCH_WIDTH] != epoch:
        raise untold(since, Cause.OTHER_EPOCH)
    return place_of(since)


async def _start(database: Database, log: Log, after: Place | None) -> Timestamp:
    """The time from which to read: that of a place, or of the epoch's beginning, as far as the oplog goes back."""
    first = await oldest(database)
    if after is not None:
        if first is not None and after.time < first:
            raise untold(f"the time {after.time.as_datetime():%Y-%m-%d %H:%M:%S}", Cause.TRIMMED)
        return after.time
    if first is None:
        raise ConfigurationError("since: this user may not read the oplog, so a seq has to be given")
    drawn = [{"$match": {"documentKey._id": "epoch"}}]
    with translated():
        async with await database[names_of(log).meta].watch(drawn, start_at_operation_time=first) as stream:
            while (event := await stream.try_next()) is not None:
                first = event["clusterTime"]
    return first


async def _read(database: Database, reader: Reader, start: Timestamp) -> AsyncIterator[Entry | None]:
    """The entries from a time on; None where there is none for the moment."""
    try:
        async with await open_at(database, start) as stream:
            while stream.alive:
                event = await stream.try_next()
                yield None if event is None else reader.read(await completed(database, event))
    except OperationFailure as error:
        if error.code in HISTORY_LOST:
            raise untold(f"the time {start.as_datetime():%Y-%m-%d %H:%M:%S}", Cause.TRIMMED) from error
        raise
