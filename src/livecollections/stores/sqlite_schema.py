"""A SQLite table as the triggers must know it: columns, key, and every unique key that REPLACE may act on.

Read from pragmas and, for the terms of expression and partial indexes (which no pragma tells), from the text of
CREATE INDEX. This module writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Connection(Protocol):
    """Whatever runs SQL: a connection of ``sqlite3``, or one of SQLAlchemy in a thin coat."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Term:
    """One term of a unique key: SQL over the table's own column names, and how values are compared."""

    sql: str
    collation: str
    column: str | None


@dataclass(frozen=True, slots=True)
class UniqueKey:
    """Terms that no two rows share; ``where`` limits it to some rows (a partial index)."""

    terms: tuple[Term, ...]
    where: str | None = None

    @property
    def columns(self) -> list[str] | None:
        """The columns that alone decide about it; None if there is more to it."""
        names = [term.column for term in self.terms]
        return None if self.where or None in names else [name for name in names if name]


@dataclass(frozen=True, slots=True)
class Table:
    """A table. ``rowid_key``: its key is SQLite's own row number. ``defaults``: what OR REPLACE puts in place of
    a NULL, by column, as SQL."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    rowid_key: bool
    uniques: tuple[UniqueKey, ...]
    defaults: dict[str, str]

    def spelled(self, column: str) -> str | None:
        """A column's name as the table spells it (SQLite ignores case)."""
        lower = column.lower()
        return next((name for name in self.columns if name.lower() == lower), None)


def quote(name: str) -> str:
    """A name as SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("'", "''") + "'"


def kinds(connection: Connection) -> dict[str, str]:
    """Of each table its kind, such as "virtual", or "shadow" where it belongs to a virtual one; older versions of
    SQLite tell none."""
    rows = connection.execute("PRAGMA table_list").fetchall()
    return {name: kind for schema, name, kind, *_ in rows if schema == "main"}


def table_names(connection: Connection) -> list[str]:
    """Ordinary tables, SQLite's own and those of virtual ones left out."""
    known = kinds(connection)
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' "
        "AND sql NOT LIKE 'create virtual%' ORDER BY name"
    )
    return [name for (name,) in rows if known.get(name) != "shadow"]


def read_table(connection: Connection, name: str) -> Table | None:
    """The table, or None if there is none of this name (a view or virtual table counts as none)."""
    found = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND lower(name) = lower(?) "
        "AND sql NOT LIKE 'create virtual%'",
        (name,),
    ).fetchone()
    return None if found is None else described(connection, found[0])


def described(connection: Connection, name: str) -> Table:
    """An ordinary table that is known to be there, by its name as the database spells it."""
    rows = connection.execute(f"PRAGMA table_xinfo({quote(name)})").fetchall()
    columns = [row for row in rows if row[6] != 1]
    key = tuple(row[1] for row in sorted(columns, key=lambda row: row[5]) if row[5])
    indexes = connection.execute(f"PRAGMA index_list({quote(name)})").fetchall()
    rowid_key = len(key) == 1 and not any(origin == "pk" for _, _, _, origin, _ in indexes)
    uniques = [
        _unique_key(connection, index, bool(partial)) for _, index, unique, _, partial in indexes if unique
    ]
    if rowid_key:
        uniques.insert(0, UniqueKey((Term(quote(key[0]), "BINARY", key[0]),)))
    return Table(
        name=name,
        columns=tuple(row[1] for row in columns),
        key=key,
        rowid_key=rowid_key,
        uniques=tuple(uniques),
        defaults={row[1]: _default(row[4]) for row in columns if row[3] and row[4] is not None},
    )


def _default(sql: str) -> str:
    # SQLite takes "x" after DEFAULT for a text; elsewhere it would be a name.
    return literal(sql[1:-1].replace('""', '"')) if sql.startswith('"') else sql


def _unique_key(connection: Connection, index: str, partial: bool) -> UniqueKey:
    rows = [row for row in connection.execute(f"PRAGMA index_xinfo({quote(index)})") if row[5]]
    plain = not partial and all(row[1] >= 0 for row in rows)
    texts: list[str] = []
    where = None
    if not plain:
        (sql,) = connection.execute(
            "SELECT sql FROM sqlite_master WHERE type = 'index' AND name = ?", (index,)
        ).fetchone()
        texts, where = index_terms(sql)
    terms = [
        Term(quote(column), collation or "BINARY", column)
        if number >= 0
        else Term(f"({texts[place]})", collation or "BINARY", None)
        for place, number, column, _, collation, _ in rows
    ]
    return UniqueKey(tuple(terms), where)


_TOKEN = re.compile(
    r"""\s+ | --[^\n]*\n? | /\*.*?(?:\*/|\Z)
    | '(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\]
    | [A-Za-z_\x80-\U0010ffff$][\w$]* | [0-9][\w.]* | .""",
    re.VERBOSE | re.DOTALL,
)


def index_terms(sql: str) -> tuple[list[str], str | None]:
    """The terms between the parentheses of a CREATE INDEX, without COLLATE and order, and its WHERE."""
    tokens = _without_comments(sql)
    while next(tokens) != "(":
        pass
    terms = [""]
    depth = 1
    for token in tokens:
        depth += (token == "(") - (token == ")")
        if not depth:
            break
        if token == "," and depth == 1:
            terms.append("")
        else:
            terms[-1] += token
    rest = "".join(tokens).strip()
    where = rest[len("where") :].strip() if rest.lower().startswith("where") else None
    return [_ORDER.sub("", term).strip() for term in terms], where


_ORDER = re.compile(r"""(\s+collate\s+("(?:[^"]|"")*"|[\w$]+))?(\s+(asc|desc))?\s*\Z""", re.IGNORECASE)


def _without_comments(sql: str) -> Iterator[str]:
    for match in _TOKEN.finditer(sql):
        token = match.group()
        yield " " if token.isspace() or token.startswith(("--", "/*")) else token
