"""Capture in PostgreSQL: installs the log and its triggers, finds what is missing or old, removes every trace.

Three rules. What is installed again comes with a RESET in the same transaction, since nobody knows what was missed; but
where it is only another version's, and just as that left it, nothing was.
While another process with other wishes is alive, triggers are only widened, so that two never take turns. Whoever
installs waits for tables as a guest does: never for long, and never so that somebody else is refused for it.
Every function works within the transaction of its caller. This module knows no row.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from ..cause import Cause
from ..errors import ConfigurationError
from ..version import __version__
from . import log_format
from .base import Log
from .postgres_catalog import Found, Member, Target, read_catalog
from .postgres_ownership import STRANGERS, guard, refuse_strangers
from .postgres_schema import TABLES, entries, has_log, has_schema, is_whole, remembered, schema_of, tables
from .postgres_triggers import Capture as CaptureText
from .postgres_triggers import Function, Names, commit_function, digest, layout_of, literal, quote
from .sql_installed import ALIVE, Installed, Wishes, reset_cause

ROW, TRUNCATE = 29, 32
"""The kinds of our triggers, as the catalog has them: AFTER INSERT OR UPDATE OR DELETE for each row, AFTER TRUNCATE."""
PATIENCE = 10.0
"""Seconds for which an installation waits for tables that others write to."""
PAUSE = 0.1
"""Seconds between two tries."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """How places are drawn. is_sound: by a function as it should be.  runs: its trigger is there.
    notifies: those who LISTEN are told at once.  is_as_left: the function is that of whoever installed it."""

    is_sound: bool = False
    runs: bool = False
    notifies: bool = False
    is_as_left: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What a transaction sees: the catalog, what the log remembers of each source, what other processes need, and how
    places are drawn."""

    catalog: Mapping[str, Found]
    sources: Mapping[str, Installed]
    others: Sequence[Wishes]
    drawing: Drawing


