"""Random histories of a hostile mix of writes to SQLite, drawn from a seed: a schema and a list of statements.

The same seed gives the same history, whatever the database answers. Nothing here knows our triggers.
"""

from __future__ import annotations

import random
import sqlite3
import struct
from dataclasses import dataclass
from typing import Any

TABLE = 'or"der'
Q = '"or""der"'

KEYS = {
    "rowid": (("id",), "id INTEGER PRIMARY KEY", ""),
    "autoincrement": (("id",), "id INTEGER PRIMARY KEY AUTOINCREMENT", ""),
    "text": (("id",), "id TEXT PRIMARY KEY", ""),
    "nocase": (("id",), "id TEXT PRIMARY KEY COLLATE NOCASE", ""),
    "any": (("id",), "id PRIMARY KEY", ""),
    "real": (("id",), "id REAL PRIMARY KEY", ""),
    "without rowid": (("id",), "id TEXT NOT NULL PRIMARY KEY", " WITHOUT ROWID"),
    "composite": (("id", "part"), "id INTEGER, part TEXT, PRIMARY KEY (id, part)", ""),
    "composite without rowid": (("part", "id"), "id INTEGER, part, PRIMARY KEY (part, id)", " WITHOUT ROWID"),
}
COLUMNS = ("u", "a b", "v", "w", "group", "n", "parent")
"""Columns of every table beside its key: u, (a b, v) and others are unique in some schemas."""

UNIQUES = (
    f"CREATE UNIQUE INDEX i1 ON {Q} (u)",
    f"CREATE UNIQUE INDEX i1 ON {Q} (u COLLATE NOCASE)",
    f'CREATE UNIQUE INDEX i2 ON {Q} ("a b", v)',
    f"CREATE UNIQUE INDEX i3 ON {Q} (\"group\" DESC) WHERE v IS NOT NULL /* , ) */ AND typeof(v) <> 'a,)'",
    f"CREATE UNIQUE INDEX i4 ON {Q} (lower(\"group\") || ',' COLLATE NOCASE, n + 1)",
    f"CREATE UNIQUE INDEX i6 ON {Q} (json_extract(w, '$')) WHERE typeof(w) = 'text' AND json_valid(w)",
    f"CREATE UNIQUE INDEX i5 ON {Q} (w) WHERE w > 2",
)
USER_TRIGGERS = tuple(
    f"CREATE TRIGGER user{number} {moment} ON {Q} WHEN {condition} BEGIN {action}; END"
    for number, (moment, condition, action) in enumerate(
        (
            (
                "AFTER UPDATE OF u, v, w",
                "1",
                f"UPDATE {Q} SET n = ifnull(n, 0) + 1 WHERE id = NEW.id AND n IS NOT 5",
            ),
            ("AFTER INSERT", "1", f"UPDATE {Q} SET w = 'stamped' WHERE id = NEW.id AND v > 1"),
            ("AFTER DELETE", "OLD.v = 2", f"DELETE FROM {Q} WHERE u = OLD.u OR v = 3"),
            ("AFTER INSERT", "NEW.n = 1", f"DELETE FROM {Q} WHERE id = NEW.id"),
            ("AFTER UPDATE OF v", "1", f"UPDATE OR IGNORE {Q} SET id = OLD.u WHERE id = NEW.id AND v = 3"),
            ("BEFORE UPDATE OF u", "OLD.n = 2", f"UPDATE {Q} SET w = 'before' WHERE id = OLD.id"),
            ("AFTER DELETE", "OLD.n = 3", f"INSERT OR IGNORE INTO {Q} (id, v) VALUES (OLD.id, 9)"),
            ("BEFORE DELETE", "OLD.v = 1", f"UPDATE {Q} SET w = 'going' WHERE id = OLD.id"),
            ("AFTER INSERT", "NEW.v = 3", "SELECT RAISE(ABORT, 'no threes')"),
            (
                "BEFORE UPDATE OF v",
                "NEW.v IS OLD.v AND typeof(OLD.v) = 'integer' AND OLD.v < 99",
                f"UPDATE {Q} SET v = v + 1 WHERE id = OLD.id",
            ),
            ("AFTER UPDATE OF w", "NEW.v = 2", "SELECT RAISE(FAIL, 'no twos')"),
            ("AFTER INSERT", "NEW.v = 2", "SELECT RAISE(IGNORE)"),
        )
    )
)


