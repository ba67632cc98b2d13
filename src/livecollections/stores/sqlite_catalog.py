"""What SQLite's catalog says of some tables, their indexes and triggers: read by one query, however many they are.

Two rules. Names are told apart as SQLite does, without regard to the case of ASCII letters. A table whose part of the
catalog has the same digest is the same table, and is not described again. This module knows no log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from .sqlite_schema import Connection, Table, described, literal


def folded(name: str) -> str:
    """A name as ``lower()`` of SQLite has it."""
    return name.encode().lower().decode()


class Catalog:
    """The catalog as a transaction sees it. names: of the tables to read about."""

    def __init__(self, connection: Connection, names: Iterable[str]) -> None:
        self._tables: dict[str, str] = {}
        self._triggers: dict[str, dict[str, str]] = {}
        self._digests: dict[str, hashlib._Hash] = {}
        self._definitions: dict[str, list[str]] = {}
        wanted = ", ".join(literal(name) for name in sorted({folded(name) for name in names}))
        rows = connection.execute(
            "SELECT lower(tbl_name), type, name, tbl_name, sql FROM sqlite_master "
            f"WHERE lower(tbl_name) IN ({wanted}) ORDER BY rowid"
        )
        for table, kind, name, spelled, sql in rows.fetchall():
            told = repr((kind, name, spelled, sql)).encode()
            self._digests.setdefault(table, hashlib.sha256()).update(told)
            if kind == "table" and not sql.lower().startswith("create virtual"):
                self._tables[table] = name
            elif kind == "trigger":
                self._triggers.setdefault(table, {})[name] = sql
            if kind != "trigger":
                self._definitions.setdefault(table, []).append(repr((kind, name, spelled, sql)))

    def table(self, name: str) -> str | None:
        """A table's name as the database spells it; None: there is none (a view or virtual table counts as none)."""
        return self._tables.get(folded(name))

    def triggers(self, name: str) -> dict[str, str]:
        """The triggers of a table and their texts, oldest first."""
        return self._triggers.get(folded(name), {})

    def digest(self, name: str) -> bytes:
        """Changes with whatever the catalog says of a table."""
        digest = self._digests.get(folded(name))
        return digest.digest() if digest else b""

    def definition(self, name: str) -> str:
        """Changes with a table's columns and indexes; a copy of the database, made of its text, has the same."""
        told = "\0".join(sorted(self._definitions.get(folded(name), ())))
        return hashlib.sha256(told.encode()).hexdigest()


class Tables:
    """Tables as they were described last, by their digests."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[bytes, Table]] = {}

    def table(self, connection: Connection, catalog: Catalog, name: str) -> Table | None:
        """The table of this name as the catalog has it."""
        spelled = catalog.table(name)
        if spelled is None:
            return None
        digest, known = catalog.digest(name), self._found.get(spelled)
        if known is None or known[0] != digest:
            known = self._found[spelled] = digest, described(connection, spelled)
        return known[1]
