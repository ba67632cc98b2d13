"""Table: what the catalogue says of a table: its columns' types, and which columns its unique constraints name.

A model may say otherwise than the database: what is compared, and how, goes by the database. This module knows the
catalogue, no log and no source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg

_COLUMNS = """
SELECT a.attname, coalesce(b.typname, t.typname) AS type, format_type(a.atttypid, a.atttypmod) AS spelled,
       a.attnotnull, coalesce(c.collisdeterministic, true) AS is_exact,
       CASE WHEN t.typtype = 'e' THEN
           ARRAY(SELECT enumlabel::text FROM pg_catalog.pg_enum WHERE enumtypid = t.oid) END AS labels
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype
LEFT JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation
WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
"""
_UNIQUE = """
SELECT c.relname, ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY k(number, place)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
    WHERE k.place <= i.indnkeyatts ORDER BY k.place) AS columns
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = pg_catalog.to_regclass($1) AND i.indisunique AND NOT 0 = ANY (i.indkey)
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """A column's type. name: of the type, or of what a domain is made of.  spelled: as SQL has it.
    labels: of an enumeration.  is_exact: texts are equal only if their bytes are."""

    name: str
    spelled: str
    is_nullable: bool
    is_exact: bool = True
    labels: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Columns by their names, and the columns of unique constraints and indexes by theirs."""

    columns: Mapping[str, Kind]
    unique: Mapping[str, Sequence[str]]


async def read_table(connection: asyncpg.Connection, name: str) -> Table | None:
    """A table by its quoted name; None if there is none."""
    columns = {
        row["attname"]: Kind(
            row["type"], row["spelled"], not row["attnotnull"], row["is_exact"], row["labels"] or ()
        )
        for row in await connection.fetch(_COLUMNS, name)
    }
    if not columns:
        return None
    return Table(columns, {row["relname"]: row["columns"] for row in await connection.fetch(_UNIQUE, name)})
