"""Ownership: whose what bears the log's names is, since whoever owns it has code of his run by all who use it.

Three rules. Trusted is who could do as much anyway: this role itself, a superuser, the owner of the database, and the
schema's, who may drop what is in it and make another. Where nothing is installed, so is the owner of a captured table,
whose triggers and policies run with the rights of whoever serves it; to whoever installs he is a stranger. No function
is called by a name without its schema: a stranger's of that name might fit better.

This module reads the catalog alone, never what it judges.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import ConfigurationError
from .postgres_catalog import Target
from .postgres_schema import INDEXES, TABLES
from .postgres_triggers import Names, literal

STRANGERS = "LIVE1"
"""The SQLSTATE of an installation that finds a stranger's."""
ADVICE = (
    "what is on the log's tables may run with the rights of whoever uses them: let that owner install, or drop what is "
    "not yours, or give the log a schema where nobody else may create, Log(schema=…)"
)


async def refuse_strangers(
    connection: Any, names: Names, targets: Sequence[Target], *, installs: bool
) -> None:
    """Raises ConfigurationError where a log is not all ours. targets: the tables captured.  installs: whether this role
    is to install, rather than to serve."""
    if told := await strangers(connection, names, targets, installs=installs):
        raise ConfigurationError(f"log: {told}: {ADVICE}")


async def refuse_additions(connection: Any, names: Names) -> None:
    """Raises ConfigurationError where more stands on a log's tables than is ours, whoever owns them."""
    if told := await additions(connection, names):
        raise ConfigurationError(f"log: {told}: {ADVICE}")


async def strangers(connection: Any, names: Names, targets: Sequence[Target], *, installs: bool) -> str:
    """What of a log belongs to strangers, and what stands on its tables that is not ours; nothing if all is well."""
    found = await connection.fetchval(_owners(names, targets, installs=installs))
    return ", ".join(filter(None, (found, await additions(connection, names))))


async def additions(connection: Any, names: Names) -> str:
    """What stands on the tables of a log and is not ours, or makes them others than ours: while there is any, reading
    them may run it."""
    return await connection.fetchval(_additions(names)) or ""


def guard(names: Names, targets: Sequence[Target]) -> str:
    """The statement that ends an installation which finds a stranger's: what it looks at was not there, or another's,
    when the plan was made."""
    owners, more = _owners(names, targets, installs=True), _additions(names)
    return f"""DO $guard$
DECLARE v_told text := pg_catalog.concat_ws(', ', ({owners}), ({more}));
BEGIN
  IF v_told <> '' THEN
    RAISE EXCEPTION USING ERRCODE = '{STRANGERS}', MESSAGE = 'log: ' || v_told || {literal(": " + ADVICE)};
  END IF;
END
$guard$"""


def _owners(names: Names, targets: Sequence[Target], *, installs: bool) -> str:
    """The query that names what belongs to strangers."""
    schema = f"(SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = {literal(names.schema)})"
    functions = [names.commit, *(names.capture(target.name) for target in targets)]
    captured = "" if installs else "".join(f"\n  UNION SELECT {_owner_of(target)}" for target in targets)
    return f"""WITH trusted AS (
  SELECT oid FROM pg_catalog.pg_roles WHERE rolsuper OR rolname = current_user
  UNION SELECT datdba FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
  UNION SELECT nspowner FROM pg_catalog.pg_namespace WHERE oid = {schema}{captured}
), ours AS (
  SELECT relname AS name, relowner AS owner FROM pg_catalog.pg_class
  WHERE relnamespace = {schema} AND relname IN ({_listed(_relations(names))})
  UNION ALL SELECT proname, proowner FROM pg_catalog.pg_proc
  WHERE pronamespace = {schema} AND proname IN ({_listed(functions)})
  UNION ALL SELECT typname, typowner FROM pg_catalog.pg_type
  WHERE typnamespace = {schema} AND typrelid = 0 AND typname IN ({_listed(_relations(names))})
)
SELECT pg_catalog.string_agg(
  name::text || ' belongs to the role ' || pg_catalog.pg_get_userbyid(owner)::text, ', ' ORDER BY name)
FROM ours WHERE owner NOT IN (SELECT oid FROM trusted WHERE oid IS NOT NULL)"""


def _additions(names: Names) -> str:
    """The query that names what is on the log's tables, and is not ours."""
    tables = [f"{names.prefix}{name}" for name in TABLES]
    schema = f"(SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = {literal(names.schema)})"
    waiting, commit = literal(f"{names.prefix}waiting"), literal(names.commit)
    return f"""WITH ours AS (
  SELECT oid, relname, relkind FROM pg_catalog.pg_class
  WHERE relnamespace = {schema} AND relname IN ({_listed(tables)})
), more AS (
  SELECT relname, 'it is no table' AS what FROM ours WHERE relkind <> 'r'
  UNION ALL SELECT relname, 'the trigger ' || tgname::text FROM ours JOIN pg_catalog.pg_trigger ON tgrelid = ours.oid
  WHERE NOT tgisinternal AND NOT (relname = {waiting} AND tgname = {commit} AND EXISTS (
    SELECT FROM pg_catalog.pg_proc WHERE oid = tgfoid AND proname = {commit} AND pronamespace = {schema}))
  UNION ALL SELECT relname, 'the rule ' || rulename::text FROM ours JOIN pg_catalog.pg_rewrite ON ev_class = ours.oid
  WHERE relkind = 'r'
  UNION ALL SELECT relname, 'the policy ' || polname::text FROM ours JOIN pg_catalog.pg_policy ON polrelid = ours.oid
  UNION ALL SELECT relname, 'the constraint ' || conname::text
  FROM ours JOIN pg_catalog.pg_constraint ON conrelid = ours.oid WHERE contype = 'c'
  UNION ALL SELECT relname, 'an index of expressions'
  FROM ours JOIN pg_catalog.pg_index ON indrelid = ours.oid WHERE indexprs IS NOT NULL
  UNION ALL SELECT relname, 'a default, or a type of somebody''s own, of the column ' || attname::text
  FROM ours JOIN pg_catalog.pg_attribute ON attrelid = ours.oid
  WHERE attnum > 0 AND NOT attisdropped AND (atthasdef OR EXISTS (
    SELECT FROM pg_catalog.pg_type AS t JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
    WHERE t.oid = atttypid AND n.nspname <> 'pg_catalog'))
)
SELECT pg_catalog.string_agg('on ' || relname::text || ' stands what is not ours (' || what || ')', ', '
  ORDER BY relname, what) FROM more"""


def _relations(names: Names) -> list[str]:
    return [f"{names.prefix}{name}" for name in (*TABLES, *INDEXES, "seq")]


def _owner_of(target: Target) -> str:
    there = f"pg_catalog.to_regclass({literal(target.sql)})"
    return f"(SELECT relowner FROM pg_catalog.pg_class WHERE oid = {there})"


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(map(literal, texts))


__all__ = ["ADVICE", "STRANGERS", "additions", "guard", "refuse_additions", "refuse_strangers", "strangers"]