@dataclass(frozen=True)
class History:
    """seed, what it drew, and the statements: schema, then triggers of the user's (before and after capture is
    installed), then writes. noticed: the running store has seen the later triggers before anything is written."""

    seed: int
    kind: str
    key: tuple[str, ...]
    schema: list[str]
    triggers_before: list[str]
    triggers_after: list[str]
    pragmas: list[str]
    writes: list[tuple[str, list[Any]]]
    excluded: str | None
    noticed: bool


class Draw:
    """Draws one history."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.seed = seed
        self.noticed = True
        self.kind = self.random.choice(list(KEYS))
        self.key = KEYS[self.kind][0]

    def history(self) -> History:
        chosen = self.random.sample(USER_TRIGGERS, self.random.choice((0, 1, 2, 3, 4)))
        cut = self.random.randint(0, len(chosen))
        # What a trigger stops that came after ours is told by the RESET when it is noticed, not by entries.
        self.noticed = cut == len(chosen) or self.random.random() < 0.5
        if not self.noticed:
            chosen = [each for each in chosen if "RAISE(FAIL" not in each and "IGNORE)" not in each]
            cut = min(cut, len(chosen))
        return History(
            seed=self.seed,
            kind=self.kind,
            key=self.key,
            schema=self.schema(),
            triggers_before=chosen[:cut],
            triggers_after=chosen[cut:],
            pragmas=[
                f"PRAGMA recursive_triggers = {self.random.choice(('ON', 'OFF'))}",
                f"PRAGMA foreign_keys = {self.random.choice(('ON', 'OFF'))}",
            ],
            writes=self.writes(self.random.randint(25, 45)),
            excluded=self.random.choice((None, None, "w", "u")),
            noticed=self.noticed,
        )

    def schema(self) -> list[str]:
        _, key, options = KEYS[self.kind]
        names, _, constraints = key.partition(", PRIMARY")
        conflict = self.random.choice(("", "", " ON CONFLICT REPLACE", " ON CONFLICT IGNORE"))
        u = self.random.choice(
            (
                "u TEXT",
                "u",
                "u TEXT UNIQUE",
                f"u UNIQUE{conflict}",
                f"u TEXT NOT NULL DEFAULT 'x' UNIQUE{conflict}",
                'u NOT NULL DEFAULT "x" UNIQUE',
            )
        )
        parent = "parent"
        if len(self.key) == 1 and self.random.random() < 0.4:
            act = self.random.choice(("CASCADE", "SET NULL"))
            parent += f" REFERENCES {Q} (id) ON DELETE {act} ON UPDATE CASCADE"
        columns = [
            *names.split(", "),
            u,
            '"a b" NUMERIC',
            "v INTEGER",
            "w",
            f'"group" TEXT{self.random.choice(("", " COLLATE NOCASE"))}',
            "n INT",
            parent,
        ]
        columns += [f"PRIMARY{constraints}"] if constraints else []
        made = [f"CREATE TABLE {Q} ({', '.join(columns)}){options}"]
        indexes = self.random.sample(UNIQUES, self.random.randint(0, 4))
        seen: set[str] = set()
        for index in indexes:
            if (name := index.split()[3]) not in seen:
                seen.add(name)
                made.append(index)
        return made

    def value(self) -> Any:
        pick = self.random.random()
        if pick < 0.55:
            return self.random.choice((1, 2, 3, "a", "A", "b", "x", None, "1", 2.0))
        if pick < 0.7:
            return self.random.choice(
                (2**63 - 1, -(2**63), 2**53 + 1, float("inf"), float("-inf"), 1e300, 0.1, -0.0, 5e-324, 1e15)
            )
        if pick < 0.8:
            number = struct.unpack("d", self.random.randbytes(8))[0]
            return number if number == number else 0.5
        if pick < 0.9:
            return self.random.choice(
                ("", "a;b%c", "%3b", "nul\0here", "ünï😀", "'q\"", "x" * 50, "i1;", "\n\t")
            )
        return self.random.choice((b"", b"\x00\xff", b"a", b";%", self.random.randbytes(5)))

    def place(self, values: list[Any]) -> str:
        """A place in SQL for a value, now and then a text of broken UTF-8."""
        if self.random.random() < 0.06:
            values.append(self.random.choice((b"\xff\xfe", b"a\xc3", b"\x80;%\x00")))
            return "CAST(? AS TEXT)"
        values.append(self.value())
        return "?"

    def some_key(self) -> Any:
        if self.kind in ("rowid", "autoincrement"):
            return self.random.choice((1, 2, 3, 4, 5, -1, 2**62))
        if self.kind == "any":
            return self.random.choice((1, 1.0, "1", b"1", "a", "A", 2, 2.0, "b;c"))
        return self.random.choice((1, 2, 3, "a", "A", "b", "ä;%", 1.5))

    def writes(self, count: int) -> list[tuple[str, list[Any]]]:
        made: list[tuple[str, list[Any]]] = []
        depth = 0
        for _ in range(count):
            pick = self.random.random()
            if pick < 0.06 and depth == 0:
                made.append(("BEGIN", []))
                depth = 1
            elif pick < 0.1 and depth:
                made.append((f"SAVEPOINT s{depth}", []))
                depth += 1
            elif pick < 0.14 and depth > 1:
                depth -= 1
                made.append((f"{self.random.choice(('ROLLBACK TO', 'RELEASE'))} s{depth}", []))
            elif pick < 0.18 and depth:
                made.append((self.random.choice(("COMMIT", "COMMIT", "ROLLBACK")), []))
                depth = 0
            else:
                made.append(self.write())
        if depth:
            made.append(("COMMIT", []))
        return made

    def write(self) -> tuple[str, list[Any]]:
        return self.random.choice(
            (
                self.insert,
                self.insert,
                self.insert,
                self.update,
                self.update,
                self.move,
                self.delete,
                self.upsert,
                self.copy,
            )
        )()

    def conflict(self) -> str:
        chosen = self.random.choice(("", *["OR REPLACE"] * 4, "OR IGNORE", "OR FAIL", "OR ROLLBACK"))
        return chosen if self.noticed or chosen != "OR FAIL" else "OR ABORT"

    def row(self) -> tuple[str, str, list[Any]]:
        values: list[Any] = []
        names = [*self.key] if self.kind != "rowid" or self.random.random() < 0.7 else []
        places = []
        for _ in names:
            values.append(self.some_key())
            places.append("?")
        for column in COLUMNS:
            if column == "parent":
                if self.random.random() < 0.3:
                    names.append(column)
                    values.append(self.some_key())
                    places.append("?")
            elif self.random.random() < 0.75:
                names.append(column)
                places.append(self.place(values))
        return ", ".join(f'"{name}"' for name in names), ", ".join(places), values

    def insert(self) -> tuple[str, list[Any]]:
        names, places, values = self.row()
        if not names:
            return f"INSERT {self.conflict()} INTO {Q} DEFAULT VALUES", []
        return f"INSERT {self.conflict()} INTO {Q} ({names}) VALUES ({places})", values

    def upsert(self) -> tuple[str, list[Any]]:
        names, places, values = self.row()
        key = ", ".join(self.key)
        if not names:
            return self.insert()
        target = self.random.choice((f"({key})", ""))
        if self.random.random() < 0.3:
            action = "DO NOTHING"
        else:
            action = f"DO UPDATE SET v = {self.place(values)}, u = excluded.u"
        return f"INSERT INTO {Q} ({names}) VALUES ({places}) ON CONFLICT {target} {action}", values

    def condition(self, values: list[Any]) -> str:
        pick = self.random.random()
        if pick < 0.5:
            values.append(self.some_key())
            return f"{self.key[0]} = ?"
        if pick < 0.8:
            values.append(self.value())
            return "v = ?"
        return "1"

    def update(self) -> tuple[str, list[Any]]:
        values: list[Any] = []
        columns = self.random.sample(COLUMNS[:-1], self.random.randint(1, 3))
        pairs = ", ".join(f'"{column}" = {self.place(values)}' for column in columns)
        if self.random.random() < 0.15:
            pairs, values = "v = v", []
        return f"UPDATE {self.conflict()} {Q} SET {pairs} WHERE {self.condition(values)}", values

    def move(self) -> tuple[str, list[Any]]:
        values: list[Any] = []
        key = self.key[0]
        if self.kind in ("rowid", "autoincrement") and self.random.random() < 0.5:
            step = self.random.choice((f"{key} = {key} + 10", "rowid = rowid - 1", f"{key} = -{key}"))
            return f"UPDATE {self.conflict()} {Q} SET {step} WHERE {self.condition(values)}", values
        values.append(self.some_key())
        return f"UPDATE {self.conflict()} {Q} SET {key} = ? WHERE {self.condition(values)}", values

    def delete(self) -> tuple[str, list[Any]]:
        values: list[Any] = []
        if self.random.random() < 0.1:
            return f"DELETE FROM {Q}", []
        return f"DELETE FROM {Q} WHERE {self.condition(values)}", values

    def copy(self) -> tuple[str, list[Any]]:
        values: list[Any] = [self.some_key()]
        names = ", ".join(f'"{name}"' for name in (*self.key[1:], "u", "v", "w"))
        return (
            f"INSERT {self.conflict()} INTO {Q} ({self.key[0]}, {names}) "
            f"SELECT ?, {names} FROM {Q} ORDER BY {self.key[0]} LIMIT 2",
            values,
        )


@dataclass(frozen=True)
class Outcome:
    """What an application sees of one write. last_rowid: only where a row was inserted; after a *failed* insert
    SQLite itself gives one or another, as soon as a table has any trigger."""

    error: str | None
    changes: int
    last_rowid: int | None


def play(connection: sqlite3.Connection, history: History) -> list[Outcome]:
    """Run the writes, each as it comes."""
    rowids = "without rowid" not in history.kind
    outcomes = []
    for sql, values in history.writes:
        error = None
        try:
            connection.execute(sql, values)
        except sqlite3.Error as raised:
            error = f"{type(raised).__name__}: {raised}"
        changes, last = connection.execute("SELECT changes(), last_insert_rowid()").fetchone()
        inserted = sql.startswith("INSERT") and "CONFLICT" not in sql and changes and not error
        outcomes.append(Outcome(error, changes, last if inserted and rowids else None))
    if connection.in_transaction:
        connection.execute("COMMIT")
    return outcomes


def exactly(stored: bytes) -> str:
    """A text as it is, were it broken UTF-8."""
    return stored.decode("utf-8", "surrogateescape")


def rows(connection: sqlite3.Connection, key: tuple[str, ...], columns: list[str]) -> dict[Any, Any]:
    """The table: key → row, values with their types. Rows without a key are none."""
    connection.text_factory = exactly
    names = ", ".join(f'"{column}"' for column in columns)
    found = {}
    for row in connection.execute(f"SELECT {names} FROM {Q}"):
        values = dict(zip(columns, row, strict=True))
        if all(values[column] is not None for column in key):
            found[typed(values[column] for column in key)] = typed(row)
    return found


def typed(values: Any) -> tuple[tuple[str, Any], ...]:
    """Values with their types, so that 1 and 1.0 are two."""
    return tuple((type(value).__name__, value) for value in values)
