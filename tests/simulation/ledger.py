"""Ledger: what was committed, read from the database file itself, as a stranger reads it.

Three rules. It reads the log's own table with plain SQL and decodes it by itself. What the log says, folded, is what
the table holds, at every look: else capture has failed. A database that went back in time takes the ledger with it.
"""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_right
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]
TABLE = "todo"
EPOCH = 8
LAYOUT = 9
REINSTALLED = "capture-reinstalled"
READ = {"t": str, "i": int, "r": float}


class Violation(AssertionError):
    """Something that must not be. promise: which of the design's it breaks."""

    def __init__(self, promise: str, text: str) -> None:
        super().__init__(f"{promise}: {text}")
        self.promise = promise


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the log. place: with its check digits.  row: None for a DELETE and a RESET.  cause: of a RESET."""

    place: str
    method: str
    key: int | None
    row: Row | None
    origin: str | None
    cause: str | None = None

    @property
    def number(self) -> int:
        return number_of(self.place)


def number_of(place: str) -> int:
    """Where a place is in the log."""
    return int(place[:16], 16)


@dataclass(frozen=True, slots=True)
class Past:
    """What a ledger knew when a copy of its file was made, or another took its place."""

    epoch: str
    entries: list[Entry]
    rows: dict[int, Row]
    states: dict[int, list[tuple[int, Row | None]]]
    places: dict[int, str]
    resets: list[int]
    is_blind: bool

    def knows(self, seq: str) -> bool:
        """Whether a seq was of this log."""
        return seq[:EPOCH] == self.epoch and self.places.get(number_of(seq[EPOCH:])) == seq[EPOCH:]


class Ledger:
    """Of one database file.

    entries: all that the log of this file ever held, in order, with what has been trimmed since.
    trimmed: the number of the last entry that has been.  lost: entries that a restored file has not.  is_blind:
    somebody has dropped a trigger, and the log does not say yet that they are back.  blinds: how often that was so.
    groundless: the RESETs that say so of a time when it was not.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: list[Entry] = []
        self.rows: dict[int, Row] = {}
        self.epoch = ""
        self.epochs = 0
        self.trimmed = 0
        self.is_blind = False
        self.blinds = 0
        self.groundless: list[Entry] = []
        self.lost: list[Entry] = []
        self._states: dict[int, list[tuple[int, Row | None]]] = {}
        self._places: dict[int, str] = {0: "0" * 20}
        self._resets: list[int] = []
        self._pasts: list[Past] = []
        self._connection: sqlite3.Connection | None = None
        self._version = -1

    # Reading

    def look(self) -> list[Entry]:
        """Read what was committed since the last look."""
        connection = self._open()
        if connection is None:
            return []
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        if version == self._version:
            return []
        with connection:
            connection.execute("BEGIN")
            found = self._read(connection)
            rows = self._table(connection)
        self._version = version
        for entry in found:
            self._take(entry, rows)
        if rows != self.rows and not self.is_blind:
            raise Violation("capture", f"the table holds {rows}, the log tells {self.rows}")
        return found

    def close(self) -> None:
        """Let go of the file; the next look opens it again."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self._version = None, -1

    def _open(self) -> sqlite3.Connection | None:
        if self._connection is None and self.path.exists():
            self._connection = sqlite3.connect(self.path, isolation_level=None)
            tables = self._connection.execute("SELECT name FROM sqlite_master").fetchall()
            if ("live_changes",) not in tables:
                self.close()
        return self._connection

    def _read(self, connection: sqlite3.Connection) -> list[Entry]:
        meta = dict(connection.execute("SELECT name, value FROM live_meta"))
        if meta["epoch"] != self.epoch:
            self._pasts.append(self.remember())
            self.epoch, self.epochs = meta["epoch"], self.epochs + 1
        layouts = {name[7:]: json.loads(text) for name, text in meta.items() if name.startswith("layout:")}
        self.trimmed = number_of(meta["trimmed_to"])
        last = self.top
        self._check_last(connection)
        found = connection.execute(
            "SELECT seq, check_digits, method, key, after, origin FROM live_changes "
            "WHERE source = ? AND seq > ? ORDER BY seq",
            (TABLE, last),
        ).fetchall()
        if self.trimmed > last:
            raise Violation("ledger", "the log was trimmed past what was looked at")
        return [
            Entry(f"{seq:016x}{check}", "RESET", None, None, None, key)
            if method == "RESET"
            else Entry(f"{seq:016x}{check}", method, _key(key), _row(after, layouts), origin)
            for seq, check, method, key, after, origin in found
        ]

    def _check_last(self, connection: sqlite3.Connection) -> None:
        """The last that was committed is there, or was trimmed; what comes after it is read."""
        if not self.entries or self.top <= self.trimmed:
            return
        statement = "SELECT check_digits FROM live_changes WHERE seq = ?"
        if connection.execute(statement, (self.top,)).fetchone() != (self.entries[-1].place[16:],):
            raise Violation("G6", f"the committed entry {self.entries[-1]} is gone")

    def check_kept(self) -> None:
        """All that was committed once is in the file as it is now, or was trimmed (G6)."""
        self.look()
        connection = self._open()
        if connection is None:
            return
        statement = "SELECT seq, check_digits FROM live_changes WHERE source = ?"
        kept = {f"{seq:016x}{check}" for seq, check in connection.execute(statement, (TABLE,))}
        for entry in self.entries:
            if entry.number > self.trimmed and entry.place not in kept:
                raise Violation("G6", f"the committed entry {entry} is gone")

    def _table(self, connection: sqlite3.Connection) -> dict[int, Row]:
        rows = connection.execute(f"SELECT id, title, completed, rank FROM {TABLE}").fetchall()
        return {key: _document(key, title, done, rank) for key, title, done, rank in rows}

    def _take(self, entry: Entry, rows: dict[int, Row]) -> None:
        self.entries.append(entry)
        self._places[entry.number] = entry.place
        if entry.method == "RESET":
            # What happened before it may have gone round the triggers.
            self._resets.append(entry.number)
            if entry.cause == REINSTALLED:
                # Another RESET may come first: the triggers are still off then.
                if not self.is_blind:
                    self.groundless.append(entry)
                self.is_blind = False
            for key in self.rows.keys() | rows.keys():
                self._note(entry.number, key, rows.get(key))
            self.rows = dict(rows)
            return
        assert entry.key is not None
        if entry.row is None:
            self.rows.pop(entry.key, None)
        else:
            self.rows[entry.key] = entry.row
        self._note(entry.number, entry.key, entry.row)

    def _note(self, number: int, key: int, row: Row | None) -> None:
        self._states.setdefault(key, []).append((number, row))

    def turn_blind(self) -> None:
        """From now on what is written goes round the triggers, until the log says RESET."""
        self.is_blind = True
        self.blinds += 1

    # Going back

    def remember(self) -> Past:
        """What is known now, to go back to."""
        states = {key: [*found] for key, found in self._states.items()}
        return Past(
            self.epoch,
            [*self.entries],
            dict(self.rows),
            states,
            dict(self._places),
            [*self._resets],
            self.is_blind,
        )

    def go_back(self, past: Past) -> None:
        """The file is the copy that was made then."""
        self.check_kept()
        self._pasts.append(self.remember())
        self.close()
        kept = {entry.place for entry in past.entries}
        self.lost += [entry for entry in self.entries if entry.place not in kept]
        self.entries, self.rows, self._resets = [*past.entries], dict(past.rows), [*past.resets]
        self._places, self.is_blind = dict(past.places), False
        if past.is_blind:
            self.turn_blind()
        self._states = {key: [*found] for key, found in past.states.items()}

    # What is known

    @property
    def top(self) -> int:
        """The number of the last entry."""
        return self.entries[-1].number if self.entries else 0

    @property
    def last(self) -> str:
        """The seq of the last entry of the table."""
        return self.epoch + (self.entries[-1].place if self.entries else "0" * 20)

    def state_at(self, key: int, seq: str) -> Row | None:
        """What a document was when everything up to a seq had happened."""
        number, found, past = number_of(seq[EPOCH:]), None, self._past_of(seq)
        for at, row in (self._states if past is None else past.states).get(key, ()):
            if at > number:
                break
            found = row
        return found

    def has_gone_since(self, key: int, seq: str) -> bool:
        """Whether at some moment after a seq there was no such document."""
        number, states = number_of(seq[EPOCH:]), self._states.get(key, ())
        return self.state_at(key, self.last) is None or any(row is None and at > number for at, row in states)

    def is_dim(self, seq: str) -> bool:
        """Whether something may have been written right after a seq that the log does not tell."""
        past = self._past_of(seq)
        following = next(self.after(seq), None)
        is_blind = self.is_blind if past is None else past.is_blind
        return is_blind or (following is not None and following.cause == REINSTALLED)

    def has_known(self, seq: str) -> bool:
        """Whether a seq is of this log as it is now, or as it was before it went back in time."""
        return self.knows(seq) or self._past_of(seq) is not None

    def _past_of(self, seq: str) -> Past | None:
        """The latest past that a seq was of; None where it is of this log as it is now, or of none."""
        if self.knows(seq):
            return None
        return next((past for past in reversed(self._pasts) if past.knows(seq)), None)

    def knows(self, seq: str) -> bool:
        """Whether a seq is of this log, as it is now."""
        return seq[:EPOCH] == self.epoch and self._places.get(number_of(seq[EPOCH:])) == seq[EPOCH:]

    def after(self, seq: str) -> Iterator[Entry]:
        """The entries after a seq, of the log that it is of."""
        number, past = number_of(seq[EPOCH:]), self._past_of(seq)
        entries = self.entries if past is None else past.entries
        return iter(entries[bisect_right(entries, number, key=lambda entry: entry.number) :])

    def is_alive(self, origin: str) -> bool:
        """Whether what a create with this origin has made is there, as far as the log tells."""
        made: set[int | None] = set()
        for entry in self.entries:
            if entry.method == "RESET":
                made.clear()
            elif entry.origin == origin and entry.method == "POST":
                made.add(entry.key)
            elif entry.row is None or entry.method == "POST":
                made.discard(entry.key)
        return bool(made)

    def keys_of(self, titles: Collection[str | None]) -> set[str]:
        """The keys under which any of these titles was ever committed."""
        entries = [*self.entries, *self.lost]
        return {str(entry.key) for entry in entries if entry.row and entry.row["title"] in titles}

    def why_gone(self, seq: str) -> str | None:
        """Why there is no such place in this log, where it was in one; None where it is."""
        if seq[:EPOCH] != self.epoch:
            return "the log is another one"
        return None if self.knows(seq) else "the log went back in time"

    def why_reset(self, seq: str) -> str | None:
        """Why who is at a seq can't be told the rest change by change; None where he could."""
        number, gone = number_of(seq[EPOCH:]), self.why_gone(seq)
        if seq[:EPOCH] == self.epoch and number < self.trimmed:
            return "the log is trimmed"
        if gone is not None:
            return gone
        if any(reset > number for reset in self._resets):
            return "the log itself says RESET"
        return None


def _key(text: str) -> int:
    return int(text[1:].rstrip(";"))


def _row(image: str | None, layouts: dict[str, list[str]]) -> Row | None:
    if image is None:
        return None
    columns = layouts[image[: LAYOUT - 1]]
    fields = image[LAYOUT:].split(";")[:-1]
    values = {
        column: None if field[0] == "n" else READ[field[0]](field[1:])
        for column, field in zip(columns, fields, strict=True)
    }
    return _document(*(values[name] for name in ("id", "title", "completed", "rank")))


def _document(key: Any, title: Any, done: Any, rank: Any) -> Row:
    return {"id": key, "title": title, "completed": bool(done), "rank": rank}
