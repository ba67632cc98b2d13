"""The triggers' text: what makes a SQLite table tell its own changes.

Three rules. A trigger logs the row re-read by its key, not NEW: the user's own triggers may have changed it.
Rows that REPLACE evicts fire no trigger: BEFORE notes the rows that share a unique key, AFTER logs those gone. No
statement here can fail a write that would succeed without it: built-in functions only, any value, no constraint. Nor
can it fail a migration: a column that has been dropped is NULL to it.

An image is ``<layout>:`` and one field for each column, each ended by ``;`` and begun by its storage type: n, i
(integer), r (real, 20 digits), t (text, with ``%`` and ``;`` as %25 and %3b), b (blob as hex), o (too large to
keep).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from .sqlite_schema import Table, Term, UniqueKey, literal, quote

KINDS = ("before_insert", "before_update", "insert", "update", "delete")
LARGEST_VALUE = 4_000_000
"""Characters or bytes of one value that an image keeps."""
NOTES = 64
"""Notes that statements which came to nothing (OR IGNORE) may leave behind."""
NOTED_KEYS = 4
"""Key columns that a note keeps as values, for the index of the table."""

NOW = "(julianday('now') - 2440587.5) * 86400.0"
CHECK = "lower(hex(randomblob(2)))"
TOO_LARGE = "'o' || hex(randomblob(4))"  # drawn, so that two of them never count as equal

Refer = Callable[[str], str]


def trigger_name(prefix: str, table: str, kind: str) -> str:
    """What the trigger of a table is called."""
    return f"{prefix}{table}_{kind}"


def layout_of(columns: Sequence[str]) -> str:
    """The name of a list of columns, by which images remember which they hold."""
    return hashlib.sha256("\0".join(columns).encode()).hexdigest()[:8]


def of(row: str) -> Refer:
    """Refers to the columns of a row: NEW, OLD, or a table's alias."""
    return lambda column: f"{row}.{quote(column)}"


def field(value: str) -> str:
    """One field of an image."""
    return (
        f"CASE WHEN length({value}) > {LARGEST_VALUE} THEN {TOO_LARGE} ELSE CASE typeof({value}) "
        f"WHEN 'integer' THEN 'i' || {value} WHEN 'null' THEN 'n' "
        f"WHEN 'text' THEN 't' || replace(replace({value}, '%', '%25'), ';', '%3b') "
        f"WHEN 'real' THEN 'r' || printf('%!.20g', {value}) ELSE 'b' || hex({value}) END END || ';'"
    )


def fields(refer: Refer, columns: Sequence[str]) -> str:
    """The fields of several columns, as a balanced tree: SQLite limits the depth of an expression."""
    if len(columns) == 1:
        return f"({field(refer(columns[0]))})"
    half = len(columns) // 2
    return f"({fields(refer, columns[:half])} || {fields(refer, columns[half:])})"


def image(refer: Refer, columns: Sequence[str]) -> str:
    """A row as the log keeps it."""
    return f"{literal(layout_of(columns) + ':')} || {fields(refer, columns)}"


def image_in(row: str, columns: Sequence[str], key: Sequence[str], origin: str = "") -> str:
    """The image of a row as a value, which may be OLD, or the alias of a table in ``origin`` (``FROM …``).

    SQLite refuses to drop a column that a trigger names, unless the name still means something: of a name that the row
    has no more, the scope around it decides, and there a row of the same name has nothing but NULLs. The columns of the
    key can't be dropped.
    """
    others = [f"NULL AS {quote(column)}" for column in columns if column not in key]
    inner = f"SELECT {image(of(row), columns)}{origin}"
    return f"(SELECT ({inner}) FROM (SELECT {', '.join(others)}) AS {row})" if others else f"({inner})"


