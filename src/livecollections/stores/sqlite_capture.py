"""Capture in SQLite: installs the log and its triggers, finds what is missing or old, removes every trace.

Two rules. What is installed again comes with a RESET in the same transaction, since nobody knows what was missed.
While another process with other wishes is alive, triggers are only widened, so that two never take turns.
Every function works within the transaction of its caller. This module knows no row and no thread.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..cause import Cause
from ..version import __version__
from .base import Log
from .sqlite_log import TABLES, Names, reset_statement, statements
from .sqlite_schema import Connection, Table, literal, quote, read_table
from .sqlite_triggers import KINDS, Triggers, layout_of, trigger_name

ALIVE = 60.0
"""Seconds after its last heartbeat for which a process counts as alive."""


@dataclass(frozen=True, slots=True)
class Installed:
    """What the log remembers of a source's triggers."""

    columns: tuple[str, ...]
    version: str
    fingerprint: str


class Capture:
    """The triggers that one process wants. needed: of each table, the columns that the log must keep; None: all.

    instance: names this process among the heartbeats.
    """

    def __init__(
        self,
        log: Log,
        needed: Mapping[str, Sequence[str] | None],
        instance: str = "",
        version: str = __version__,
    ) -> None:
        self._log = log
        self._names = Names(log.prefix)
        self._needed = needed
        self._version = version
        self.instance = instance or secrets.token_hex(8)

    # --- finding --------------------------------------------------------------------------------------------

    def stale(self, connection: Connection, now: float) -> dict[str, str]:
        """The sources whose triggers are missing or old, or keep other columns than they should, and why."""
        if not has_log(connection, self._log):
            return dict.fromkeys(self._needed, "there is no change log")
        found = {name: self._fault(connection, name, now) for name in self._needed}
        return {name: fault for name, fault in found.items() if fault}

    def _fault(self, connection: Connection, name: str, now: float) -> str | None:
        table = read_table(connection, name)
        installed = self._installed(connection, name)
        if table is None:
            return "the table is gone" if installed and installed.columns else None
        if installed is None:
            return "it is not captured"
        if lacking := set(self._own(table)) - set(installed.columns):
            return f"the log does not keep {', '.join(sorted(lacking))}"
        found = _triggers_of(connection, self._log.prefix, table.name)
        if not _come_first(connection, set(found), table.name):
            return "a newer trigger runs before ours"
        others = self._others(connection, now)
        changed = "triggers are missing, or not of this version"
        if others and installed.version != self._version:
            return None if installed.fingerprint == fingerprint(found) else changed
        if found != Triggers(table, installed.columns, self._log.prefix).statements():
            return changed
        kept = set() if others else set(installed.columns) - set(self._wanted(table, others))
        return f"the log also keeps {', '.join(sorted(kept))}" if kept else None

    def plan(self, connection: Connection, now: float) -> list[str]:
        """The statements that put right what ``stale`` finds; none if nothing is missing."""
        fresh = not has_log(connection, self._log)
        plan = statements(self._log) if fresh else []
        for name in self._needed if fresh else self.stale(connection, now):
            plan += self._repair(connection, name, fresh, now)
        return plan

    def install(self, connection: Connection, now: float) -> bool:
        """Run the plan; whether there was anything to do."""
        plan = self.plan(connection, now)
        for statement in plan:
            connection.execute(statement)
        return bool(plan)

    def _repair(self, connection: Connection, name: str, fresh: bool, now: float) -> list[str]:
        table = read_table(connection, name)
        installed = None if fresh else self._installed(connection, name)
        if table is None:
            reset = [] if installed is None else [reset_statement(self._log, name, Cause.TABLE_GONE)]
            return [self._record(name, Installed((), self._version, "")), *reset]
        others = [] if fresh else self._others(connection, now)
        columns = self._wanted(table, others)
        if others and installed:
            columns = _in_order(table, {*columns, *installed.columns})
        triggers = Triggers(table, columns, self._log.prefix).statements()
        cause = _cause(installed, columns)
        return [
            *(f"DROP TRIGGER IF EXISTS {quote(old)}" for old in self._old(connection, table)),
            *triggers.values(),
            self._meta(f"layout:{layout_of(columns)}", list(columns)),
            self._record(table.name, Installed(columns, self._version, fingerprint(triggers))),
            *([] if cause is None else [reset_statement(self._log, name, cause)]),
        ]

    def _old(self, connection: Connection, table: Table) -> list[str]:
        """Triggers of ours on a table, those too that came with another name of the table."""
        names = {trigger_name(self._log.prefix, table.name, kind) for kind in KINDS}
        rows = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (table.name,)
        ).fetchall()
        return sorted(names | {name for name, sql in rows if _is_ours(name, sql, self._log.prefix)})

    def _own(self, table: Table) -> tuple[str, ...]:
        needed = self._needed[table.name] if table.name in self._needed else self._by_any_case(table.name)
        return _in_order(table, table.columns if needed is None else needed)

    def _by_any_case(self, name: str) -> Sequence[str] | None:
        return next(columns for table, columns in self._needed.items() if table.lower() == name.lower())

    def _wanted(self, table: Table, others: Iterable[Mapping[str, Sequence[str]]]) -> tuple[str, ...]:
        theirs = (column for other in others for column in other.get(table.name, ()))
        return _in_order(table, {*self._own(table), *theirs})

    def columns(self, connection: Connection, name: str) -> list[str]:
        """The columns that the log keeps of a source; none where it is not captured."""
        installed = self._installed(connection, name)
        return list(installed.columns) if installed else []

    # --- remembering ----------------------------------------------------------------------------------------

    def _installed(self, connection: Connection, name: str) -> Installed | None:
        row = connection.execute(
            f"SELECT value FROM {self._names.meta} WHERE lower(name) = lower(?)", (f"source:{name}",)
        ).fetchone()
        if row is None:
            return None
        told = json.loads(row[0])
        return Installed(tuple(told["columns"]), told["version"], told["fingerprint"])

    def _record(self, name: str, installed: Installed) -> str:
        told = {
            "columns": list(installed.columns),
            "version": installed.version,
            "fingerprint": installed.fingerprint,
        }
        return self._meta(f"source:{name}", told)

    def _meta(self, name: str, value: object) -> str:
        text = json.dumps(value, ensure_ascii=False)
        return f"INSERT OR REPLACE INTO {self._names.meta} VALUES ({literal(name)}, {literal(text)})"

    # --- heartbeats -----------------------------------------------------------------------------------------

    def beat(self, connection: Connection, now: float) -> None:
        """Say that this process is alive and what it needs; forget those that died."""
        for name, told in self._heartbeats(connection).items():
            if told["at"] < now - ALIVE:
                connection.execute(f"DELETE FROM {self._names.meta} WHERE name = ?", (f"heartbeat:{name}",))
        columns = {
            table.name: self._own(table)
            for table in (read_table(connection, name) for name in self._needed)
            if table is not None
        }
        told = {"version": self._version, "at": now, "columns": columns}
        connection.execute(self._meta(f"heartbeat:{self.instance}", told))

    def leave(self, connection: Connection) -> None:
        """Say that this process ends."""
        connection.execute(f"DELETE FROM {self._names.meta} WHERE name = ?", (f"heartbeat:{self.instance}",))

    def _heartbeats(self, connection: Connection) -> dict[str, dict[str, Any]]:
        rows = connection.execute(
            f"SELECT name, value FROM {self._names.meta} WHERE name LIKE 'heartbeat:%'"
        ).fetchall()
        return {name.partition(":")[2]: json.loads(value) for name, value in rows}

    def _others(self, connection: Connection, now: float) -> list[Mapping[str, Sequence[str]]]:
        beats = self._heartbeats(connection).items()
        return [
            told["columns"] for name, told in beats if name != self.instance and told["at"] >= now - ALIVE
        ]


