"""Writes on PostgreSQL: several share one transaction, each in its savepoint.

Three rules. What one write does wrong undoes that one alone. A transaction that can't stand as a whole is undone, and
each of its writes gets one of its own; so ``Write.change`` may run twice. Nobody waits behind somebody else's lock: a
write that meets one is undone, and told of as Blocked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import asyncpg
from sqlalchemy.engine.interfaces import Dialect

from ..errors import StoreUnavailable
from .base import Write
from .postgres_connection import PATIENCE, watched
from .postgres_errors import is_busy, is_lost, translated
from .postgres_log import PostgresLog
from .postgres_steps import Shaped, Steps
from .sql_write import Job, Outcome

GLANCE = 0.1
"""Seconds that a write which shares a transaction waits for somebody else's lock."""


class Blocked(StoreUnavailable):
    """Somebody else's lock is in the way of a write."""


class _NotBegun(Exception):
    """There was no transaction to be had."""


class _Again(Exception):
    """The connection turned out to be gone, or to remember a table as it was: nothing was done yet."""


class Writer:
    """Does writes on connections of a pool.

    shape: gives the statements for a source.  clock: the seconds since 1970.
    """

    def __init__(
        self, pool: Any, log: PostgresLog, shape: Shaped, dialect: Dialect, clock: Callable[[], float]
    ) -> None:
        self._pool = pool
        self._log = log
        self._shape = shape
        self._dialect = dialect
        self._clock = clock

    async def perform(self, jobs: Sequence[Job], wait: float = GLANCE) -> list[Outcome]:
        """Do the jobs in order; the answer has one outcome for each, in that order.

        wait: seconds for somebody else's lock; what that is not enough for is Blocked.
        """
        try:
            return await self._transaction(jobs, wait)
        except _NotBegun as error:
            return [translated(error.__cause__ or error)] * len(jobs)
        except Exception as error:
            if len(jobs) == 1:
                return [await self._told(jobs[0], error)]
            if is_lost(error):  # while it was being committed: nobody knows what became of it
                return [translated(error)] * len(jobs)
        return [outcome for job in jobs for outcome in await self.perform([job], wait)]

    async def _transaction(self, jobs: Sequence[Job], wait: float) -> list[Outcome]:
        try:
            return await self._together(jobs, wait)
        except _Again:
            await self._pool.expire_connections()
        try:
            return await self._together(jobs, wait)
        except _Again as error:
            raise _NotBegun from error.__cause__

    async def _together(self, jobs: Sequence[Job], wait: float) -> list[Outcome]:
        try:
            connection = await self._pool.acquire(timeout=PATIENCE)
        except Exception as error:
            raise _NotBegun from error
        try:
            outcomes = await self._begun(connection, jobs, wait)
            await connection.execute("COMMIT")
        finally:
            await self._pool.release(connection)
        return outcomes

    async def _begun(self, connection: Any, jobs: Sequence[Job], wait: float) -> list[Outcome]:
        """Everything but the commit."""
        steps = Steps(connection, self._log, self._shape, self._dialect, self._clock)
        try:
            with watched(connection):
                await connection.execute(
                    f"BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = {int(wait * 1000)}"
                )
            if len(jobs) == 1:
                return [await steps.done(jobs[0])]
            return [await self._in_savepoint(connection, steps, job) for job in jobs]
        except BaseException as error:
            if is_lost(error) or isinstance(error, asyncpg.InvalidCachedStatementError):
                raise _Again from error
            if not connection.is_closed():
                await connection.execute("ROLLBACK")
            raise

    async def _in_savepoint(self, connection: Any, steps: Steps, job: Job) -> Outcome:
        await connection.execute("SAVEPOINT live_write")
        try:
            outcome = await steps.done(job)
        except Exception as error:
            if is_lost(error) or isinstance(error, asyncpg.InvalidCachedStatementError):
                raise
            await connection.execute("ROLLBACK TO SAVEPOINT live_write; RELEASE SAVEPOINT live_write")
            return await self._told(job, error)
        await connection.execute("RELEASE SAVEPOINT live_write")
        return outcome

    async def _told(self, job: Job, error: Exception) -> Exception:
        """What a job raised, as an error of ours."""
        if is_busy(error):
            return Blocked(str(translated(error)))
        if not isinstance(job, Write):
            return translated(error)
        return await Steps(None, self._log, self._shape, self._dialect, self._clock).named(job, error)
