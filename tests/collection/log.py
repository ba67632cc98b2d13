"""The rows of a stub server and the log of their changes, by the design's text alone.

Rules: a change and its entry happen together; a place is drawn once and, in the way of PostgreSQL, may be seen later
than a higher one; what is published is a prefix of the log without holes. It knows no HTTP and no client.
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]


@dataclass(eq=False)
class Entry:
    """One change. channel: whether it is of our channel.  committed: whether anybody may see it.
    is_reused: another document had this key before."""

    place: int
    check: str
    method: str
    key: int
    body: Row | None
    origin: str | None = None
    is_ours: bool = True
    committed: bool = True
    values: Row | None = None
    is_reused: bool = False


START = Entry(0, "0000", "", 0, None)


class Log:
    """``version`` is in each body as ``v``: of two states of one row the later has the higher. ``era``: how often
    the database went back in time, in each body too."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.epoch = self._hex(8)
        self.entries: list[Entry] = []
        self.place = 0
        self.trimmed = START
        self.published = 0
        self.rows: dict[int, Row] = {}
        self.locked: dict[int, Entry] = {}
        self.version = 0
        self.era = 1
        self.answers: dict[str, Any] = {}
        self.used: set[int] = set()

    def _hex(self, width: int) -> str:
        return "".join(self.rng.choice("0123456789abcdef") for _ in range(width))

    def seq_of(self, entry: Entry) -> str:
        return f"{self.epoch}{entry.place:016x}{entry.check}"

    def seq_at(self, place: int) -> str:
        """The seq that says: everything up to this place."""
        below = (entry for entry in reversed(self.entries) if entry.place <= place)
        return self.seq_of(next(below, self.trimmed))

    @property
    def watermark(self) -> int:
        """The highest place at and below which nothing can still appear."""
        open_ones = (entry.place - 1 for entry in self.entries if not entry.committed)
        return next(open_ones, self.place)

    def publish(self) -> None:
        self.published = self.watermark

    def draw(self, method: str, key: int = 0, body: Row | None = None, origin: str | None = None) -> Entry:
        self.place += 1
        entry = Entry(self.place, self._hex(4), method, key, body, origin)
        self.entries.append(entry)
        return entry

    def shown(self, row: Row) -> Row:
        return {**row, "era": self.era}

    def next_key(self) -> int:
        return max(self.rows, default=0) + 1

    def insert(self, values: Row, origin: str | None = None) -> Entry:
        self.version += 1
        row = {"id": self.next_key(), **values, "v": self.version}
        self.rows[row["id"]] = row
        entry = self.draw("POST", row["id"], row, origin)
        entry.is_reused = row["id"] in self.used
        self.used.add(row["id"])
        return entry

    def replace(self, key: int, values: Row, origin: str | None = None) -> Entry | None:
        """The row as ``values``, whole; nothing where that changes nothing."""
        before = {name: value for name, value in self.rows[key].items() if name != "v"}
        after = {"id": key, **values}
        if before == after:
            return None
        self.version += 1
        self.rows[key] = {**after, "v": self.version}
        return self.draw("PUT", key, self.rows[key], origin)

    def remove(self, key: int, origin: str | None = None) -> Entry:
        return self.draw("DELETE", key, self.rows.pop(key), origin)

    def elsewhere(self) -> None:
        """A change of another resource: it moves the log and nothing on this channel."""
        self.draw("PUT", 1, {"id": 1}).is_ours = False

    def begin(self, key: int, values: Row) -> None:
        """An open transaction: its place is drawn, its row is locked, nobody sees either yet."""
        entry = self.draw("PUT", key)
        entry.committed, entry.values = False, values
        self.locked[key] = entry

    def commit(self, key: int) -> None:
        entry = self.locked.pop(key)
        self.version += 1
        entry.body = self.rows[key] = {**self.rows[key], **(entry.values or {}), "v": self.version}
        entry.committed = True

    def trim(self, keep: int) -> bool:
        cut = min(self.published, self.watermark) - keep
        gone = [entry for entry in self.entries if entry.place <= cut]
        if gone:
            self.trimmed = gone[-1]
            self.entries = [entry for entry in self.entries if entry.place > cut]
        return bool(gone)

    def backup(self) -> dict[str, Any]:
        return copy.deepcopy({name: value for name, value in vars(self).items() if name != "rng"})

    def restore(self, backup: dict[str, Any], fresh: bool) -> None:
        """The database as it was. fresh: its keeper then drew another epoch."""
        version, era, used = self.version, self.era, self.used
        vars(self).update(copy.deepcopy(backup))
        for entry in [one for one in self.entries if not one.committed]:
            self.entries.remove(entry)
        self.locked.clear()
        self.published = self.place
        self.version, self.era, self.used = version, era + 1, used
        if fresh:
            self.epoch = self._hex(8)

    def locate(self, since: str) -> int | None:
        """The place of a seq that names an entry of this log and may be read on from."""
        if since[:8] != self.epoch:
            return None
        place = int(since[8:24], 16)
        found = self.trimmed if place == self.trimmed.place else None
        found = next((one for one in self.entries if one.place == place and one.committed), found)
        if found is None or found.check != since[24:] or place < self.trimmed.place:
            return None
        told = any(one.method == "RESET" and one.is_ours and one.place > place for one in self.entries)
        return None if told else place

    def messages(self, after: int, squash: bool) -> list[Row]:
        """The published messages after a place, each with what came before it for this receiver."""
        ours = [entry for entry in self.entries if entry.is_ours and entry.place <= self.published]
        last = next((one for one in reversed(ours) if one.place <= after), None)
        before = self.seq_of(last) if last else self.seq_at(after) if self.trimmed.place else None
        waiting = [one for one in ours if one.place > after]
        if squash:
            waiting, before = _squashed(waiting), self.seq_at(after)
        told = []
        for entry in waiting:
            data: Row = {"method": entry.method, "seq": self.seq_of(entry)}
            if entry.body is not None:
                data["body"] = self.shown(entry.body)
            if before is not None:
                data["prev"] = before
            if entry.origin is not None:
                data["origin"] = entry.origin
            before = data["seq"]
            told.append(data)
        return told


def _squashed(entries: list[Entry]) -> list[Entry]:
    last: dict[int, Entry] = {}
    reset: list[Entry] = []
    for entry in entries:
        if entry.method == "RESET":
            last, reset = {}, [entry]
        else:
            last[entry.key] = entry
    return reset + sorted(last.values(), key=lambda entry: entry.place)
