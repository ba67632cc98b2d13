"""Lookout: looks at a log of PostgreSQL over a connection of its own, however busy the pool is.

Two rules. Nothing is asked that takes longer where the log is longer. Who holds a gap is asked only while there is one,
and needs no right: what this role may not be told of another's transaction is left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from ..change import PLACE_WIDTH
from .gaps import GRACE, Gap, Span
from .log_state import Holder, LogState, OpenGap
from .postgres_connection import connect
from .postgres_errors import is_lost, translating
from .postgres_triggers import SETTINGS, Names, literal
from .postgres_watermark import WRITERS, whole
from .sql_log import log_state

Known = tuple[Gap, bool]
"""A gap, and whether it was passed."""


class Lookout:
    """One process's.

    gaps: gives those that the reader of the log waits for.
    """

    def __init__(self, dsn: str, names: Names, gaps: Callable[[], Sequence[Gap]]) -> None:
        self._dsn = dsn
        self._gaps = gaps
        self._connection: Any = None
        self._since: dict[Span, float] = {}
        self._statement = _state_statement(names)
        self._holders = _holders_statement(names)

    async def look(self, after: str) -> LogState:
        """The state of the log, as seen from a seq. Raises StoreUnavailable."""
        with translating():
            try:
                return await self._look(after)
            except Exception as error:
                if not is_lost(error):
                    raise
            # Somebody ended the connection since the last look.
            return await self._look(after)

    async def _look(self, after: str) -> LogState:
        try:
            if self._connection is None or self._connection.is_closed():
                self._connection = await connect(self._dsn, SETTINGS)
            told = await self._connection.fetchrow(self._statement)
            gap = await self._oldest(told["passed"])
        except BaseException:
            # What it still waits for would be in the way of the next look.
            self.close()
            raise
        return log_state(
            after, told["epoch"], told["trimmed_to"], told["top"], age=told["age"], size=told["size"], gap=gap
        )

    def close(self) -> None:
        """Let the connection go. Safe to call twice."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _oldest(self, passed: Sequence[Sequence[str]]) -> OpenGap | None:
        """The gap that has been open longest of those that somebody can still fill."""
        now = asyncio.get_running_loop().time()
        known = self._known(passed, now)
        self._since = {gap.span: gap.since for gap, _ in known}
        old = [each for each in known if now - each[0].since >= GRACE]
        if not old:
            return None
        rows = await self._connection.fetch(self._holders)
        for gap, is_passed in sorted(old, key=lambda each: each[0].since):
            if holders := _holders(rows, gap.bound):
                return OpenGap(gap.span.first, gap.span.last, now - gap.since, is_passed, holders)
        return None

    def _known(self, passed: Sequence[Sequence[str]], now: float) -> list[Known]:
        found = [(gap, False) for gap in self._gaps()]
        for first, last, bound in passed:
            span = Span(int(first), int(last))
            since = min((at for seen, at in self._since.items() if seen.shared(span)), default=now)
            found.append((Gap(span, since, 0, int(bound)), True))
        return found


def _holders(rows: Sequence[Any], bound: int | None) -> tuple[Holder, ...]:
    """Those who began before a gap was bound."""
    found = []
    for row in rows:
        xid = row["xid"] if bound is None else whole(row["xid"], bound)
        if bound is None or xid <= bound:
            found.append(Holder(xid, row["pid"], row["name"], row["state"], row["seconds"]))
    return tuple(sorted(found, key=lambda holder: holder.xid))


def _state_statement(names: Names) -> str:
    """What is looked at. Entries that were trimmed are passed by, since they are in the index until a vacuum."""
    changes, meta = names.changes, names.meta
    trimmed = f"(SELECT value FROM {meta} WHERE name = 'trimmed_to')"
    return f"""
SELECT (SELECT value FROM {meta} WHERE name = 'epoch') AS epoch, {trimmed} AS trimmed_to,
  (SELECT lpad(to_hex(seq), {PLACE_WIDTH}, '0') || check_digits FROM {changes} ORDER BY seq DESC LIMIT 1) AS top,
  (SELECT greatest(0, extract(epoch FROM clock_timestamp())::float8 - at) FROM {changes}
    WHERE seq > ('x' || left({trimmed}, {PLACE_WIDTH}))::bit(64)::bigint ORDER BY seq LIMIT 1) AS age,
  pg_total_relation_size(to_regclass({literal(changes)})) AS size,
  ARRAY(SELECT ARRAY[first::text, last::text, bound::text] FROM {names.passed}
    WHERE bound >= pg_snapshot_xmin(pg_current_snapshot())) AS passed"""


def _holders_statement(names: Names) -> str:
    """The transactions that can fill a gap. Of another role's backend only its number and its name are told."""
    return f"""
SELECT own.transactionid::text::bigint AS xid, held.pid,
  coalesce(prepared.gid, activity.application_name, '') AS name,
  CASE WHEN prepared.gid IS NULL THEN activity.state ELSE 'prepared' END AS state,
  extract(epoch FROM clock_timestamp() - coalesce(prepared.prepared, activity.xact_start))::float8 AS seconds
{
        WRITERS.format(
            changes=literal(names.changes),
            more='''
  LEFT JOIN pg_stat_activity AS activity ON activity.pid = held.pid
  LEFT JOIN pg_prepared_xacts AS prepared ON prepared.transaction = own.transactionid''',
        )
    }"""
