"""Looks at a database of PostgreSQL: what is fine, and what is to be done. It only reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from . import sql_examination
from .administration import Finding
from .base import Log
from .postgres_capture import Capture
from .postgres_catalog import Target
from .postgres_ownership import ADVICE
from .postgres_schema import OLDEST
from .postgres_triggers import Names
from .sql_examination import Extent

POOLED = "each transaction gets another connection of a pooler: give the server itself, or a pooler in session mode"


async def server(connection: Any) -> list[Finding]:
    """The server itself."""
    version = await connection.fetchval("SHOW server_version")
    is_old = int(await connection.fetchval("SHOW server_version_num")) < OLDEST
    is_standby = await connection.fetchval("SELECT pg_is_in_recovery()")
    return [
        Finding("PostgreSQL", version, "13 or newer is needed: upgrade it" if is_old else ""),
        Finding("server", "a standby", "it takes no writes: give the primary")
        if is_standby
        else Finding("server", "the primary"),
    ]


async def pooler(first: Any, second: Any) -> Finding:
    """Whether something shares connections of the server among its clients: two open ones are then one and the same."""
    backends = [await each.fetchval("SELECT pg_backend_pid()") for each in (first, second)]
    if backends[0] == backends[1]:
        return Finding("pooler", "in transaction mode", POOLED)
    return Finding("pooler", "none, or in session mode")


def strangers(told: str) -> Finding:
    """What of the log is not ours."""
    return Finding("log", told, ADVICE)


async def log_of(
    connection: Any, names: Names, log: Log, targets: Sequence[Target], now: float
) -> list[Finding]:
    """The log, and the triggers of tables."""
    beats = await connection.fetch(f"SELECT value FROM {names.meta} WHERE name LIKE 'heartbeat:%'")
    stale = await Capture(log, targets).stale(connection, now)
    return [
        sql_examination.processes([json.loads(row["value"]) for row in beats], now),
        *sql_examination.capture(stale, [target.name for target in targets]),
        *sql_examination.extent(await _extent(connection, names), log, now),
        await _wake_up(connection, names),
    ]


async def _extent(connection: Any, names: Names) -> Extent:
    count, oldest, size = await connection.fetchrow(
        f"SELECT (SELECT count(*) FROM {names.changes}), (SELECT at FROM {names.changes} ORDER BY seq LIMIT 1), "
        "pg_total_relation_size($1)",
        names.changes,
    )
    cursors = await connection.fetch(
        f"SELECT name, coalesce(seq, '') AS seq FROM {names.cursors} ORDER BY coalesce(seq, '')"
    )
    return Extent(count, oldest, size, [(row["name"], row["seq"]) for row in cursors])


async def _wake_up(connection: Any, names: Names) -> Finding:
    notifies = await connection.fetchval(
        "SELECT prosrc LIKE '%pg_notify%' FROM pg_proc WHERE oid = to_regproc($1)", names.of(names.commit)
    )
    return Finding(
        "wake-up", "NOTIFY at each commit" if notifies else "the log's head is looked at every 20 ms"
    )
