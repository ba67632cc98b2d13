"""What PostgreSQL's catalog says of the tables to capture: read by one query, however many they are.

A table is one with its partitions and heirs (``members``): rows of all of them are rows of it. This module knows no
log, and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from .postgres_triggers import KeyColumn, Names, Table, quote
from .sql import TableSource


@dataclass(frozen=True, slots=True)
class Target:
    """A table to capture. name: of its source.  schema: None is the first of the search path that has it.

    columns: those that the log must keep; None: all.  key: those of the primary key, in the order of the model's key;
    None: in the table's own.
    """

    name: str
    schema: str | None
    table: str
    columns: tuple[str, ...] | None = None
    key: tuple[str, ...] | None = None

    @property
    def sql(self) -> str:
        """Its name as SQL."""
        return quote(self.table) if self.schema is None else f"{quote(self.schema)}.{quote(self.table)}"


def targets_of(sources: Iterable[TableSource]) -> list[Target]:
    """The tables that sources show; of several that show one table, with the columns of all."""
    columns: dict[str, dict[str, None]] = {}
    found: dict[str, Target] = {}
    for source in sources:
        wanted = columns.setdefault(source.name, {})
        wanted.update(dict.fromkeys(field.name for field in source.shown))
        key = tuple(field.name for field in source.key_fields)
        found[source.name] = Target(source.name, source.table.schema, source.table.name, tuple(wanted), key)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger on one member. is_ours: it calls the function of its source.  kind: its events, as the catalog has
    them.  is_always: replication and restores fire it too."""

    name: str
    is_ours: bool
    kind: int
    is_always: bool


