"""Lists: rows of one snapshot, put aside before anybody reads them.

Three rules. A list is read on a connection and in a lane of its own, in one transaction, which ends before the list is
given out. That takes two seconds of a processor at most, and ten by the clock where others have it: who needs longer
is refused, since what is not let go keeps the file's write-ahead log from being cleared. Of the rows no more than a
pile is in memory. It knows no query and no HTTP.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from ..change import Row
from ..errors import StoreUnavailable
from .base import Listing, Run
from .spool import Spool
from .sql import Field, decode_row
from .sql_query import Statement
from .sqlite_connection import FileConnection, is_broken_text, lenient, transaction

SNAPSHOT = 2.0
"""Seconds of its thread's processor that a list may be read for."""
LONGEST = 10.0
"""Seconds by the clock, on a machine that has no processor for it, or waits for its disk."""
INSTRUCTIONS = 50_000
"""Of SQLite's machine, between two looks at the clocks."""
PILE = 100
"""Rows that are read at a time, however wide they are."""
PIECE = 256 * 1024
"""Bytes of stored rows that are given out at once, or one pile."""


class Lists:
    """Reads them on one connection.

    head: gives the seq that its snapshot holds.  version: the one of a source.
    """

    def __init__(
        self,
        connection: FileConnection,
        head: Callable[[FileConnection], str],
        version: Callable[[FileConnection, str], str],
        run: Run,
        clock: Callable[[], float] = lambda: time.monotonic(),
        worked: Callable[[], float] = lambda: time.thread_time(),
    ) -> None:
        self._connection = connection
        self._head = head
        self._version = version
        self._run = run
        self._clock = clock
        self._worked = worked

    async def read(self, source: str, statement: Statement, fields: Sequence[Field]) -> SpooledList:
        """The rows of a statement. Raises StoreUnavailable."""
        reading = asyncio.ensure_future(self._run("list", lambda: self._read(source, statement, fields)))
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            reading.add_done_callback(_abandon)
            raise

    def _read(self, source: str, statement: Statement, fields: Sequence[Field]) -> SpooledList:
        spool = Spool()
        try:
            seq, version = self._spooled(source, statement, spool)
            return SpooledList(seq, version, spool, fields, self._run)
        except BaseException:
            spool.close()
            raise

    def _spooled(self, source: str, statement: Statement, spool: Spool) -> tuple[str, str]:
        """Fill the spool; once more, leniently, if a text is broken. The answer is the seq, and the version."""
        try:
            return self._snapshot(source, statement, spool)
        except Exception as error:
            if not is_broken_text(error.__cause__):
                raise
        spool.clear()
        with lenient(self._connection):
            return self._snapshot(source, statement, spool)

    def _snapshot(self, source: str, statement: Statement, spool: Spool) -> tuple[str, str]:
        work, deadline = self._worked() + SNAPSHOT, self._clock() + LONGEST
        self._connection.set_progress_handler(
            lambda: self._worked() > work or self._clock() > deadline, INSTRUCTIONS
        )
        try:
            with transaction(self._connection) as connection:
                seq, version = self._head(connection), self._version(connection, source)
                cursor = connection.run(statement)
                while rows := cursor.fetchmany(PILE):
                    spool.put(rows)
            return seq, version
        except Exception as error:
            if not _is_interrupt(error.__cause__):
                raise
            raise StoreUnavailable(
                f"this list takes more than {SNAPSHOT:g} s to read: ask for a part of it, with limit and skip"
            ) from error
        finally:
            self._connection.set_progress_handler(None, 0)


class SpooledList(Listing):
    """A list that was read."""

    def __init__(self, seq: str, version: str, spool: Spool, fields: Sequence[Field], run: Run) -> None:
        super().__init__(seq, spool.count, version=version)
        self._spool = spool
        self._fields = fields
        self._run = run
        self._first = self._next()
        self._is_short = len(self._first) == self.count
        if self._is_short:
            self.close()

    @property
    def is_short(self) -> bool:
        return self._is_short

    async def piece(self) -> list[Row]:
        first, self._first = self._first, []
        return first or ([] if self._is_short else await self._run("read", self._next))

    def _next(self) -> list[Row]:
        return [decode_row(self._fields, row) for row in self._spool.get(PIECE)]

    def close(self) -> None:
        self._spool.close()


def _is_interrupt(error: BaseException | None) -> bool:
    return getattr(error, "sqlite_errorname", "") == "SQLITE_INTERRUPT"


def _abandon(reading: asyncio.Future[SpooledList]) -> None:
    if not reading.cancelled() and reading.exception() is None:
        reading.result().close()
