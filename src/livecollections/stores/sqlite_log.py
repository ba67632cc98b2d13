"""The log's tables in SQLite, and what may be asked of them.

Every function takes a connection and belongs to the transaction that its caller holds. This module knows the
log's tables, and no trigger, no table of the user's and no thread.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from ..cause import Cause
from ..change import EPOCH_WIDTH, Change, Method
from ..errors import StoreError, StoreUnavailable
from . import log_format
from .base import Batch, Log, Logged
from .log_state import LogState
from .sql import Field, decode_row
from .sql_images import SqlImages, told
from .sql_log import (
    EMPTY,
    IDEMPOTENT_FOR,
    TRIM,
    WENT_BACK,
    Undecodable,
    held,
    is_seq,
    log_state,
    new_epoch,
    place_of,
)
from .sqlite_letters import letters_table
from .sqlite_schema import Connection, literal, quote

SIZE = "coalesce(length(CAST(before AS BLOB)), 0) + coalesce(length(CAST(after AS BLOB)), 0) + 64"
"""About the bytes that an entry takes."""
SAMPLED = 64
"""Entries by which the size of all is told: reading them all would take the longer, the longer the log is."""
REMEASURED = 20.0
"""Seconds between two such tellings."""
LAYOUT_WIDTH = 8
"""Characters of a layout's name, with which an image begins."""


@dataclass(frozen=True, slots=True)
class Names:
    """The log's tables, quoted."""

    prefix: str

    def __getattr__(self, name: str) -> str:
        return quote(f"{self.prefix}{name}")


def statements(log: Log) -> list[str]:
    """What makes the log's tables, where they are missing."""
    names = Names(log.prefix)
    return [
        f"CREATE TABLE IF NOT EXISTS {names.changes} (seq INTEGER PRIMARY KEY AUTOINCREMENT, check_digits TEXT, "
        "source TEXT, method TEXT, key TEXT, before TEXT, after TEXT, origin TEXT, at REAL)",
        f"CREATE INDEX IF NOT EXISTS {names.changes_source} ON {names.changes} (source)",
        f"CREATE INDEX IF NOT EXISTS {names.changes_resets} ON {names.changes} (source) WHERE method = 'RESET'",
        f"CREATE TABLE IF NOT EXISTS {names.meta} (name TEXT PRIMARY KEY, value TEXT)",
        f"CREATE TABLE IF NOT EXISTS {names.notes} (id INTEGER PRIMARY KEY, source TEXT, key TEXT, image TEXT, "
        "k0, k1, k2, k3)",
        f"CREATE INDEX IF NOT EXISTS {names.notes_key} ON {names.notes} (source, key)",
        f"CREATE TABLE IF NOT EXISTS {names.cursors} (name TEXT PRIMARY KEY, seq TEXT, owner TEXT, until REAL)",
        f"CREATE TABLE IF NOT EXISTS {names.idempotency} (key TEXT PRIMARY KEY, digest TEXT, source TEXT, "
        "image TEXT, seq TEXT, at REAL)",
        f"CREATE INDEX IF NOT EXISTS {names.idempotency_at} ON {names.idempotency} (at)",
        letters_table(log),
        f"INSERT OR IGNORE INTO {names.meta} VALUES ('epoch', {literal(new_epoch())})",
        f"INSERT OR IGNORE INTO {names.meta} VALUES ('trimmed_to', {literal(EMPTY)})",
        f"INSERT OR REPLACE INTO {names.meta} VALUES ({literal(log_format.NAME)}, {literal(log_format.stored())})",
    ]


TABLES = ("changes", "meta", "notes", "cursors", "idempotency", "letters")


# --- images -------------------------------------------------------------------------------------------------


def stored_value(field: str) -> Any:
    """One field of an image (without its ``;``) as SQLite stores the value."""
    kind, text = field[0], field[1:]
    if kind == "t":
        return text.replace("%3b", ";").replace("%25", "%") if "%" in text else text
    if kind == "i":
        return int(text)
    if kind == "n":
        return None
    if kind == "r":
        return float(text)
    if kind == "b":
        return bytes.fromhex(text)
    raise Undecodable(f"a value was too large to keep ({field[:1]})")


