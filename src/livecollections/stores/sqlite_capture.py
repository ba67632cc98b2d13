"""Capture in SQLite: installs the log and its triggers, finds what is missing or old, removes every trace.

Three rules. What is installed again comes with a RESET in the same transaction, since nobody knows what was missed; but
where it is only another version's, and just as that left it, nothing was.
While another process with other wishes is alive, triggers are only widened, so that two never take turns.
A look asks for all tables at once; what was sound is not looked at again until what is said of it changes.
Every function works within the transaction of its caller. This module knows no row and no thread.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..cause import Cause
from ..version import __version__
from . import log_format
from .base import Log
from .sql_installed import ALIVE, Installed, Wishes, reset_cause
from .sqlite_catalog import Catalog, Tables, folded
from .sqlite_log import TABLES, Names, reset_statement, statements
from .sqlite_schema import Connection, Table, literal, quote
from .sqlite_triggers import KINDS, Triggers, layout_of, trigger_name


@dataclass(frozen=True, slots=True)
class Seen:
    """What a transaction sees: the catalog, what the log remembers of each source, what other processes need."""

    catalog: Catalog
    sources: Mapping[str, str]
    others: Sequence[Wishes]

    def installed(self, name: str) -> Installed | None:
        """What the log remembers of a source."""
        told = self.sources.get(folded(name))
        return None if told is None else Installed.read(told)

    def said(self, name: str) -> object:
        """Equal as long as nothing that decides about a source's triggers has changed."""
        table = self.catalog.table(name) or name
        wishes = [tuple(other.get(table, ())) for other in self.others]
        return self.catalog.digest(name), self.sources.get(folded(name)), wishes


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
        self._tables = Tables()
        self._sound: dict[str, object] = {}

    # --- finding --------------------------------------------------------------------------------------------

    def stale(self, connection: Connection, now: float) -> dict[str, str]:
        """The sources whose triggers are missing or old, or keep other columns than they should, and why."""
        if not has_log(connection, self._log):
            return dict.fromkeys(self._needed, "there is no change log")
        own = {} if is_whole(connection, self._log) else {f"{self._log.prefix}meta": log_format.EARLIER}
        return own | self._stale(connection, self._seen(connection, now))

    def lost(self, connection: Connection, now: float) -> dict[str, str]:
        """What ``stale`` finds, unless a migration holds capture off."""
        return {} if is_paused(connection, self._log, now) else self.stale(connection, now)

    def _seen(self, connection: Connection, now: float) -> Seen:
        rows = connection.execute(
            f"SELECT lower(name), value FROM {self._names.meta} WHERE name LIKE 'source:%' ORDER BY rowid DESC"
        ).fetchall()
        sources = {name.partition(":")[2]: value for name, value in rows}
        return Seen(Catalog(connection, self._needed), sources, self._others(connection, now))

    def _stale(self, connection: Connection, seen: Seen) -> dict[str, str]:
        found = {}
        for name in self._needed:
            said = seen.said(name)
            if self._sound.get(name) == said:
                continue
            if fault := self._fault(connection, seen, name):
                found[name] = fault
            else:
                self._sound[name] = said
        return found

    def _fault(self, connection: Connection, seen: Seen, name: str) -> str | None:
        table = self._tables.table(connection, seen.catalog, name)
        installed = seen.installed(name)
        if table is None:
            return "the table is gone" if installed and installed.columns else None
        if installed is None:
            return "it is not captured"
        if lacking := set(self._own(table)) - set(installed.columns):
            return f"the log does not keep {', '.join(sorted(lacking))}"
        there = seen.catalog.triggers(table.name)
        found = self._found(table, there)
        if not _come_first(found, there):
            return "a newer trigger runs before ours"
        changed = "triggers are missing, or not of this version"
        if seen.others and installed.version != self._version:
            return None if installed.fingerprint == fingerprint(found) else changed
        if found != Triggers(table, installed.columns, self._log.prefix).statements():
            return changed
        kept = set() if seen.others else set(installed.columns) - set(self._wanted(table, seen.others))
        return f"the log also keeps {', '.join(sorted(kept))}" if kept else None

    def plan(self, connection: Connection, now: float) -> list[str]:
        """The statements that put right what ``stale`` finds; none if nothing is missing."""
        fresh = not has_log(connection, self._log)
        plan = [] if is_whole(connection, self._log) else statements(self._log)
        seen = Seen(Catalog(connection, self._needed), {}, []) if fresh else self._seen(connection, now)
        for name in self._needed if fresh else self._stale(connection, seen):
            plan += self._repair(connection, seen, name)
        return plan

    def install(self, connection: Connection, now: float) -> bool:
        """Run the plan; whether there was anything to do."""
        plan = self.plan(connection, now)
        for statement in plan:
            connection.execute(statement)
        return bool(plan)

    def _repair(self, connection: Connection, seen: Seen, name: str) -> list[str]:
        table = self._tables.table(connection, seen.catalog, name)
        installed = seen.installed(name)
        if table is None:
            reset = [] if installed is None else [reset_statement(self._log, name, Cause.TABLE_GONE)]
            return [self._record(name, Installed((), self._version, "")), *reset]
        columns = self._wanted(table, seen.others)
        if seen.others and installed:
            columns = _in_order(table, {*columns, *installed.columns})
        triggers = Triggers(table, columns, self._log.prefix).statements()
        cause = None if self._is_as_left(seen, table, installed, columns) else reset_cause(installed, columns)
        definition = seen.catalog.definition(name)
        return [
            *(f"DROP TRIGGER IF EXISTS {quote(old)}" for old in self._old(seen.catalog, table)),
            *triggers.values(),
            self._meta(f"layout:{layout_of(columns)}", list(columns)),
            self._record(
                table.name, Installed(columns, self._version, fingerprint(triggers), definition=definition)
            ),
            *([] if cause is None else [reset_statement(self._log, name, cause)]),
        ]

    def _is_as_left(
        self, seen: Seen, table: Table, installed: Installed | None, columns: Sequence[str]
    ) -> bool:
        """Whether a table and our triggers on it are as whoever installed these left them."""
        if installed is None or installed.columns != columns:
            return False
        there = seen.catalog.triggers(table.name)
        found = self._found(table, there)
        is_same_table = installed.definition == seen.catalog.definition(table.name)
        return is_same_table and installed.fingerprint == fingerprint(found) and _come_first(found, there)

    def _found(self, table: Table, there: Mapping[str, str]) -> dict[str, str]:
        """Those of a table's triggers that are called as ours are."""
        ours = {trigger_name(self._log.prefix, table.name, kind) for kind in KINDS}
        return {trigger: sql for trigger, sql in there.items() if trigger in ours}

    def _old(self, catalog: Catalog, table: Table) -> list[str]:
        """Triggers of ours on a table, those too that came with another name of the table."""
        names = {trigger_name(self._log.prefix, table.name, kind) for kind in KINDS}
        there = catalog.triggers(table.name).items()
        return sorted(names | {name for name, sql in there if _is_ours(name, sql, self._log.prefix)})

    def _own(self, table: Table) -> tuple[str, ...]:
        needed = self._needed[table.name] if table.name in self._needed else self._by_any_case(table.name)
        return _in_order(table, table.columns if needed is None else needed)

    def _by_any_case(self, name: str) -> Sequence[str] | None:
        return next(columns for table, columns in self._needed.items() if table.lower() == name.lower())

    def _wanted(self, table: Table, others: Iterable[Wishes]) -> tuple[str, ...]:
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
        return None if row is None else Installed.read(row[0])

    def _record(self, name: str, installed: Installed) -> str:
        return self._meta(f"source:{name}", installed.stored)

    def _meta(self, name: str, value: object) -> str:
        text = json.dumps(value, ensure_ascii=False)
        return f"INSERT OR REPLACE INTO {self._names.meta} VALUES ({literal(name)}, {literal(text)})"

    # --- heartbeats -----------------------------------------------------------------------------------------

    def beat(self, connection: Connection, now: float) -> None:
        """Say that this process is alive and what it needs; forget those that died."""
        for name, told in self._heartbeats(connection).items():
            if told["at"] < now - ALIVE:
                connection.execute(f"DELETE FROM {self._names.meta} WHERE name = ?", (f"heartbeat:{name}",))
        catalog = Catalog(connection, self._needed)
        tables = (self._tables.table(connection, catalog, name) for name in self._needed)
        columns = {table.name: self._own(table) for table in tables if table is not None}
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

    def _others(self, connection: Connection, now: float) -> list[Wishes]:
        beats = self._heartbeats(connection).items()
        return [
            told["columns"] for name, told in beats if name != self.instance and told["at"] >= now - ALIVE
        ]