class Capture:
    """The triggers that one process wants. instance: names this process among the heartbeats.

    notifies: whether each commit that logs something is told at once to those who LISTEN.
    """

    def __init__(
        self,
        log: Log,
        targets: Sequence[Target],
        instance: str = "",
        version: str = __version__,
        notifies: bool = False,
    ) -> None:
        self._log = log
        self._targets = {target.name: target for target in targets}
        self._version = version
        self._notifies = notifies
        self.instance = instance or secrets.token_hex(8)
        self._functions: dict[tuple[object, ...], Function] = {}

    # --- finding --------------------------------------------------------------------------------------------

    async def stale(self, connection: asyncpg.Connection, now: float) -> dict[str, str]:
        """The sources whose triggers are missing or old, or keep other columns than they should, and why.

        Raises ConfigurationError for a table that can't be captured, and for a log that is not all ours.
        """
        names = Names(self._log, await schema_of(connection, self._log))
        await refuse_strangers(connection, names, [*self._targets.values()], installs=False)
        if not await has_log(connection, names):
            return dict.fromkeys(self._targets, "there is no change log")
        own = {} if await is_whole(connection, names) else {f"{names.prefix}meta": log_format.EARLIER}
        return own | self._stale(await self._seen(connection, names, now), names)

    async def _seen(self, connection: asyncpg.Connection, names: Names, now: float) -> Seen:
        catalog = await self._catalog(connection, names)
        rows = await connection.fetch(
            f"SELECT name, value FROM {names.meta} WHERE name ~ '^(source:|heartbeat:|drawing$)'"
        )
        told = {row["name"]: row["value"] for row in rows}
        sources = {
            name.partition(":")[2]: Installed.read(value)
            for name, value in told.items()
            if name.startswith("source:")
        }
        others = [
            beat["columns"]
            for beat in self._beats(told)
            if beat["name"] != self.instance and beat["at"] >= now - ALIVE
        ]
        drawing = await connection.fetchrow(
            "SELECT (SELECT prosrc FROM pg_proc WHERE oid = to_regproc($3)) AS body, EXISTS (SELECT FROM pg_trigger "
            "WHERE tgrelid = to_regclass($1) AND tgname = $2 AND tgenabled = 'A' AND tgfoid = to_regproc($3)) AS runs",
            names.waiting,
            names.commit,
            names.of(names.commit),
        )
        return Seen(catalog, sources, others, self._drawing(names, told, others, *drawing))

    async def _catalog(self, connection: asyncpg.Connection, names: Names) -> dict[str, Found]:
        """Raises ConfigurationError where two sources have rows in common."""
        catalog = await read_catalog(connection, list(self._targets.values()), names)
        owners: dict[int, str] = {}
        for name, found in catalog.items():
            for member in found.members:
                if (other := owners.setdefault(member.oid, name)) != name:
                    raise ConfigurationError(
                        f"rows of {member.sql} are rows of {other} and of {name}: only one of them can be live"
                    )
        return catalog

    def _drawing(
        self, names: Names, told: Mapping[str, str], others: Sequence[Wishes], body: str | None, runs: bool
    ) -> Drawing:
        notifies = body == commit_function(names, True).body
        is_ours = notifies or (body == commit_function(names, False).body and not self._notifies)
        # Another version's is good enough while that one is alive: two would take turns.
        is_as_left = body is not None and told.get("drawing") == digest(body)
        return Drawing(is_ours or (bool(others) and is_as_left), runs, notifies, is_as_left)

    def _stale(self, seen: Seen, names: Names) -> dict[str, str]:
        faults = {name: self._fault(seen, names, name) for name in self._targets}
        return {name: fault for name, fault in faults.items() if fault}

    def _fault(self, seen: Seen, names: Names, name: str) -> str | None:
        found, installed = seen.catalog.get(name), seen.sources.get(name)
        if found is None:
            return "the table is gone" if installed and installed.columns else None
        _refuse(self._targets[name], found)
        if not (seen.drawing.is_sound and seen.drawing.runs):
            return "the log's own trigger is missing, or not of this version"
        if installed is None:
            return "it is not captured"
        if lacking := set(self._own(name, found)) - set(installed.columns):
            return f"the log does not keep {', '.join(sorted(lacking))}"
        if gone := set(installed.columns) - set(found.table.columns):
            return f"the table has no {', '.join(sorted(gone))} any more"
        if found.strays or any(_wrong(member, names) for member in found.members):
            return "triggers are missing, or not of this version"
        if installed.parts != _parts(found):
            return "it consists of other tables"
        if seen.others and installed.version != self._version:
            return (
                None if installed.fingerprint == _fingerprint(found) else "triggers are not of their version"
            )
        if not _is_installed(self._function(name, found, installed.columns, names), found):
            return "triggers are missing, or not of this version"
        kept = set() if seen.others else set(installed.columns) - set(self._wanted(name, found, seen.others))
        return f"the log also keeps {', '.join(sorted(kept))}" if kept else None

    def _function(self, name: str, found: Found, columns: Sequence[str], names: Names) -> Function:
        asked = (name, repr(found.table), tuple(columns), names.schema)
        function = self._functions.get(asked)
        if function is None:
            function = self._functions[asked] = CaptureText(name, found.table, columns, names).function()
        return function

    def _own(self, name: str, found: Found) -> tuple[str, ...]:
        needed = self._targets[name].columns
        return _in_order(found, found.table.columns if needed is None else needed)

    def _wanted(self, name: str, found: Found, others: Iterable[Wishes]) -> tuple[str, ...]:
        theirs = (column for other in others for column in other.get(name, ()))
        return _in_order(found, {*self._own(name, found), *theirs})

    async def columns(self, connection: asyncpg.Connection, name: str) -> list[str]:
        """The columns that the log keeps of a source; none where it is not captured."""
        names = Names(self._log, await schema_of(connection, self._log))
        told = await connection.fetchval(f"SELECT value FROM {names.meta} WHERE name = $1", f"source:{name}")
        return [] if told is None else list(Installed.read(told).columns)

    # --- installing -----------------------------------------------------------------------------------------

    async def plan(self, connection: asyncpg.Connection, now: float) -> list[str]:
        """The statements that put right what ``stale`` finds; none if nothing is missing.

        Raises ConfigurationError as ``stale``, and where this role must not install.
        """
        names = Names(self._log, await schema_of(connection, self._log))
        return (await self._plan(connection, names, now))[1]

    async def install(self, connection: asyncpg.Connection, now: float) -> bool:
        """Run the plan, one process at a time; whether there was anything to do.

        Raises ConfigurationError where the role may not, or must not.
        """
        names = Names(self._log, await schema_of(connection, self._log))
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtext('livecollections'), hashtext($1))", names.changes
        )
        locked, plan = await self._plan(connection, names, now)
        try:
            if plan:
                await _lock(connection, locked)
            for statement in plan:
                await connection.execute(statement)
        except asyncpg.InsufficientPrivilegeError as error:
            raise ConfigurationError(
                f"capture: this role may not install it ({error}). It must own the tables, and may create in the "
                "schema of the log; or let their owner run what `livecollections install DATABASE_URL --sql` prints"
            ) from error
        except asyncpg.PostgresError as error:
            if error.sqlstate != STRANGERS:
                raise
            raise ConfigurationError(str(error)) from error
        return bool(plan)

    async def _plan(
        self, connection: asyncpg.Connection, names: Names, now: float
    ) -> tuple[list[str], list[str]]:
        """The tables that have to be locked, and the statements."""
        targets = [*self._targets.values()]
        await refuse_strangers(connection, names, targets, installs=False)
        fresh = not await has_log(connection, names)
        made: list[str] = []
        plan: list[str] = []
        if not await is_whole(connection, names):
            lacks = bool(self._log.schema) and not await has_schema(connection, names.schema)
            made, plan = tables(names, lacks), entries(names, lacks)
        if fresh:
            seen = Seen(await self._catalog(connection, names), {}, [], Drawing())
        else:
            seen = await self._seen(connection, names, now)
        if not seen.drawing.is_sound:
            function = commit_function(names, self._notifies or seen.drawing.notifies)
            plan += [function.statement, remembered(names, "drawing", digest(function.body))]
        if not seen.drawing.runs:
            plan += _trigger(names)
        locked = [] if fresh or seen.drawing.runs else [names.waiting]
        for name in self._targets if fresh else self._stale(seen, names):
            if (found := seen.catalog.get(name)) is None:
                plan += self._let_go(seen, names, name)
            else:
                _refuse(self._targets[name], found)
                locked += [
                    *(each.sql for each in found.members if _wrong(each, names)),
                    *(at for at, _ in found.strays),
                ]
                plan += self._repair(seen, names, name, found)
        if not plan:
            return [], []
        await refuse_strangers(connection, names, targets, installs=True)
        # Others may make something meanwhile, or before the script is run: whose it is, is seen before it is used.
        check = guard(names, targets)
        return sorted(set(locked)), [*made, check, *plan, check]

    def _let_go(self, seen: Seen, names: Names, name: str) -> list[str]:
        known = name in seen.sources
        reset = [reset_statement(names, name, Cause.TABLE_GONE)] if known else []
        return [self._record(names, name, Installed((), self._version, "")), *reset]

    def _repair(self, seen: Seen, names: Names, name: str, found: Found) -> list[str]:
        installed = seen.sources.get(name)
        columns = self._wanted(name, found, seen.others)
        if seen.others and installed:
            columns = _in_order(found, {*columns, *installed.columns})
        function = self._function(name, found, columns, names)
        cause = (
            None if _is_as_left(seen, names, installed, found, columns) else reset_cause(installed, columns)
        )
        stored = (function.body, tuple(function.configuration), True)
        record = Installed(
            columns, self._version, digest(repr(stored)), _parts(found), digest(repr(found.table))
        )
        return [
            *(f"DROP TRIGGER IF EXISTS {quote(trigger)} ON {table}" for table, trigger in found.strays),
            function.statement,
            *(statement for member in found.members for statement in _put_right(member, names, function)),
            remembered(names, f"layout:{layout_of(columns)}", json.dumps(list(columns), ensure_ascii=False)),
            self._record(names, name, record),
            *([] if cause is None else [reset_statement(names, name, cause)]),
        ]

    @staticmethod
    def _record(names: Names, name: str, installed: Installed) -> str:
        return remembered(names, f"source:{name}", json.dumps(installed.stored, ensure_ascii=False))

    # --- heartbeats -----------------------------------------------------------------------------------------

    async def beat(self, connection: asyncpg.Connection, now: float) -> None:
        """Say that this process is alive and what it needs; forget those that died."""
        names = Names(self._log, await schema_of(connection, self._log))
        rows = await connection.fetch(f"SELECT name, value FROM {names.meta} WHERE name LIKE 'heartbeat:%'")
        dead = [f"heartbeat:{beat['name']}" for beat in self._beats(dict(rows)) if beat["at"] < now - ALIVE]
        await connection.execute(f"DELETE FROM {names.meta} WHERE name = ANY($1)", dead)
        catalog = await self._catalog(connection, names)
        columns = {name: self._own(name, found) for name, found in catalog.items()}
        told = {"version": self._version, "at": now, "columns": columns}
        await connection.execute(
            remembered(names, f"heartbeat:{self.instance}", json.dumps(told, ensure_ascii=False))
        )

    async def leave(self, connection: asyncpg.Connection) -> None:
        """Say that this process ends."""
        names = Names(self._log, await schema_of(connection, self._log))
        await connection.execute(f"DELETE FROM {names.meta} WHERE name = $1", f"heartbeat:{self.instance}")

    @staticmethod
    def _beats(told: Mapping[str, str]) -> list[dict[str, Any]]:
        beats = {
            name.partition(":")[2]: value for name, value in told.items() if name.startswith("heartbeat:")
        }
        return [{"name": name, **json.loads(value)} for name, value in beats.items()]