class Triggers:
    """The statements for one table, whose log keeps ``columns``."""

    def __init__(self, table: Table, columns: Sequence[str], prefix: str) -> None:
        self._table = table
        self._columns = columns
        self._prefix = prefix
        self._name = quote(table.name)
        self._source = literal(table.name)
        self._changes = quote(f"{prefix}changes")
        self._notes = quote(f"{prefix}notes")

    def statements(self) -> dict[str, str]:
        """The name of each trigger, and what creates it."""
        bodies = {
            "before_insert": ("BEFORE INSERT", self._before_insert()),
            "before_update": ("BEFORE UPDATE", self._before_update()),
            "insert": ("AFTER INSERT", self._after_insert()),
            "update": ("AFTER UPDATE", self._after_update()),
            "delete": ("AFTER DELETE", self._after_delete()),
        }
        found = {}
        for kind, (moment, (when, body)) in bodies.items():
            name = trigger_name(self._prefix, self._table.name, kind)
            guard = f" WHEN {when}" if when else ""
            text = "".join(f"\n  {statement};" for statement in body)
            found[name] = f"CREATE TRIGGER {quote(name)} {moment} ON {self._name}{guard} BEGIN{text}\nEND"
        return found

    # --- what is logged ---------------------------------------------------------------------------------

    def _after_insert(self) -> tuple[str, list[str]]:
        noted = (
            f"(SELECT image FROM {self._notes} WHERE source = {self._source} AND key = {self._key('NEW')})"
        )
        log = self._log(
            f"CASE WHEN b IS NULL THEN 'POST' ELSE 'PUT' END, {self._key('NEW')}, b, a",
            f"(SELECT {self._reread('NEW')} AS a, {noted} AS b LIMIT 1) WHERE a IS NOT NULL",
        )
        return "", [self._log_gone(), self._forget_gone(), log, self._forget("NEW")]

    def _after_update(self) -> tuple[str, list[str]]:
        old, new = self._key("OLD"), self._key("NEW")
        noted = f"(SELECT image FROM {self._notes} WHERE source = {self._source} AND key = {new})"
        names = [f"k{place}" for place in range(len(self._table.key))]
        sides = " UNION ALL ".join(
            f"SELECT {side} AS old, {self._key(row)} AS key, "
            + ", ".join(
                f"{row}.{quote(column)} AS {name}"
                for column, name in zip(self._table.key, names, strict=True)
            )
            + f" WHERE {condition}"
            for side, row, condition in (
                (1, "OLD", self._has_key("OLD")),
                (0, "NEW", f"{old} IS NOT {new}"),
            )
        )
        same = " AND ".join(
            f"r.{quote(column)} = s.{name}" for column, name in zip(self._table.key, names, strict=True)
        )
        exact = "" if self._table.rowid_key else f" AND {self._key('r')} = s.key"
        states = (
            f"SELECT s.old AS old, s.key AS key, "
            f"CASE WHEN s.old THEN {self._image('OLD')} ELSE {noted} END AS b, "
            f"{self._image('r', f' FROM {self._name} AS r WHERE {same}{exact}')} AS a "
            f"FROM ({sides}) AS s LIMIT 2"
        )
        log = self._log(
            "CASE WHEN a IS NULL THEN 'DELETE' WHEN b IS NULL THEN 'POST' ELSE 'PUT' END, key, b, a",
            f"({states}) WHERE CASE WHEN NOT old THEN a IS NOT NULL WHEN a IS NULL THEN {old} IS NOT {new} "
            f"ELSE a <> b OR {self._is_stepped_before()} END ORDER BY old DESC",
        )
        return "", [self._log_gone(), self._forget_gone(), log, self._forget("OLD", "NEW")]

    def _after_delete(self) -> tuple[str, list[str]]:
        log = self._log(
            f"CASE WHEN a IS NULL THEN 'DELETE' ELSE 'PUT' END, {self._key('OLD')}, b, a",
            f"(SELECT {self._reread('OLD')} AS a, {self._image('OLD')} AS b LIMIT 1) "
            f"WHERE {self._has_key('OLD')}",
        )
        return "", [log, self._forget("OLD")]

    def _log(self, values: str, rows: str) -> str:
        return (
            f"INSERT INTO {self._changes} (check_digits, source, method, key, before, after, at) "
            f"SELECT {CHECK}, {self._source}, {values}, {NOW} FROM {rows}"
        )

    def _log_gone(self) -> str:
        return self._log("'DELETE', n.key, n.image, NULL", f"{self._notes} AS n WHERE {self._is_gone()}")

    def _forget(self, *rows: str) -> str:
        keys = ", ".join(self._key(row) for row in rows)
        return f"DELETE FROM {self._notes} WHERE source = {self._source} AND key IN ({keys})"

    def _forget_gone(self) -> str:
        gone = f"SELECT n.id FROM {self._notes} AS n WHERE {self._is_gone()}"
        return f"DELETE FROM {self._notes} WHERE id IN ({gone})"

    def _is_gone(self) -> str:
        return (
            f"n.source = {self._source} "
            f"AND NOT EXISTS (SELECT 1 FROM {self._name} AS r WHERE {self._is_noted()})"
        )

    def _is_noted(self) -> str:
        kept = self._table.key[:NOTED_KEYS]
        values = [f"r.{quote(column)} = n.k{place}" for place, column in enumerate(kept)]
        return " AND ".join([*values, f"{self._key('r')} = n.key"])

    def _reread(self, row: str) -> str:
        return self._image("r", f" FROM {self._name} AS r WHERE {self._same('r', row)}")

    def _image(self, row: str, origin: str = "") -> str:
        return image_in(row, self._columns, self._table.key, origin)

    def _is_stepped_before(self) -> str:
        # A BEFORE UPDATE trigger of the user's may change the row after OLD was read: then OLD = row says nothing.
        ours = ", ".join(literal(trigger_name(self._prefix, self._table.name, kind)) for kind in KINDS)
        return (
            f"EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND tbl_name = {self._source} "
            f"AND name NOT IN ({ours}) AND instr(lower(sql), 'before'))"
        )

    # --- what is noted ----------------------------------------------------------------------------------

    def _before_insert(self) -> tuple[str, list[str]]:
        matches = [self._shares(unique) for unique in self._table.uniques]
        return self._exists(matches), self._note(matches)

    def _before_update(self) -> tuple[str, list[str]]:
        another = f"NOT ({self._same(self._name, 'OLD')})"
        changed = [f"({self._changes_key(unique)})" for unique in self._table.uniques]
        matches = [f"{self._shares(unique)} AND {another}" for unique in self._table.uniques]
        found = [f"{left} AND {self._exists([right])}" for left, right in zip(changed, matches, strict=True)]
        return " OR ".join(found), self._note(matches)

    def _exists(self, matches: Sequence[str]) -> str:
        return " OR ".join(f"EXISTS (SELECT 1 FROM {self._name} WHERE {match})" for match in matches)

    def _note(self, matches: Sequence[str]) -> list[str]:
        kept = self._table.key[:NOTED_KEYS]
        places = "".join(f", k{place}" for place in range(len(kept)))
        values = "".join(f", r.{quote(column)}" for column in kept)
        key = ", ".join(quote(column) for column in self._table.key)
        found = " UNION ".join(f"SELECT {key} FROM {self._name} WHERE {match}" for match in matches)
        same = " AND ".join(f"r.{quote(column)} = f.{quote(column)}" for column in self._table.key)
        rows = f"FROM ({found}) AS f CROSS JOIN {self._name} AS r ON {same}"
        name, again = self._key("r"), f" FROM {self._name} AS q WHERE {self._same('q', 'r')}"
        return [
            f"DELETE FROM {self._notes} WHERE id <= (SELECT max(id) FROM {self._notes}) - {NOTES}",
            f"DELETE FROM {self._notes} WHERE source = {self._source} AND key IN (SELECT {name} {rows})",
            f"INSERT INTO {self._notes} (source, key, image{places}) "
            f"SELECT {self._source}, {name}, {self._image('q', again)}{values} {rows}",
        ]

    def _shares(self, unique: UniqueKey) -> str:
        # The condition stands first: an expression may raise for rows that the index leaves out.
        terms = [f"({unique.where})"] if unique.where else []
        for term in unique.terms:
            value = self._new_value(term, unique.where)
            terms.append(f"{term.sql} = {value} COLLATE {quote(term.collation)}")
        return " AND ".join(terms)

    def _new_value(self, term: Term, where: str | None) -> str:
        if term.column is None:
            row = ", ".join(f"NEW.{quote(column)} AS {quote(column)}" for column in self._named(term, where))
            value = f"CASE WHEN {where} THEN {term.sql} END" if where else term.sql
            return f"(SELECT {value} FROM (SELECT {row}))"
        value = f"NEW.{quote(term.column)}"
        default = self._table.defaults.get(term.column)
        return f"coalesce({value}, ({default}))" if default is not None else value

    def _named(self, term: Term, where: str | None) -> Sequence[str]:
        """The columns that an expression may name: those of an index can't be dropped."""
        told = f"{where or ''} {term.sql}".lower()
        found = [column for column in self._table.columns if quote(column)[1:-1].lower() in told]
        return found or self._table.columns

    def _changes_key(self, unique: UniqueKey) -> str:
        if unique.columns is None:
            return "1"
        return " OR ".join(
            f"OLD.{quote(column)} IS NOT NEW.{quote(column)} COLLATE BINARY" for column in unique.columns
        )

    # --- keys -------------------------------------------------------------------------------------------

    def _key(self, row: str) -> str:
        if self._table.rowid_key:
            return f"('i' || {of(row)(self._table.key[0])} || ';')"
        return fields(of(row), self._table.key)

    def _same(self, row: str, other: str) -> str:
        """Whether two rows have one key: by value, so that the index serves, and exactly."""
        refer, refer_other = of(row), of(other)
        equal = [f"{refer(column)} = {refer_other(column)}" for column in self._table.key]
        if not self._table.rowid_key:
            equal.append(f"{self._key(row)} = {self._key(other)}")
        return " AND ".join(equal)

    def _has_key(self, row: str) -> str:
        refer = of(row)
        return " AND ".join(f"{refer(column)} IS NOT NULL" for column in self._table.key)
