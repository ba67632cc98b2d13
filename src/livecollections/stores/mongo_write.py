"""Writes to MongoDB: several share one transaction; what it can't do with all of them it does with each alone.

Four rules. Each answer waits until the stream has told its event, and has its seq and its body. What changed nothing,
or can't be told from what others did, is answered by a read. An insert by itself that names no origin needs no
transaction. What may have been done is not tried again, since nobody can say of a second one what the first has done.

It knows the stream only by its echoes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import pymongo
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from ..change import Key, Row
from ..errors import LiveError, StoreUnavailable
from .base import Bulk, Idempotency, Log, Logged, Snapshot, Write, Written, tells_commits
from .mongo_connection import Database, translation
from .mongo_echoes import Echoes, Insertion, Told
from .mongo_events import names_of
from .mongo_list import Lists
from .mongo_models import KEY, DocumentSource, document_source
from .mongo_seq import is_of_read
from .mongo_step import Step, insert
from .mongo_transaction import END, Done, GivenUp, Job, Refused, Transaction, named

T = TypeVar("T")

LONGEST = 5.0
"""Seconds that a write may take."""
FIRST = 1.0
"""Seconds for which those that come after a write wait for it, and that several may take together: somebody else may
hold a document for long."""
HASTE = 0.5
"""Seconds that a write may still wait for somebody else when a stop is near."""
JOINED = 64
"""The most jobs that share one transaction."""
BUSY = "MongoDB takes too long: it can't be reached, or somebody else holds the document"
TOLD = 2.0
"""Seconds that an answer waits for its own event; after that it goes without a seq."""


Waiting = tuple[Job, asyncio.Future[Done]]
"""A job, and what becomes of it."""


class Writer:
    """Does what waits, in order. read: a document by its key, for what has no event of its own."""

    def __init__(
        self,
        database: Database,
        log: Log,
        lists: Lists,
        echoes: Echoes,
        read: Callable[[DocumentSource, Key], Any],
    ) -> None:
        self._database = database
        self._log = log
        self._lists = lists
        self._echoes = echoes
        self._read = read
        self._acknowledged = database.with_options(write_concern=WriteConcern("majority"))
        self._waiting: list[Waiting] = []
        self._working: asyncio.Task[None] | None = None
        self._is_quiet = True
        """Whether the last write came by itself: where they come together, a short one leaves them less to share."""
        self._answering: set[asyncio.Task[Any]] = set()
        self._apart: set[asyncio.Task[Any]] = set()
        self._first: dict[str, asyncio.Future[None]] = {}

    # --- what waits -----------------------------------------------------------------------------------------

    async def outcome(self, job: Job) -> list[Written]:
        """Wait until a job is done and told; a caller that is cancelled does not stop it."""
        task = asyncio.create_task(self._outcome(job))
        self._answering.add(task)
        task.add_done_callback(self._answered)
        return await asyncio.shield(task)

    def _answered(self, task: asyncio.Task[Any]) -> None:
        self._answering.discard(task)
        if not task.cancelled():
            task.exception()

    async def _outcome(self, job: Job) -> list[Written]:
        done: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
        self._waiting.append((job, done))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await self._answer(job, await done)

    def hasten(self) -> None:
        """What waits for somebody else waits half a second more."""
        for task in self._apart:
            asyncio.get_running_loop().call_later(HASTE, task.cancel)

    async def wait_empty(self) -> None:
        """Return when nothing waits, and everybody has his answer."""
        while self._answering:
            await asyncio.wait(self._answering)

    async def _work(self) -> None:
        while self._waiting:
            batch = self._waiting[:JOINED]
            del self._waiting[:JOINED]
            is_quiet, self._is_quiet = self._is_quiet, len(batch) == 1
            if len(batch) > 1 and _are_apart([job for job, _ in batch]):
                await self._awhile(self._share(batch))
            elif is_quiet and len(batch) == 1 and _is_plain_insert(batch[0][0]):
                await self._awhile(self._alone(*batch[0], inserts=True))
            else:
                await self._each(batch)

    async def _awhile(self, doing: Coroutine[Any, Any, None]) -> None:
        """Return when it is done; if it takes long, it goes on beside what comes after it."""
        await asyncio.wait({self._begin(doing)}, timeout=FIRST)

    def _begin(self, doing: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(doing)
        self._answering.add(task)
        task.add_done_callback(self._answered)
        return task

    async def _each(self, batch: Sequence[Waiting]) -> None:
        for job, answer in batch:
            await self._awhile(self._alone(job, answer))

    async def _share(self, batch: Sequence[Waiting]) -> None:
        """Do several jobs in one transaction, or else each alone."""
        try:
            outcomes = await self._attempt(self._together([job for job, _ in batch], FIRST))
        except GivenUp as error:
            for _, answer in batch:
                self._give(answer, error)
        except Exception as error:
            if not _is_slow(error):
                await self._each(batch)
                return
            for job, answer in batch:
                self._begin(self._alone(job, answer))
        else:
            for (_, answer), outcome in zip(batch, outcomes, strict=True):
                self._give(answer, outcome)

    def _give(self, answer: asyncio.Future[Done], outcome: Done | Exception) -> None:
        if isinstance(outcome, Exception):
            answer.set_exception(outcome)
            return
        if outcome.asked and outcome.remembered is None:
            self._first[outcome.asked.key] = asyncio.get_running_loop().create_future()
        answer.set_result(outcome)

    async def _alone(self, job: Job, answer: asyncio.Future[Done], inserts: bool = False) -> None:
        """Do one job, by an insert or a transaction."""
        outcome: Done | Exception
        try:
            if inserts:
                outcome = await self._attempt(self._insert(job, LONGEST))
            else:
                (outcome,) = await self._attempt(self._together([job], LONGEST))
        except Refused as error:
            outcome = error.error
        except LiveError as error:
            outcome = error
        except Exception as error:
            source = job.writes[0].source if isinstance(job, Bulk) else job.source
            found = named(document_source(source), translation(error))
            outcome = StoreUnavailable(BUSY) if _is_slow(error) else found
        self._give(answer, outcome)

    async def _attempt(self, doing: Coroutine[Any, Any, T]) -> T:
        """What comes of it; a stop cuts it short if it takes long. Raises GivenUp."""
        task = asyncio.create_task(doing)
        late = asyncio.get_running_loop().call_later(FIRST, self._apart.add, task)
        try:
            return await task
        except asyncio.CancelledError:
            if not task.cancelled():
                raise
            raise GivenUp(BUSY) from None
        finally:
            late.cancel()
            self._apart.discard(task)

    async def _insert(self, write: Job, patience: float) -> Done:
        """Do an insert by itself. PyMongo asks a server again that did not answer, and it is done once all the same."""
        assert isinstance(write, Write)
        step = await insert(write)
        insertion = step.mark = self._echoes.insertion(step.source.name, step.source.key_of(step.row))
        collection = self._acknowledged[step.source.name]
        start = self._database.client.start_session
        try:
            async with asyncio.timeout(patience), start(causal_consistency=False) as session:
                await collection.insert_one(step.stored or {}, session=session)
                insertion.answer(session.operation_time)
        except BaseException as error:
            self._echoes.forget(insertion)
            if isinstance(error, TimeoutError):
                raise StoreUnavailable(BUSY) from None
            raise
        return Done([step])

    async def _together(self, jobs: Sequence[Job], patience: float) -> list[Done | Exception]:
        expected: list[Any] = []

        def forget() -> None:
            while expected:
                self._echoes.forget(expected.pop())

        async def perform(session: AsyncClientSession) -> list[Done | Exception]:
            forget()
            transaction = Transaction(self._database, self._log, self._lists, session)
            outcomes = await transaction.perform(jobs)
            steps = (step for done in outcomes if isinstance(done, Done) for step in done.steps)
            for step in steps:
                if step.mark is not None:
                    self._echoes.expect(step.mark)
                    expected.append(step.mark)
            await transaction.commit()
            return outcomes

        try:
            with pymongo.timeout(patience):
                async with self._database.client.start_session() as session:
                    return await session.with_transaction(
                        perform,
                        read_concern=ReadConcern("snapshot"),
                        write_concern=WriteConcern("majority"),
                        read_preference=ReadPreference.PRIMARY,
                    )
        except BaseException:
            forget()
            raise

    # --- answers --------------------------------------------------------------------------------------------

    async def _answer(self, job: Job, done: Done) -> list[Written]:
        if done.asked is None:
            return await self._first_answer(job, done)
        if done.remembered is not None:
            return await self._repeated(done.asked, done.remembered)
        try:
            return await self._first_answer(job, done)
        finally:
            if (first := self._first.pop(done.asked.key, None)) is not None:
                first.set_result(None)

    async def _first_answer(self, job: Job, done: Done) -> list[Written]:
        told = [await self._told(step) for step in done.steps]
        logged = [
            Logged(seq, step.source.name)
            for step, (seq, _) in zip(done.steps, told, strict=True)
            if seq is not None and not is_of_read(seq)
        ]
        if isinstance(job, Write):
            seq, row = told[0]
            answers = [Written(row, seq)]
        else:
            seqs = [seq for seq, _ in told]
            last = None if None in seqs else max((seq for seq in seqs if seq is not None), default=None)
            answers = [Written(step.row, last) for step in done.steps]
        if done.asked:
            kept = {"$set": {"seq": answers[0].seq}}
            await self._database[names_of(self._log).answers].update_one({KEY: done.asked.key}, kept)
        if answers and tells_commits():
            answers[-1] = replace(answers[-1], logged=logged)
        return answers

    async def _told(self, step: Step) -> tuple[str | None, Row]:
        """The seq of a step, and the document as it was told."""
        if step.mark is not None:
            try:
                async with asyncio.timeout(TOLD):
                    told = await self._echo(step.mark)
            except TimeoutError:
                told = step.mark.only if isinstance(step.mark, Insertion) else None
                if told is None:
                    return None, step.row
            finally:
                self._echoes.forget(step.mark)
            if told is not None:
                seq, row = told
                return seq, step.row if row is None else {name: row.get(name) for name in step.row}
        snapshot: Snapshot = await self._read(step.source, step.source.key_of(step.row))
        return (snapshot.seq, snapshot.rows[0]) if snapshot.rows else (None, step.row)

    async def _echo(self, mark: Any) -> Told | None:
        return await (mark.told() if isinstance(mark, Insertion) else self._echoes.expect(mark))

    async def _repeated(self, asked: Idempotency, remembered: list[Written]) -> list[Written]:
        """The first answer; it may have been given since it was looked for."""
        first = self._first.get(asked.key)
        if first is not None:
            await asyncio.wait({first}, timeout=END)
        elif remembered[0].seq is not None:
            return remembered
        again = await self._database[names_of(self._log).answers].find_one({KEY: asked.key})
        seq = None if again is None else again.get("seq")
        return [Written(each.row, seq, repeated=True) for each in remembered]


def _is_slow(error: Exception) -> bool:
    """Whether there was no time left, to wait for an answer or to try again what somebody else was in the way of."""
    if not isinstance(error, pymongo.errors.PyMongoError):
        return False
    return error.timeout or error.has_error_label("TransientTransactionError")


def _is_plain_insert(job: Job) -> bool:
    """Whether one insert of one document is all that a job does."""
    return isinstance(job, Write) and job.key is None and job.origin is None and job.idempotency is None


def _are_apart(jobs: Sequence[Job]) -> bool:
    """Whether no two of several writes are of one document, or repeat one another."""
    if not all(isinstance(job, Write) for job in jobs):
        return False
    keys = [(job.source.name, job.key) for job in jobs if isinstance(job, Write) and job.key is not None]
    asked = [job.idempotency.key for job in jobs if isinstance(job, Write) and job.idempotency]
    return len(set(keys)) == len(keys) and len(set(asked)) == len(asked)