async def captured(connection: asyncpg.Connection, log: Log) -> dict[str, tuple[str, ...]]:
    """The sources that a log captures, and the columns that it keeps of each."""
    names = Names(log, await schema_of(connection, log))
    rows = await connection.fetch(f"SELECT name, value FROM {names.meta} WHERE name LIKE 'source:%'")
    return {name.partition(":")[2]: Installed.read(value).columns for name, value in rows}


async def remove(connection: asyncpg.Connection, log: Log) -> list[str]:
    """Drop all triggers, functions and tables of a log; the answer names the triggers and tables."""
    names = Names(log, await schema_of(connection, log))
    is_whole = await has_log(connection, names)
    if is_whole:
        await connection.execute(f"SET CONSTRAINTS {names.of(names.commit)} IMMEDIATE")
    made = is_whole and await connection.fetchval(
        f"SELECT EXISTS (SELECT FROM {names.meta} WHERE name = 'schema')"
    )
    rows = await connection.fetch(
        "SELECT p.oid::regprocedure::text AS function, "
        "ARRAY(SELECT t.tgname || ' on ' || t.tgrelid::regclass FROM pg_trigger t WHERE t.tgfoid = p.oid "
        "AND t.tgparentid = 0 ORDER BY 1) AS triggers FROM pg_proc p JOIN pg_namespace s ON s.oid = p.pronamespace "
        "WHERE s.nspname = $1 AND p.prorettype = 'trigger'::regtype AND (p.proname = $2 OR p.proname ~ $3) ORDER BY 1",
        names.schema,
        names.commit,
        f"^{names.prefix}capture_[0-9a-f]{{12}}$",
    )
    for row in rows:
        await connection.execute(f"DROP FUNCTION {row['function']} CASCADE")
    dropped = [trigger for row in rows for trigger in row["triggers"]]
    for name in TABLES:
        table = names.of(names.prefix + name)
        if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", table):
            await connection.execute(f"DROP TABLE {table}")
            dropped.append(f"{names.prefix}{name}")
    await connection.execute(f"DROP SEQUENCE IF EXISTS {names.seq}")
    if made and await connection.fetchval(
        "SELECT NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace WHERE nspname = $1)",
        names.schema,
    ):
        await connection.execute(f"DROP SCHEMA {quote(names.schema)}")
    return dropped