def _cause(installed: Installed | None, columns: Sequence[str]) -> Cause | None:
    """Why those who hear a source must read again once its triggers are installed; None: nobody heard it yet."""
    if installed is None:
        return None
    if not installed.columns:
        return Cause.TABLE_REBUILT
    is_as_before = tuple(columns) == installed.columns
    return Cause.CAPTURE_REINSTALLED if is_as_before else Cause.COLUMNS_CHANGED


def has_log(connection: Connection, log: Log) -> bool:
    """Whether the database has a change log of this prefix."""
    tables = ", ".join(literal(f"{log.prefix}{name}") for name in TABLES)
    (count,) = connection.execute(
        f"SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ({tables})"
    ).fetchone()
    return bool(count == len(TABLES))


def captured(connection: Connection, log: Log) -> dict[str, Sequence[str]]:
    """The sources that a log captures, and the columns that it keeps of each."""
    rows = connection.execute(
        f"SELECT name, value FROM {Names(log.prefix).meta} WHERE name LIKE 'source:%'"
    ).fetchall()
    return {name.partition(":")[2]: tuple(json.loads(value)["columns"]) for name, value in rows}


def pause(connection: Connection, log: Log, until: float) -> None:
    """Ask running stores to leave capture alone until a time."""
    meta = Names(log.prefix).meta
    connection.execute(f"INSERT OR REPLACE INTO {meta} VALUES ('paused', ?)", (str(until),))


