"""Looks at a SQLite file: what is fine, and what is to be done. It only reads."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence

from . import sql_examination
from .administration import Finding
from .base import Log
from .sql_examination import Extent
from .sqlite_capture import Capture, captured, has_log, is_paused
from .sqlite_log import SIZE, Names
from .sqlite_schema import Connection

OLDEST = (3, 35, 0)
"""SQLite from here on has RETURNING, and DROP COLUMN."""


def examine(
    connection: Connection, log: Log, needed: Mapping[str, Sequence[str]] | None, now: float
) -> list[Finding]:
    """How it is. needed: of each table, the columns that the log must keep; None: those that it keeps."""
    findings = [*_program(connection), _journal(connection)]
    if not has_log(connection, log):
        return [*findings, sql_examination.NO_LOG]
    names = Names(log.prefix)
    beats = connection.execute(f"SELECT value FROM {names.meta} WHERE name LIKE 'heartbeat:%'").fetchall()
    return [
        *findings,
        sql_examination.processes([json.loads(value) for (value,) in beats], now),
        *_capture(connection, log, needed, now),
        *sql_examination.extent(_extent(connection, names), log, now),
        Finding("wake-up", "own commits at once, others' by data_version within 20 ms"),
    ]


def _program(connection: Connection) -> list[Finding]:
    advice = "" if sqlite3.sqlite_version_info >= OLDEST else "run a Python that brings SQLite 3.35 or newer"
    try:
        connection.execute("SELECT json_object('a', 1)").fetchone()
        functions = Finding("JSON", "SQLite has its functions")
    except sqlite3.Error:
        functions = Finding("JSON", "SQLite lacks its functions", "run a Python whose SQLite has them")
    return [Finding("SQLite", sqlite3.sqlite_version, advice), functions]


def _journal(connection: Connection) -> Finding:
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    advice = "" if mode == "wal" else "readers and writers wait for one another: start the application"
    return Finding("journal", str(mode), advice)


def _capture(
    connection: Connection, log: Log, needed: Mapping[str, Sequence[str]] | None, now: float
) -> list[Finding]:
    if is_paused(connection, log, now):
        return [Finding("triggers", "a migration holds capture off", "end it, or wait for a few minutes")]
    if needed is None:
        needed = {name: columns for name, columns in captured(connection, log).items() if columns}
    return sql_examination.capture(Capture(log, needed).stale(connection, now), needed)


def _extent(connection: Connection, names: Names) -> Extent:
    count, size = connection.execute(
        f"SELECT count(*), coalesce(sum({SIZE}), 0) FROM {names.changes}"
    ).fetchone()
    oldest = connection.execute(f"SELECT at FROM {names.changes} ORDER BY seq LIMIT 1").fetchone()
    cursors = connection.execute(
        f"SELECT name, coalesce(seq, '') AS seq FROM {names.cursors} ORDER BY seq"
    ).fetchall()
    return Extent(count, oldest and oldest[0], size, cursors)