def reset_statement(names: Names, source: str, cause: Cause) -> str:
    """What appends a RESET of a source: like all else it is noted first, and gets its place at commit."""
    return (
        f"INSERT INTO {names.waiting} (source, method, key) "
        f"VALUES ({literal(source)}, 'RESET', ARRAY[{literal(cause.value)}])"
    )


def _refuse(target: Target, found: Found) -> None:
    """Raises ConfigurationError for a table that can't be captured."""
    fault = None
    if not found.table.key:
        fault = "has no primary key"
    elif target.key is not None and set(target.key) != set(found.table.key_names):
        fault = f"has the primary key {', '.join(found.table.key_names)}, the model {', '.join(target.key)}"
    elif not found.is_logged:
        fault = "is unlogged or temporary: a crash would empty it, and nothing would tell"
    elif found.is_hidden:
        fault = "hides rows by row security from the role that installs capture: that role must own it, or BYPASSRLS"
    elif found.other_log:
        fault = f"is captured by the log in {found.other_log}: uninstall that, or give this one another Log(prefix=…)"
    if fault:
        raise ConfigurationError(f"the table {target.table} can't be live: it {fault}")


def _trigger(names: Names) -> list[str]:
    """What has places drawn at commit."""
    trigger = quote(names.commit)
    return [
        f"DROP TRIGGER IF EXISTS {trigger} ON {names.waiting}",
        f"CREATE CONSTRAINT TRIGGER {trigger} AFTER INSERT ON {names.waiting} DEFERRABLE INITIALLY DEFERRED "
        f"FOR EACH ROW EXECUTE FUNCTION {names.of(names.commit)}()",
        f"ALTER TABLE {names.waiting} ENABLE ALWAYS TRIGGER {trigger}",
    ]