class Images(SqlImages):
    """Reads images back to rows; layouts have columns' names in lower case."""

    def is_new(self, image: str | None) -> bool:
        """Whether an image is of a layout that was not learnt."""
        return image is not None and image[:LAYOUT_WIDTH] not in self._layouts

    def row(self, source: str, image: str) -> dict[str, Any]:
        """The row. Raises Undecodable."""
        layout = image[:LAYOUT_WIDTH]
        columns = self._layouts.get(layout)
        fields = image[LAYOUT_WIDTH + 1 :].split(";")
        fields.pop()
        if columns is None or len(columns) != len(fields):
            raise Undecodable(f"the layout {layout!r} is not known")
        shown = self._sources[source]
        row = dict(self._absent[source])
        try:
            for column, field in zip(columns, fields, strict=True):
                value = stored_value(field)
                for found in shown.get(column, ()):
                    row[found.attribute] = found.decode(value)
        except (ValueError, IndexError) as error:
            raise Undecodable(str(error)) from error
        return row

    def key(self, source: str, fields: Sequence[Field], key: str) -> tuple[Any, ...]:
        """The key that an entry bears. Raises Undecodable."""
        values = key.split(";")[:-1]
        if len(values) != len(fields):
            raise Undecodable(f"the key {key!r} is not of {source}")
        try:
            return tuple(decode_row(fields, [stored_value(value) for value in values]).values())
        except (ValueError, IndexError) as error:
            raise Undecodable(str(error)) from error


# --- reading ------------------------------------------------------------------------------------------------