def resume(connection: Connection, log: Log) -> None:
    """End a pause."""
    connection.execute(f"DELETE FROM {Names(log.prefix).meta} WHERE name = 'paused'")


def is_paused(connection: Connection, log: Log, now: float) -> bool:
    """Whether a migration holds capture off."""
    if not has_log(connection, log):
        return False
    row = connection.execute(f"SELECT value FROM {Names(log.prefix).meta} WHERE name = 'paused'").fetchone()
    return row is not None and float(row[0]) > now


def remember_journal(connection: Connection, log: Log, mode: str) -> None:
    """Keep the journal mode that the database had before it was ours, for ``uninstall``."""
    if mode != "wal" and has_log(connection, log):
        meta = Names(log.prefix).meta
        connection.execute(f"INSERT OR IGNORE INTO {meta} VALUES ('journal', ?)", (mode,))


def earlier_journal(connection: Connection, log: Log) -> str | None:
    """The journal mode that the database had before."""
    if not has_log(connection, log):
        return None
    meta = Names(log.prefix).meta
    row = connection.execute(f"SELECT value FROM {meta} WHERE name = 'journal'").fetchone()
    return None if row is None else str(row[0])


def fingerprint(triggers: Mapping[str, str]) -> str:
    """A digest of triggers' texts."""
    text = "\0".join(f"{name}\0{triggers[name]}" for name in sorted(triggers))
    return hashlib.sha256(text.encode()).hexdigest()


def remove(connection: Connection, log: Log) -> list[str]:
    """Drop all triggers and tables of a log; the answer names them."""
    dropped = drop_triggers(connection, log)
    tables = [f"{log.prefix}{name}" for name in TABLES]
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    there = {name for (name,) in rows}
    for table in tables:
        connection.execute(f"DROP TABLE IF EXISTS {quote(table)}")
    return dropped + [table for table in tables if table in there]


def drop_triggers(connection: Connection, log: Log) -> list[str]:
    """Drop all triggers that write to a log; the answer names them."""
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    ours = [name for name, sql in rows if _is_ours(name, sql, log.prefix)]
    for name in ours:
        connection.execute(f"DROP TRIGGER {quote(name)}")
    return ours


def _triggers_of(connection: Connection, prefix: str, table: str) -> dict[str, str]:
    names = [trigger_name(prefix, table, kind) for kind in KINDS]
    rows = connection.execute(
        f"SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name IN ({', '.join('?' * len(names))})",
        names,
    )
    return dict(rows.fetchall())


def _come_first(connection: Connection, ours: set[str], table: str) -> bool:
    """Whether our triggers run before the user's: SQLite runs the newest first, and one of the user's that fails
    under OR FAIL, or says RAISE(IGNORE), leaves the row written and stops all that would come after it."""
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? ORDER BY rowid DESC", (table,)
    ).fetchall()
    return {name for (name,) in rows[: len(ours)]} == ours


def _is_ours(name: str, sql: str, prefix: str) -> bool:
    mentions = quote(f"{prefix}changes") in sql or quote(f"{prefix}notes") in sql
    return mentions and name.startswith(prefix) and name.endswith(KINDS)


def _in_order(table: Table, columns: Iterable[str]) -> tuple[str, ...]:
    """The columns that the table has, in its own order and spelling; its key is always among them."""
    wanted = {column.lower() for column in (*columns, *table.key)}
    return tuple(column for column in table.columns if column.lower() in wanted)
