"""Transaction: writes to MongoDB that stand or fall together, each marked, so that the stream tells which it was.

Four rules. The mark of a write is written before it. What changes nothing writes nothing. One that is refused before
it has written anything is refused alone; any other refusal is the whole transaction's. What is given up is undone at
the server, however little time is left: it would hold its documents for a minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pymongo
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import BulkWriteError

from ..change import Row
from ..errors import (
    BulkRefused,
    Conflict,
    ConstraintViolated,
    DocumentNotFound,
    KeyReused,
    RequestError,
    StoreUnavailable,
)
from ..input import refused
from ..portable import same
from .base import Bulk, Idempotency, Log, Sweep, Write, Written
from .mongo_connection import Database, translation
from .mongo_events import names_of
from .mongo_list import Lists
from .mongo_models import KEY, DocumentSource, document_source
from .mongo_step import Step, called, check, insert
from .mongo_values import decoded, identity, stored_again

Job = Write | Bulk | Sweep

END = 5.0
"""Seconds that the end of a transaction may take: its commit, or that it is undone."""
UNKNOWN = "MongoDB takes too long to say whether it has written this; it may have"


class GivenUp(StoreUnavailable):
    """It is not tried again: there is no time for that, or it may be done."""


@dataclass(slots=True)
class Done:
    """What a job did.  remembered: the answers of the first request, which this one repeats."""

    steps: list[Step] = field(default_factory=list)
    asked: Idempotency | None = None
    remembered: list[Written] | None = None


@dataclass(slots=True)
class Insert:
    """A document that waits to be sent with others."""

    step: Step
    document: dict[str, Any]
    origin: str | None
    place: int


class Transaction:
    """Does jobs in one transaction. Made anew whenever it is tried again."""

    def __init__(self, database: Database, log: Log, lists: Lists, session: AsyncClientSession) -> None:
        self._database = database
        self._names = names_of(log)
        self._lists = lists
        self._session = session
        self._inserts: list[Insert] = []

    async def perform(self, jobs: Sequence[Job]) -> list[Done | Exception]:
        """Do the jobs; what one is refused before it has written anything concerns that one alone."""
        try:
            return await self._perform(jobs)
        except BaseException:
            with pymongo.timeout(None), suppress(TimeoutError):
                async with asyncio.timeout(END):
                    if self._session.in_transaction:
                        await self._session.abort_transaction()
            raise

    async def commit(self) -> None:
        """Commit what was done, and ask for that until the server says what has become of it. Raises GivenUp."""
        try:
            with pymongo.timeout(None):
                async with asyncio.timeout(END):
                    while not await self._is_committed():
                        pass
        except TimeoutError:
            raise GivenUp(UNKNOWN) from None

    async def _is_committed(self) -> bool:
        try:
            await self._session.commit_transaction()
        except pymongo.errors.PyMongoError as error:
            if not error.has_error_label("UnknownTransactionCommitResult"):
                raise
            return False
        return True

    async def _perform(self, jobs: Sequence[Job]) -> list[Done | Exception]:
        outcomes: list[Done | Exception] = []
        for job in jobs:
            try:
                outcomes.append(await self._job(job))
            except (RequestError, ConstraintViolated) as error:
                outcomes.append(error)
        await self._send()
        return outcomes

    async def _job(self, job: Job) -> Done:
        if isinstance(job, Write):
            if job.idempotency and (found := await self._remembered(job.idempotency, job.source)):
                return Done(remembered=found, asked=job.idempotency)
            done = Done([await self._step(job)], job.idempotency)
        else:
            bulk = await self._bulk(job)
            if not bulk.writes:
                return Done()
            source = bulk.writes[0].source
            if bulk.idempotency and (found := await self._remembered(bulk.idempotency, source)):
                return Done(remembered=found, asked=bulk.idempotency)
            done = Done(await self._steps(bulk), bulk.idempotency)
        if done.asked:
            await self._send()
            await self._remember(done.asked, done.steps)
        return done

    # --- one write ------------------------------------------------------------------------------------------

    async def _step(self, write: Write, place: int = 0) -> Step:
        if write.key is None:
            return await self._insert(write, place)
        return await self._change(document_source(write.source), write)

    async def _insert(self, write: Write, place: int) -> Step:
        step = await insert(write)
        step.mark = ObjectId()
        self._inserts.append(Insert(step, step.stored or {}, write.origin, place))
        return step

    async def _change(self, source: DocumentSource, write: Write) -> Step:
        assert write.key is not None
        await self._send()
        key = source.encode_key(write.key)
        collection = self._database[source.name]
        stored = await collection.find_one({KEY: {"$eq": key}}, session=self._session)
        if stored is None:
            raise DocumentNotFound("there is no such document")
        key, row = stored[KEY], source.row(stored)
        wanted = await called(write, write.change, row)
        if wanted is None:
            step = Step(source, key, row, ObjectId(), is_gone=True, stored=stored)
            await check(write, step)
            await self._mark([(step, write.origin)])
            await collection.delete_one({KEY: {"$eq": key}}, session=self._session)
            return step
        changed = self._changed(source, row, wanted)
        after = stored_again({**stored, **changed})
        step = Step(source, key, source.row(after), ObjectId() if changed else None, stored=after)
        await check(write, step)
        if changed:
            await self._mark([(step, write.origin)])
            await collection.update_one({KEY: {"$eq": key}}, {"$set": changed}, session=self._session)
        return step

    def _changed(self, source: DocumentSource, row: Row, wanted: dict[str, Any]) -> dict[str, Any]:
        source.check_names(wanted)
        changed = {}
        for attribute, value in wanted.items():
            found = source.fields[attribute]
            if attribute in row and same(row[attribute], value):
                continue
            stored = found.encode(value)
            if attribute in row and same(found.codec.decode(stored), row[attribute]):
                continue
            if found.name == KEY:
                raise refused(attribute, "can't be changed: it is the document's key")
            if stored is None and found.is_needed:
                raise ConstraintViolated("not null", [attribute])
            changed[found.name] = stored
        return changed

    async def _send(self) -> None:
        """Insert what waits."""
        inserts, self._inserts = self._inserts, []
        if not inserts:
            return
        await self._mark([(each.step, each.origin) for each in inserts])
        while inserts:
            source = inserts[0].step.source
            together = [each for each in inserts if each.step.source.name == source.name]
            inserts = [each for each in inserts if each.step.source.name != source.name]
            try:
                await self._database[source.name].insert_many(
                    [each.document for each in together], session=self._session
                )
            except BulkWriteError as error:
                told = (error.details or {}).get("writeErrors") or [{}]
                place = together[told[0].get("index", 0)].place
                raise Refused(place, named(source, translation(error))) from error

    async def _mark(self, steps: Sequence[tuple[Step, str | None]]) -> None:
        at = datetime.now(UTC)
        marks = [
            {
                KEY: step.mark,
                "source": step.source.name,
                "key": identity(step.key),
                "origin": origin,
                "at": at,
            }
            for step, origin in steps
        ]
        await self._database[self._names.writes].insert_many(marks, session=self._session)

    # --- several writes -------------------------------------------------------------------------------------

    async def _bulk(self, job: Bulk | Sweep) -> Bulk:
        if isinstance(job, Bulk):
            return job
        await self._send()
        if job.check:
            job.check(None)
        source = document_source(job.source)
        found: list[RawBSONDocument] = [
            stored async for stored in self._lists.found(source, job.query, None, self._session)
        ]
        if job.seen:
            job.seen([source.row(decoded(stored.raw)) for stored in found])
        keys = [(source.key_field.codec.decode(stored[KEY]),) for stored in found]
        writes = [
            Write(source, key, job.change, f"{job.origin}.{place}" if job.origin else None)
            for place, key in enumerate(keys)
        ]
        return Bulk(writes if job.around is None else list(map(job.around, writes)))

    async def _steps(self, bulk: Bulk) -> list[Step]:
        steps = []
        try:
            for place, write in enumerate(bulk.writes):
                try:
                    steps.append(await self._step(write, place))
                except Refused:
                    raise
                except Exception as error:
                    if _is_retried(error):
                        raise
                    raise BulkRefused(
                        place, named(document_source(write.source), translation(error))
                    ) from error
            await self._send()
        except Refused as error:
            raise BulkRefused(error.place, error.error) from error
        last = {step.place: step for step in steps}
        for place, step in enumerate(steps):
            final = last[step.place]
            if step.is_new and final.is_gone:
                raise BulkRefused(place, Conflict("a later write took the document away"))
            if not final.is_gone:
                step.row, step.stored = final.row, final.stored
        return steps

    # --- repeated requests ----------------------------------------------------------------------------------

    async def _remembered(self, asked: Idempotency, source: Any) -> list[Written] | None:
        found = await self._database[self._names.answers].find_one({KEY: asked.key}, session=self._session)
        if found is None:
            return None
        if (found["digest"], found["source"]) != (asked.digest, source.name):
            raise KeyReused("this Idempotency-Key was used for another request")
        read = document_source(source).row
        return [Written(read(stored), found.get("seq"), repeated=True) for stored in found["answers"]]

    async def _remember(self, asked: Idempotency, steps: Sequence[Step]) -> None:
        answer = {
            KEY: asked.key,
            "digest": asked.digest,
            "source": steps[0].source.name,
            "answers": [step.stored for step in steps],
            "at": datetime.now(UTC),
        }
        await self._database[self._names.answers].insert_one(answer, session=self._session)


@dataclass
class Refused(Exception):
    """One of several documents that were sent together is refused."""

    place: int
    error: Exception


def named(source: DocumentSource, error: Exception) -> Exception:
    """An error with the model's attributes for what is stored."""
    if not isinstance(error, ConstraintViolated):
        return error
    attributes = {found.name: found.attribute for found in source.fields.values()}
    return ConstraintViolated(error.kind, [attributes.get(name, name) for name in error.fields])


def _is_retried(error: Exception) -> bool:
    return isinstance(error, pymongo.errors.PyMongoError) and (
        error.has_error_label("TransientTransactionError") or error.timeout
    )
