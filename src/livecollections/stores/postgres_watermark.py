"""How far PostgreSQL's log may be read: looks at it, keeps the rule of its gaps, and waits for more.

Three rules. What is looked at is of one statement, so of one snapshot. An xid is drawn on its own, outside of every
transaction, after the look that saw the gap. What is passed is written down first, for every process and for ever:
whoever sees such a gap fill after all says RESET, once, and in the transaction that crosses it off.
This module knows the log's tables, and no row.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

import asyncpg

from ..cause import Cause
from ..change import CHECK_WIDTH, EPOCH_WIDTH, PLACE_WIDTH
from ..errors import StoreError
from .base import not_started
from .gaps import Gap, Gaps, Horizon, Look, Span
from .postgres_connection import answering, watched
from .postgres_errors import translated
from .postgres_triggers import Names, literal

logger = logging.getLogger("livecollections.store")

LAST = 2**63 - 1
POLL = 0.02
"""Seconds between two looks while somebody waits."""
_OWN = "SELECT pg_current_xact_id()::text"
WRITERS = """
FROM pg_locks AS held JOIN pg_locks AS own
  ON own.virtualtransaction = held.virtualtransaction AND own.locktype = 'transactionid' AND own.granted
  AND own.mode = 'ExclusiveLock' {more}
WHERE held.locktype = 'relation' AND held.granted AND held.mode = 'RowExclusiveLock'
  AND held.relation = to_regclass({changes})
  AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
"""Where those stand who may have drawn places of a log, and not ended. changes: its table, as text.
more: what else is joined."""


def seq_of(epoch: str, place: int, check: str) -> str:
    """An entry's seq."""
    return f"{epoch}{place:0{PLACE_WIDTH}x}{check}"


