"""What MongoDB's store keeps beside the users' documents: the epoch, cursors, letters, old marks and answers.

It knows the collections of the log, and no stream.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from ..cause import Cause
from ..errors import StoreUnavailable
from . import log_format
from .base import Letter, Letters, LetterState, Log
from .mongo_connection import Database, translated
from .mongo_events import names_of
from .mongo_models import KEY
from .mongo_seq import new_epoch

IDEMPOTENT_FOR = 24 * 3600.0
"""Seconds for which the answer to an Idempotency-Key is kept."""
MARKS_FOR = 600.0
"""Seconds for which the marks of writes are kept."""


class LogCollections:
    """The collections of one log in one database."""

    def __init__(self, database: Database, log: Log) -> None:
        self._names = names_of(log)
        self._database = database.with_options(write_concern=WriteConcern("majority"))

    def _collection(self, name: str) -> Any:
        return self._database[name]

    async def check_format(self) -> bool:
        """Whether the log says that it has this version's format. Raises ConfigurationError for a newer one."""
        with translated():
            told = await self._collection(self._names.meta).find_one({KEY: log_format.NAME})
        return told is not None and log_format.is_entry_present(told)

    async def epoch(self) -> str:
        """The epoch; it is drawn if there is none, and the format remembered."""
        if not await self.check_format():
            await self._remember_format()
        with translated():
            meta = self._collection(self._names.meta)
            with suppress(DuplicateKeyError):  # it was drawn before, or by another process just now
                await meta.insert_one({KEY: "epoch", "value": new_epoch()})
            found = await meta.find_one({KEY: "epoch"})
        if found is None:
            raise StoreUnavailable("the change log is gone from the database")
        return str(found["value"])

    async def _remember_format(self) -> None:
        name = {KEY: log_format.NAME}
        with translated():
            await self._collection(self._names.meta).replace_one(
                name, {**name, **log_format.ENTRY}, upsert=True
            )

    async def renew(self) -> str:
        """Draw another epoch; the answer is that."""
        drawn = new_epoch()
        with translated():
            await self._collection(self._names.meta).update_one(
                {KEY: "epoch"}, {"$set": {"value": drawn}}, upsert=True
            )
        return drawn

    async def reset(self, mark: Any, source: str, cause: Cause) -> None:
        """Have the stream tell a RESET."""
        document = {KEY: mark, "source": source, "cause": cause.value, "at": datetime.now(UTC)}
        with translated():
            await self._collection(self._names.resets).insert_one(document)

    async def tidy(self, now: float) -> None:
        """Forget old answers, marks and RESETs. now: since 1970."""
        with translated():
            for name, kept in (
                (self._names.answers, IDEMPOTENT_FOR),
                (self._names.writes, MARKS_FOR),
                (self._names.resets, MARKS_FOR),
            ):
                before = datetime.fromtimestamp(now - kept, UTC)
                await self._collection(name).delete_many({"at": {"$lt": before}})

    async def answers(self, source: str, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        """What was stored by requests of one document, by their Idempotency-Keys, as far as it is remembered."""
        asked = {KEY: {"$in": list(keys)}, "source": source, "answers": {"$size": 1}}
        with translated():
            # Lists show what a majority has: no less is to be known here, and nothing that may be undone.
            concerned = self._collection(self._names.answers).with_options(
                read_preference=ReadPreference.PRIMARY, read_concern=ReadConcern("majority")
            )
            found = await concerned.find(asked).to_list()
        return {one[KEY]: one["answers"][0] for one in found if one["answers"][0] is not None}

    # --- cursors --------------------------------------------------------------------------------------------

    async def cursor(self, name: str) -> str | None:
        """Where a durable listener stands."""
        with translated():
            found = await self._collection(self._names.cursors).find_one({KEY: name})
        return None if found is None else found.get("seq")

    async def hold_cursor(self, name: str, owner: str, until: float, now: float) -> bool:
        """Take or keep the lease."""
        free = [{"owner": None}, {"owner": owner}, {"until": None}, {"until": {"$lte": now}}]
        with translated():
            try:
                await self._collection(self._names.cursors).update_one(
                    {KEY: name, "$or": free}, {"$set": {"owner": owner, "until": until}}, upsert=True
                )
            except DuplicateKeyError:  # it is there, and another's
                return False
        return True

    async def move_cursor(self, name: str, owner: str, seq: str) -> bool:
        """Move a cursor that ``owner`` holds."""
        with translated():
            moved = await self._collection(self._names.cursors).update_one(
                {KEY: name, "owner": owner}, {"$set": {"seq": seq}}
            )
        return bool(moved.matched_count)


class MongoLetters(Letters):
    """The letters of one log. database: gives it, once the store is started."""

    def __init__(self, log: Log, database: Callable[[], Database]) -> None:
        self._name = names_of(log).letters
        self._database = database

    async def read(
        self, webhook: str, states: Collection[LetterState], after: str = "", limit: int = 100
    ) -> list[Letter]:
        asked = {"webhook": webhook, "state": {"$in": list(states)}, "seq": {"$gt": after}}
        with translated():
            found = await self._database()[self._name].find(asked).sort("seq").limit(limit).to_list()
        return [Letter(**{name: each for name, each in one.items() if name != KEY}) for one in found]

    async def keep(self, letter: Letter, most: int) -> int:
        collection = self._database()[self._name]
        with translated():
            await collection.replace_one(_key(letter.webhook, letter.seq), asdict(letter), upsert=True)
            dead = {"webhook": letter.webhook, "state": "dead"}
            gone = await collection.find(dead).sort([("since", -1), ("seq", -1)]).skip(most).to_list()
            if gone:
                await collection.delete_many({KEY: {"$in": [one[KEY] for one in gone]}})
        return len(gone)

    async def drop(self, webhook: str, seq: str) -> None:
        with translated():
            await self._database()[self._name].delete_one(_key(webhook, seq))


def _key(webhook: str, seq: str) -> dict[str, Any]:
    return {KEY: f"{seq} {webhook}"}