class ChangeLog:
    """The log's statements. keys: of each source, the fields of its primary key."""

    def __init__(self, log: Log, images: Images, keys: Mapping[str, Sequence[Field]]) -> None:
        self.log = log
        self.names = names = Names(log.prefix)
        self._images = images
        self._keys = keys
        trimmed = f"(SELECT value FROM {names.meta} WHERE name = 'trimmed_to')"
        top = f"(SELECT printf('%016x', seq) || check_digits FROM {names.changes} ORDER BY seq DESC LIMIT 1)"
        epoch = f"(SELECT value FROM {names.meta} WHERE name = 'epoch')"
        self._head = f"SELECT {epoch} || coalesce({top}, {trimmed})"
        self._bounds = f"SELECT {epoch}, {trimmed}, coalesce({top}, {trimmed})"
        last = top.replace("ORDER BY", "WHERE source = ? ORDER BY")
        self._version = f"SELECT {epoch} || coalesce({last}, {trimmed})"
        self._measured = -REMEASURED
        self._mean = 0.0

    def head(self, connection: Connection) -> str:
        """The highest seq of the log."""
        (seq,) = connection.execute(self._head).fetchone()
        if seq is None:
            raise StoreError("the change log is gone from the database")
        return cast(str, seq)

    def logged(self, connection: Connection, start: int) -> list[Logged]:
        """The entries after a place."""
        epoch, _, _ = connection.execute(self._bounds).fetchone()
        rows = connection.execute(
            f"SELECT seq, check_digits, source FROM {self.names.changes} WHERE seq > ? ORDER BY seq", (start,)
        )
        return [Logged(f"{epoch}{place:016x}{check}", source) for place, check, source in rows]

    def oldest(self, connection: Connection) -> str:
        """The seq after which everything is kept."""
        epoch, trimmed_to, _ = connection.execute(self._bounds).fetchone()
        return f"{epoch}{trimmed_to}"

    def last(self, connection: Connection, source: str) -> str | None:
        """The seq of a source's last entry."""
        epoch, _, _ = connection.execute(self._bounds).fetchone()
        row = connection.execute(
            f"SELECT printf('%016x', seq) || check_digits FROM {self.names.changes} WHERE source = ? "
            "ORDER BY seq DESC LIMIT 1",
            (source,),
        ).fetchone()
        return None if row is None else f"{epoch}{row[0]}"

    def version(self, connection: Connection, source: str) -> str:
        """The seq of a source's last entry; where that is trimmed, of the last one trimmed."""
        (version,) = connection.execute(self._version, (source,)).fetchone()
        return cast(str, version)

    def read(
        self, connection: Connection, after: str, limit: int, source: str | None, images: int | None = None
    ) -> Batch:
        """Entries after a seq; what has been trimmed is told from the same snapshot.

        Args:
            limit: entries at most.  images: characters of their images, beyond which there is one entry at most.
        """
        epoch, trimmed_to, top = connection.execute(self._bounds).fetchone()
        end = f"{epoch}{top}"
        if (lost := self._why_lost(connection, after, epoch, trimmed_to)) is not None:
            is_trimmed = lost is Cause.TRIMMED
            return Batch([], end, lost=lost, trimmed_to=f"{epoch}{trimmed_to}" if is_trimmed else None)
        cursor = connection.execute(
            "SELECT seq, check_digits, source, method, key, before, after, origin, at "
            f"FROM {self.names.changes} WHERE seq > ? {'' if source is None else 'AND source = ? '}"
            "ORDER BY seq LIMIT ?",
            (place_of(after), limit) if source is None else (place_of(after), source, limit),
        )
        with closing(cursor):
            rows, size = _taken(cursor, images)
        if any(self._images.is_new(image) for row in rows for image in row[5:7]):
            self._images.learn(layouts(connection, self.log))
        changes = [self._change(epoch, row) for row in rows if self._images.knows(row[2])]
        more = len(rows) == limit or (images is not None and size > images)
        upto = f"{epoch}{rows[-1][0]:016x}{rows[-1][1]}" if more else end
        return Batch(changes, upto, more, size=size)

    def _change(self, epoch: str, row: Sequence[Any]) -> Change:
        place, check, source, method, key, before, after, origin, at = row
        seq = f"{epoch}{place:016x}{check}"
        if method == "RESET":
            return Change(seq, source, "RESET", (), None, None, None, at, Cause.stored(key))

        def decode() -> Change:
            return Change(
                seq,
                source,
                cast(Method, method),
                self._images.key(source, self._keys[source], key),
                None if before is None else self._images.row(source, before),
                None if after is None else self._images.row(source, after),
                origin,
                at,
            )

        return told(seq, source, at, decode)

    def why_reset(self, connection: Connection, since: str, source: str) -> Cause | None:
        """Why what came of a source after ``since`` can't be told: it names no entry, or the source was reset."""
        epoch, trimmed_to, _ = connection.execute(self._bounds).fetchone()
        if (lost := self._why_lost(connection, since, epoch, trimmed_to)) is not None:
            return lost
        reset = connection.execute(
            f"SELECT key FROM {self.names.changes} WHERE source = ? AND method = 'RESET' AND seq > ? "
            "ORDER BY seq DESC LIMIT 1",
            (source, place_of(since)),
        ).fetchone()
        return None if reset is None else Cause.stored(reset[0])

    def _why_lost(self, connection: Connection, seq: str, epoch: str, trimmed_to: str) -> Cause | None:
        """Why not everything after ``seq`` is in the log; None: it names an entry, or the last one trimmed."""
        if not is_seq(seq):
            return Cause.NOT_A_SEQ
        if seq[:EPOCH_WIDTH] != epoch:
            return Cause.OTHER_EPOCH
        place, trimmed = place_of(seq), place_of(f"{epoch}{trimmed_to}")
        if place < trimmed:
            return Cause.TRIMMED
        found = connection.execute(
            f"SELECT check_digits FROM {self.names.changes} WHERE seq = ?", (place,)
        ).fetchone()
        if found is None and place == trimmed:
            found = (trimmed_to[-4:],)
        if found is None:
            (top,) = connection.execute(f"SELECT coalesce(max(seq), 0) FROM {self.names.changes}").fetchone()
            return Cause.BEYOND_END if place > top else Cause.NO_ENTRY
        return None if found[0] == seq[-4:] else Cause.OTHER_CHECK

    def backlog(self, connection: Connection, after: str) -> dict[str, int]:
        """How many entries of each source wait after a seq."""
        epoch, _, _ = connection.execute(self._bounds).fetchone()
        place = place_of(after) if is_seq(after) and after[:EPOCH_WIDTH] == epoch else 0
        rows = connection.execute(
            f"SELECT source, count(*) FROM {self.names.changes} WHERE seq > ? GROUP BY source", (place,)
        )
        return {source: count for source, count in rows if self._images.knows(source)}

    def look(self, connection: Connection, after: str, now: float) -> LogState:
        """The state of the log, as seen from a seq. now: since 1970. Raises StoreUnavailable where its file is gone."""
        # Who has it open would go on, and nobody else hear of it.
        *_, path = connection.execute("PRAGMA database_list").fetchone()
        if not Path(path).exists():
            raise StoreUnavailable(f"the database {path} is gone")
        epoch, trimmed_to, top = connection.execute(self._bounds).fetchone()
        oldest = connection.execute(f"SELECT at FROM {self.names.changes} ORDER BY seq LIMIT 1").fetchone()
        age = None if oldest is None else max(0.0, now - oldest[0])
        found = log_state(after, epoch, trimmed_to, top, age=age)
        return replace(found, bytes=self._size(connection, place_of(found.head), found.entries or 0, now))

    def _size(self, connection: Connection, end: int, entries: int, now: float) -> int:
        """About the bytes that the last entries take: images are read whole for it, so it is not told at each look."""
        if not self._mean or abs(now - self._measured) >= REMEASURED:
            taken = min(entries, SAMPLED)
            places = [end - entries * number // taken for number in range(taken)]
            self._measured, self._mean = now, self._mean_size(connection, places)
        return round(self._mean * entries)

    def _mean_size(self, connection: Connection, places: Sequence[int]) -> float:
        marks = ", ".join("?" * len(places))
        (mean,) = connection.execute(
            f"SELECT coalesce(avg({SIZE}), 0.0) FROM {self.names.changes} WHERE seq IN ({marks})", places
        ).fetchone()
        return float(mean)

    # --- writing --------------------------------------------------------------------------------------------

    def reset(self, connection: Connection, source: str, cause: Cause) -> str:
        """Append a RESET."""
        connection.execute(reset_statement(self.log, source, cause))
        return self.head(connection)

    def renew(self, connection: Connection, lost: str) -> str:
        """Begin a new epoch if ``lost`` is of this one, was not trimmed, and names no entry."""
        epoch, trimmed_to, _ = connection.execute(self._bounds).fetchone()
        if self._why_lost(connection, lost, epoch, trimmed_to) in WENT_BACK:
            connection.execute(f"UPDATE {self.names.meta} SET value = ? WHERE name = 'epoch'", (new_epoch(),))
        return self.head(connection)

    def stamp(self, connection: Connection, origin: str, after: int, source: str, key: str) -> None:
        """Write the origin on the first entry of a document after a place."""
        changes = self.names.changes
        connection.execute(
            f"UPDATE {changes} SET origin = ? WHERE seq = (SELECT seq FROM {changes} "
            "WHERE seq > ? AND source = ? AND key = ? ORDER BY seq LIMIT 1)",
            (origin, after, source, key),
        )

    def trim(self, connection: Connection, now: float) -> bool:
        """Trim at most TRIM entries; whether there is more to trim."""
        changes, meta = self.names.changes, self.names.meta
        end = self._cut(connection, now)
        row = (
            connection.execute(
                f"SELECT seq, check_digits FROM {changes} WHERE seq <= ? ORDER BY seq LIMIT 1 OFFSET {TRIM - 1}",
                (end,),
            ).fetchone()
            or connection.execute(
                f"SELECT seq, check_digits FROM {changes} WHERE seq <= ? ORDER BY seq DESC LIMIT 1", (end,)
            ).fetchone()
        )
        if row is None:
            return False
        connection.execute(f"DELETE FROM {changes} WHERE seq <= ?", (row[0],))
        connection.execute(
            f"UPDATE {meta} SET value = ? WHERE name = 'trimmed_to'", (f"{row[0]:016x}{row[1]}",)
        )
        return bool(row[0] < end)

    def _cut(self, connection: Connection, now: float) -> int:
        """The place up to which the log may be trimmed."""
        changes = self.names.changes
        top = connection.execute(f"SELECT coalesce(max(seq), 0) FROM {changes}").fetchone()[0]
        # No further than may be trimmed at once: beyond, it is looked for again. min(seq) would read on after the
        # first young one, images and all.
        oldest = connection.execute(f"SELECT seq, at FROM {changes} ORDER BY seq LIMIT {TRIM}")
        young = next((place for place, at in oldest if at >= now - self.log.days * 86400), None)
        wanted = max(top - self.log.changes, top if young is None else young - 1)
        epoch, trimmed_to, _ = connection.execute(self._bounds).fetchone()
        cursors = connection.execute(f"SELECT name, seq FROM {self.names.cursors}").fetchall()
        places = [(name, place_of(seq)) for name, seq in cursors if seq and seq[:EPOCH_WIDTH] == epoch]
        return held(int(wanted), int(top), self.log.changes, int(trimmed_to[:16], 16), places)

    def forget_answers(self, connection: Connection, now: float) -> None:
        """Forget the answers whose Idempotency-Keys have expired, and notes that came to nothing."""
        connection.execute(f"DELETE FROM {self.names.idempotency} WHERE at < ?", (now - IDEMPOTENT_FOR,))
        connection.execute(f"DELETE FROM {self.names.notes}")

    # --- cursors --------------------------------------------------------------------------------------------

    def cursor(self, connection: Connection, name: str) -> str | None:
        """Where a durable listener stands."""
        row = connection.execute(f"SELECT seq FROM {self.names.cursors} WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def hold_cursor(self, connection: Connection, name: str, owner: str, until: float, now: float) -> bool:
        """Take or keep the lease."""
        cursors = self.names.cursors
        connection.execute(f"INSERT OR IGNORE INTO {cursors} (name) VALUES (?)", (name,))
        taken = connection.execute(
            f"UPDATE {cursors} SET owner = ?, until = ? "
            "WHERE name = ? AND (owner IS NULL OR owner = ? OR until IS NULL OR until <= ?)",
            (owner, until, name, owner, now),
        )
        return bool(taken.rowcount == 1)

    def move_cursor(self, connection: Connection, name: str, owner: str, seq: str) -> bool:
        """Move a cursor that ``owner`` holds."""
        moved = connection.execute(
            f"UPDATE {self.names.cursors} SET seq = ? WHERE name = ? AND owner = ?", (seq, name, owner)
        )
        return bool(moved.rowcount == 1)


def reset_statement(log: Log, source: str, cause: Cause) -> str:
    """What appends a RESET of a source; it concerns no row, so its cause stands in the key's column."""
    return (
        f"INSERT INTO {Names(log.prefix).changes} (check_digits, source, method, key, at) "
        f"VALUES (lower(hex(randomblob(2))), {literal(source)}, 'RESET', {literal(cause.value)}, "
        "(julianday('now') - 2440587.5) * 86400.0)"
    )


def _taken(rows: Iterable[Sequence[Any]], images: int | None) -> tuple[list[Sequence[Any]], int]:
    """Entries as they come, to the first by which their images have more characters than that; and how many."""
    taken, size = [], 0
    for row in rows:
        taken.append(row)
        size += sum(len(image) for image in row[5:7] if image is not None)
        if images is not None and size > images:
            break
    return taken, size


def layouts(connection: Connection, log: Log) -> dict[str, list[str]]:
    """Every layout that images of this log may have: its name and its columns in lower case."""
    rows = connection.execute(
        f"SELECT name, value FROM {Names(log.prefix).meta} WHERE name LIKE 'layout:%'"
    ).fetchall()
    return {name.partition(":")[2]: [column.lower() for column in json.loads(value)] for name, value in rows}