class Watermark:
    """One process's reader of a log.

    pool: gives connections.  gaps: makes the rule for a place to begin at.  poll: seconds between two looks.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        names: Names,
        poll: float = POLL,
        gaps: Callable[[int], Gaps] = Gaps,
    ) -> None:
        self._pool = pool
        self._names = names
        self._poll = poll
        self._make_gaps = gaps
        self._gaps = gaps(0)
        self._epoch = self._check = ""
        self._waiting: set[asyncio.Future[None]] = set()
        self._polling: asyncio.Task[None] | None = None
        self._noticed = asyncio.Event()
        self._next_look = 0.0
        self._statement = _look_statement(names)
        self._writers = _writers_statement(names)

    @property
    def place(self) -> int:
        """Each place at and below it is filled and seen, dead, or passed."""
        return self._gaps.watermark

    @property
    def gaps(self) -> Sequence[Gap]:
        """Those that it waits for."""
        return self._gaps.gaps

    @property
    def seq(self) -> str:
        """The same as a seq."""
        return seq_of(self._epoch, self.place, self._check)

    # --- looking --------------------------------------------------------------------------------------------

    async def settle(self, connection: asyncpg.Connection) -> None:
        """Begin where the log ends, as far as nobody is at work who could still fill a gap below."""
        await self._look_and_ask(connection, asks=True)
        await self._look_and_ask(connection)

    async def look(self, connection: asyncpg.Connection) -> str:
        """Look at the log; the watermark as it is then. The connection must be in no transaction."""
        with watched(connection):
            await self._look_and_ask(connection)
        return self.seq

    async def _look_and_ask(self, connection: asyncpg.Connection, asks: bool = False) -> None:
        await self._look_anew(connection)
        if self._gaps.is_unbound:
            gaps, ticket = self._gaps, self._gaps.begin()
            gaps.bind(ticket, int(await connection.fetchval(_OWN)))
            await self._look_anew(connection)  # what was rolled back is often known to be dead by now
        gaps, now = self._gaps, asyncio.get_running_loop().time()
        if asks or gaps.is_suspect(now):
            ticket = gaps.begin()
            bound = max((gap.bound or 0 for gap in gaps.gaps), default=0)
            gaps.suspect(ticket, [whole(xid, bound) for (xid,) in await connection.fetch(self._writers)])
        if overdue := gaps.overdue(now):
            await self._pass(connection, overdue)

    async def _look_anew(self, connection: asyncpg.Connection) -> None:
        """Look; where the log is another than it was, or went back, begin anew."""
        while not await self._look(connection):
            pass

    async def _look(self, connection: asyncpg.Connection) -> bool:
        """Look once; False where everything begins anew."""
        gaps, epoch, check = self._gaps, self._epoch, self._check
        base = gaps.watermark
        rows = await connection.fetch(self._statement, base, LAST)
        told = rows[0]
        if told["epoch"] is None or told["trimmed_to"] is None:
            raise StoreError("the change log is gone from the database")
        if gaps is not self._gaps:  # another look has begun anew meanwhile
            return False
        floor, top = int(told["trimmed_to"][:PLACE_WIDTH], 16), told["top"] or 0
        is_same = epoch == told["epoch"] and (floor >= base or (top >= base and told["check"] == check))
        if not is_same:
            self._gaps = self._make_gaps(floor)
            self._epoch, self._check = told["epoch"], told["trimmed_to"][-CHECK_WIDTH:]
            return False
        holes = [Span(row["first"], row["last"]) for row in rows if row["first"] is not None]
        passed = [Span(first, last) for first, last in told["passed"]]
        before = gaps.watermark
        gaps.see(
            Look(max(top, floor), holes, Horizon.read(told["snapshot"]), floor, passed),
            asyncio.get_running_loop().time(),
        )
        if gaps.watermark != before:
            checks = {row["first"] - 1: row["below"] for row in rows if row["first"] is not None}
            checks |= {floor: told["trimmed_to"][-CHECK_WIDTH:], top: told["top_check"]}
            self._check = checks[gaps.watermark] or ""
        if told["is_late"]:
            await self._tell_late(connection)
        return True

    async def _pass(self, connection: asyncpg.Connection, overdue: Sequence[Gap]) -> None:
        """Write down that gaps are passed."""
        await connection.executemany(
            f"INSERT INTO {self._names.passed} (first, last, bound) VALUES ($1, $2, $3::text::xid8) "
            "ON CONFLICT DO NOTHING",
            [(gap.span.first, gap.span.last, str(gap.bound)) for gap in overdue],
        )
        for gap in overdue:
            logger.warning(
                "the log is read on past the places %d to %d: whoever drew them is still at work",
                gap.span.first,
                gap.span.last,
            )

    async def _tell_late(self, connection: asyncpg.Connection) -> None:
        """Say RESET of what appeared in places that had been passed."""
        names = self._names
        async with connection.transaction():
            passed = await connection.fetch(f"SELECT first, last, bound FROM {names.passed} FOR UPDATE")
            for first, last, bound in passed:
                late = await connection.fetch(
                    f"SELECT seq, source FROM {names.changes} WHERE seq BETWEEN $1 AND $2", first, last
                )
                if not late:
                    continue
                for source in sorted({row["source"] for row in late}):
                    logger.error("entries of %s appeared after those behind them had been told", source)
                    await connection.execute(
                        f"INSERT INTO {names.waiting} (source, method, key) "
                        f"VALUES ($1, 'RESET', ARRAY[{literal(Cause.FILLED_LATE.value)}])",
                        source,
                    )
                await connection.execute(
                    f"DELETE FROM {names.passed} WHERE first = $1 AND last = $2", first, last
                )
                left = Span(first, last).without(Span(row["seq"], row["seq"]) for row in late)
                await connection.executemany(
                    f"INSERT INTO {names.passed} (first, last, bound) VALUES ($1, $2, $3)",
                    [(span.first, span.last, bound) for span in left],
                )

    async def forget_dead(self, connection: asyncpg.Connection) -> None:
        """Cross off what was passed and can't fill any more."""
        await connection.execute(
            f"DELETE FROM {self._names.passed} p WHERE bound < pg_snapshot_xmin(pg_current_snapshot()) "
            f"AND NOT {_is_filled(self._names)}"
        )

    # --- waiting --------------------------------------------------------------------------------------------

    async def wait_changed(self, after: str) -> None:
        """Return when the log may be read beyond ``after``, or is another. Cancel-safe."""
        if self.seq > after and self.seq[:EPOCH_WIDTH] == after[:EPOCH_WIDTH]:
            return
        while True:
            looked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(looked)
            if self._polling is None or self._polling.done():
                self._polling = asyncio.create_task(self._look_on())
            try:
                await looked
            finally:
                self._waiting.discard(looked)
            if self.seq != after:
                return

    def notice(self) -> None:
        """Something was committed here: those who wait look at once."""
        self._noticed.set()

    async def stop(self) -> None:
        """Wait no more: whoever does is told that the store is not started."""
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)
            self._polling = None
        self._answer(not_started())

    async def _look_on(self) -> None:
        """Look for all who wait, as long as there are any."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._noticed.wait(), self._next_look - loop.time())
            self._noticed.clear()
            self._next_look = loop.time() + self._poll
            error: Exception | None = None
            try:
                async with answering(self._pool) as connection:
                    await self.look(connection)
            except Exception as found:
                error = translated(found)
            self._answer(error)
            await asyncio.sleep(0)  # those who wait on say so

    def _answer(self, error: Exception | None) -> None:
        for looked in self._waiting:
            if not looked.done():
                if error is None:
                    looked.set_result(None)
                else:
                    looked.set_exception(error)


def _is_filled(names: Names) -> str:
    """Whether an entry stands in the places ``p``. Joined, the planner might read the whole log for that."""
    return f"(SELECT seq FROM {names.changes} WHERE seq BETWEEN p.first AND p.last ORDER BY seq LIMIT 1) IS NOT NULL"


def _look_statement(names: Names) -> str:
    """What is looked at. $1: the place to look after.  $2: the highest there can be, since a range that is open above
    would have the planner read the whole table once it plans for any place."""
    changes, meta, passed = names.changes, names.meta, names.passed
    return f"""