def has_log(connection: Connection, log: Log) -> bool:
    """Whether the database has a change log of this prefix, of whatever format."""
    return _is_log(_there(connection, log))


def is_whole(connection: Connection, log: Log) -> bool:
    """Whether it has one with all its tables, of this version's format. Raises ConfigurationError for a newer one."""
    there = _there(connection, log)
    return _is_log(there) and _is_present(connection, log) and there == {*TABLES}


def check_format(connection: Connection, log: Log) -> None:
    """Raise ConfigurationError if it has one of a newer format."""
    if has_log(connection, log):
        _is_present(connection, log)


def _is_present(connection: Connection, log: Log) -> bool:
    meta = Names(log.prefix).meta
    row = connection.execute(f"SELECT value FROM {meta} WHERE name = ?", (log_format.NAME,)).fetchone()
    return log_format.is_present(row and row[0])


def _is_log(there: Collection[str]) -> bool:
    return {"changes", "meta"} <= {*there}


def _there(connection: Connection, log: Log) -> set[str]:
    """Those of the log's tables that are there."""
    tables = ", ".join(literal(f"{log.prefix}{name}") for name in TABLES)
    rows = connection.execute(f"SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ({tables})")
    return {name.removeprefix(log.prefix) for (name,) in rows.fetchall()}


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


def _come_first(ours: Iterable[str], there: Iterable[str]) -> bool:
    """Whether our triggers run before the user's: SQLite runs the newest first, and one of the user's that fails
    under OR FAIL, or says RAISE(IGNORE), leaves the row written and stops all that would come after it."""
    ours, oldest_first = set(ours), list(there)
    return set(oldest_first[len(oldest_first) - len(ours) :]) == ours


def _is_ours(name: str, sql: str, prefix: str) -> bool:
    mentions = quote(f"{prefix}changes") in sql or quote(f"{prefix}notes") in sql
    return mentions and name.startswith(prefix) and name.endswith(KINDS)


def _in_order(table: Table, columns: Iterable[str]) -> tuple[str, ...]:
    """The columns that the table has, in its own order and spelling; its key is always among them."""
    wanted = {column.lower() for column in (*columns, *table.key)}
    return tuple(column for column in table.columns if column.lower() in wanted)