def _has(member: Member, name: str, kind: int, *, always: bool = True) -> bool:
    return any(
        found.name == name and found.kind == kind and found.is_ours and (found.is_always or not always)
        for found in member.triggers
    )


def _wrong(member: Member, names: Names) -> bool:
    """Whether a table lacks a trigger, or has another."""
    return not (_has(member, names.row_trigger, ROW) and _has(member, names.truncate_trigger, TRUNCATE))


def _put_right(member: Member, names: Names, function: Function) -> list[str]:
    """What gives a table the triggers that it lacks. A partition gets that for rows with its parent's."""
    plan = []
    for trigger, kind, events in (
        (names.row_trigger, ROW, "INSERT OR UPDATE OR DELETE"),
        (names.truncate_trigger, TRUNCATE, "TRUNCATE"),
    ):
        if _has(member, trigger, kind):
            continue
        name, each = quote(trigger), "ROW" if kind == ROW else "STATEMENT"
        if not (kind == ROW and member.is_cloned):
            plan += [
                f"DROP TRIGGER IF EXISTS {name} ON {member.sql}",
                f"CREATE TRIGGER {name} AFTER {events} ON {member.sql} FOR EACH {each} "
                f"EXECUTE FUNCTION {function.name}()",
            ]
        plan.append(f"ALTER TABLE {member.sql} ENABLE ALWAYS TRIGGER {name}")
    return plan


def _is_installed(function: Function, found: Found) -> bool:
    return found.function is not None and found.function == (
        function.body,
        tuple(function.configuration),
        True,
    )


def _fingerprint(found: Found) -> str:
    """A digest of a table's function, settings and all."""
    return digest(repr(found.function))


def _is_as_left(
    seen: Seen, names: Names, installed: Installed | None, found: Found, columns: Sequence[str]
) -> bool:
    """Whether a table, our triggers on it and what they call are as whoever installed them left them."""
    if installed is None or installed.columns != columns:
        return False
    is_called = not found.strays and not any(_wrong(member, names) for member in found.members)
    is_same_table = installed.parts == _parts(found) and installed.definition == digest(repr(found.table))
    is_drawn = seen.drawing.is_as_left and seen.drawing.runs
    return is_drawn and is_called and is_same_table and installed.fingerprint == _fingerprint(found)


def _parts(found: Found) -> tuple[str, ...]:
    """The tables that a table consists of, where there are several."""
    return tuple(sorted(str(member.oid) for member in found.members)) if len(found.members) > 1 else ()


def _in_order(found: Found, columns: Iterable[str]) -> tuple[str, ...]:
    """The columns that the table has, in its own order; its key is always among them."""
    wanted = {*columns, *found.table.key_names}
    return tuple(column for column in found.table.columns if column in wanted)


async def _lock(connection: asyncpg.Connection, tables: Sequence[str]) -> None:
    """Lock tables, all or none. Some are held no longer, while others are waited for, than it takes PostgreSQL to look
    for a deadlock: it never ends somebody else's transaction for ours.

    Raises LockNotAvailableError if others keep them for too long.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    span = 0.8 * await connection.fetchval(
        "SELECT extract(epoch FROM current_setting('deadlock_timeout')::interval)::float8"
    )
    while True:
        end = loop.time() + span
        try:
            async with connection.transaction():
                for table in tables:
                    left = max(1, round((end - loop.time()) * 1000))
                    await connection.execute(f"SET LOCAL lock_timeout = {left}")
                    await connection.execute(f"LOCK TABLE ONLY {table} IN SHARE ROW EXCLUSIVE MODE")
                await connection.execute("SET LOCAL lock_timeout = DEFAULT")
            return
        except asyncpg.LockNotAvailableError:
            if loop.time() > deadline:
                raise
        await asyncio.sleep(PAUSE)