@dataclass(frozen=True, slots=True)
class Member:
    """A table whose rows are the captured one's. is_cloned: its row triggers are made with its parent's."""

    oid: int
    sql: str
    is_cloned: bool
    triggers: tuple[Trigger, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A captured table as it is now.

    is_logged: it survives a crash.  is_hidden: row security hides rows of it from us.
    function: the body and settings of its function; None: there is none.  members: itself first.
    strays: other tables of its owner that call it (they were renamed, or are no partitions any more), and by which
    trigger. (A stranger's does nothing by it, and may not be ours to alter.)
    other_log: the schema of another log whose triggers of the same names it has; None: there is none.
    """

    table: Table
    is_logged: bool
    is_hidden: bool
    function: tuple[str, tuple[str, ...], bool] | None
    members: tuple[Member, ...]
    strays: tuple[tuple[str, str], ...]
    other_log: str | None


_QUERY = """
WITH RECURSIVE target AS (
  SELECT n, to_regclass(sql) AS oid, function FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS t(sql, function, n)
), member AS (
  SELECT n, c.oid, 0 AS depth, false AS is_cloned FROM target JOIN pg_class c ON c.oid = target.oid
  WHERE c.relkind IN ('r', 'p')
  UNION
  SELECT n, c.oid, depth + 1, c.relispartition FROM member JOIN pg_inherits i ON i.inhparent = member.oid
  JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relkind IN ('r', 'p')
)
SELECT target.n, json_build_object(
  'oid', c.oid::bigint, 'schema', s.nspname, 'name', c.relname, 'is_logged', c.relpersistence = 'p',
  'is_hidden', row_security_active(c.oid),
  'columns', (SELECT json_agg(json_build_array(a.attname, CASE WHEN a.attlen >= 0 THEN ''
      WHEN a.atttypid IN (17, 25, 1042, 1043) THEN 'octet_length' ELSE 'pg_column_size' END,
      a.atttypid::bigint, concat_ws(' ', a.atttypmod, (SELECT string_agg(quote_ident(e.enumlabel), ' '
        ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = a.atttypid))) ORDER BY a.attnum)
    FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  'key', (SELECT json_agg(json_build_array(a.attname, os.nspname, o.oprname,
      a.atttypid IN (20, 21, 23, 2950)) ORDER BY k.place)
    FROM pg_index x, unnest(x.indkey::int2[], x.indclass::oid[]) WITH ORDINALITY AS k(attnum, class, place)
    JOIN pg_attribute a ON a.attnum = k.attnum JOIN pg_opclass oc ON oc.oid = k.class
    JOIN pg_amop ao ON ao.amopfamily = oc.opcfamily AND ao.amoplefttype = oc.opcintype
      AND ao.amoprighttype = oc.opcintype AND ao.amopstrategy = 3
    JOIN pg_operator o ON o.oid = ao.amopopr JOIN pg_namespace os ON os.oid = o.oprnamespace
    WHERE x.indrelid = c.oid AND x.indisprimary AND a.attrelid = c.oid AND k.place <= x.indnkeyatts),
  'function', (SELECT json_build_array(p.prosrc, p.proconfig, p.prosecdef) FROM pg_proc p
    WHERE p.oid = to_regproc(target.function)),
  'members', (SELECT json_agg(json_build_array(m.oid::bigint, format('%I.%I', ms.nspname, mc.relname), m.is_cloned,
      (SELECT json_agg(json_build_array(t.tgname, t.tgfoid = to_regproc(target.function), t.tgtype,
          t.tgenabled = 'A') ORDER BY t.tgname)
        FROM pg_trigger t WHERE t.tgrelid = m.oid AND left(t.tgname, 1) = '!')) ORDER BY m.depth, m.oid)
    FROM (SELECT n, oid, min(depth) AS depth, bool_and(is_cloned) AS is_cloned FROM member GROUP BY n, oid) m
    JOIN pg_class mc ON mc.oid = m.oid JOIN pg_namespace ms ON ms.oid = mc.relnamespace WHERE m.n = target.n),
  'strays', (SELECT json_agg(json_build_array(format('%I.%I', ss.nspname, sc.relname), t.tgname))
    FROM pg_trigger t JOIN pg_class sc ON sc.oid = t.tgrelid JOIN pg_namespace ss ON ss.oid = sc.relnamespace
    WHERE t.tgfoid = to_regproc(target.function) AND t.tgparentid = 0 AND sc.relowner = c.relowner
      AND t.tgrelid NOT IN (SELECT m.oid FROM member m WHERE m.n = target.n)),
  'other_log', (SELECT min(ps.nspname::text) FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
    JOIN pg_namespace ps ON ps.oid = p.pronamespace JOIN pg_class pc ON pc.relnamespace = ps.oid
    WHERE t.tgrelid IN (SELECT m.oid FROM member m WHERE m.n = target.n) AND t.tgname = ANY ($3::text[])
      AND ps.nspname <> $4::text AND pc.relname = $5::text || 'waiting'
      AND starts_with(p.proname::text, $5::text || 'capture_'))
)::text
FROM target JOIN pg_class c ON c.oid = target.oid JOIN pg_namespace s ON s.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p')
"""


async def read_catalog(connection: Any, targets: Sequence[Target], names: Names) -> dict[str, Found]:
    """What there is of the targets, by the names of their sources. A view or foreign table counts as none."""
    functions = [names.of(names.capture(target.name)) for target in targets]
    rows = await connection.fetch(
        _QUERY,
        [target.sql for target in targets],
        functions,
        [names.row_trigger, names.truncate_trigger],
        names.schema,
        names.prefix,
    )
    found = {targets[number - 1]: orjson.loads(told) for number, told in rows}
    return {target.name: _found(target, told) for target, told in found.items()}


def _found(target: Target, told: dict[str, Any]) -> Found:
    columns = told["columns"] or []
    key = [
        KeyColumn(name, f"OPERATOR({quote(schema)}.{operator})", is_exact)
        for name, schema, operator, is_exact in told["key"] or ()
    ]
    if target.key is not None and {column.name for column in key} == set(target.key):
        key.sort(key=lambda column: target.key.index(column.name))  # type: ignore[union-attr]
    table = Table(
        told["oid"],
        told["schema"],
        told["name"],
        {name: (kind, form) for name, _, kind, form in columns},
        {name: measure for name, measure, _, _ in columns if measure},
        tuple(key),
    )
    function = told["function"]
    return Found(
        table,
        told["is_logged"],
        told["is_hidden"],
        None if function is None else (function[0], tuple(function[1] or ()), function[2]),
        tuple(
            Member(oid, sql, is_cloned, tuple(Trigger(*trigger) for trigger in triggers or ()))
            for oid, sql, is_cloned, triggers in told["members"]
        ),
        tuple((sql, name) for sql, name in told["strays"] or ()),
        told["other_log"],
    )