SELECT pg_current_snapshot()::text AS snapshot,
  (SELECT value FROM {meta} WHERE name = 'epoch') AS epoch,
  (SELECT value FROM {meta} WHERE name = 'trimmed_to') AS trimmed_to,
  (SELECT check_digits FROM {changes} WHERE seq = $1) AS check,
  ARRAY(SELECT ARRAY[first, last] FROM {passed}) AS passed,
  EXISTS (SELECT FROM {passed} p WHERE {_is_filled(names)}) AS is_late,
  top.seq AS top, top.check_digits AS top_check, hole.first, hole.last, hole.below
FROM (SELECT) AS one
LEFT JOIN (SELECT seq, check_digits FROM {changes} ORDER BY seq DESC LIMIT 1) AS top ON true
LEFT JOIN (
  SELECT before + 1 AS first, seq - 1 AS last, below FROM (
    SELECT seq, lag(seq, 1, $1) OVER places AS before, lag(check_digits) OVER places AS below
    FROM {changes} WHERE seq BETWEEN $1 + 1 AND $2 WINDOW places AS (ORDER BY seq)
  ) AS filled WHERE seq - before > 1
) AS hole ON true
ORDER BY hole.first"""


def _writers_statement(names: Names) -> str:
    """The xids of all who hold a lock that whoever draws a place has held since before: nobody else can fill a gap.

    A prepared transaction holds its locks too. What is undone to a savepoint lets them go, and never fills a gap.
    """
    told = WRITERS.format(changes=literal(names.changes), more="")
    return f"SELECT DISTINCT own.transactionid::text::bigint {told}"


def whole(xid: int, near: int) -> int:
    """An xid of 32 bits, as the catalog of locks has it, as one of 64 that is near another."""
    return near - (((near - xid) + 2**31) % 2**32 - 2**31)
