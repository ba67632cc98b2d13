"""A program that writes past the server, and says in a journal what it is about to do, and what has been done.

Its journal is appended to with one call for each line, so a line that is there was true before the kill.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

from .site import TABLE

MOST_ROWS = 60
"""Of one transaction: with a cache this small, they are in the database's files long before the commit."""
CACHE = 10
"""Pages that SQLite keeps in memory."""


class Journal:
    """Lines that outlive their writer."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(self, **told: Any) -> None:
        os.write(self._file, json.dumps(told).encode() + b"\n")


class JournalReader:
    """lines: all that has been read."""

    def __init__(self, path: Path) -> None:
        self.lines: list[dict[str, Any]] = []
        self._rest = b""
        path.touch()
        self._file = path.open("rb")

    def read(self) -> list[dict[str, Any]]:
        """All lines that there are."""
        *whole, self._rest = (self._rest + self._file.read()).split(b"\n")
        self.lines += map(json.loads, whole)
        return self.lines

    def close(self) -> None:
        self._file.close()


def write(database: str, journal: str, life: int, seed: int, open_after: int) -> None:
    """Write transactions until killed.

    Args:
        life: its number among the writers of this database.
        open_after: the transactions after which one is left open, until the kill; -1: none.
    """
    chance = random.Random(seed)
    told = Journal(Path(journal))
    connection = sqlite3.connect(database, isolation_level=None, timeout=30)
    connection.execute(f"PRAGMA cache_size = {CACHE}")
    number = 0
    while True:
        name = f"shell-{life}-{number}"
        is_left_open = number == open_after
        is_undone = not is_left_open and chance.random() < 0.15
        connection.execute("BEGIN IMMEDIATE")
        fate = "open" if is_left_open else "undo" if is_undone else "commit"
        rows = _rows(connection, chance, name)
        told.write(life=life, begin=name, rows=rows, fate=fate)
        if is_left_open:
            signal.pause()
        connection.execute("ROLLBACK" if is_undone else "COMMIT")
        if not is_undone:
            told.write(life=life, committed=name)
        number += 1
        time.sleep(0.01 + chance.random() * 0.05)


def _rows(connection: sqlite3.Connection, chance: random.Random, name: str) -> int:
    """Write the rows of one transaction; the answer is how many entries of the log it makes."""
    count = chance.choice((1, 1, 1, 2, 2, 3, 5, MOST_ROWS))
    texts = [(f"{name} row {number} {'x' * 200}",) for number in range(count)]
    connection.executemany(f"INSERT INTO {TABLE} (text) VALUES (?)", texts)
    found = connection.execute(
        f"SELECT id FROM {TABLE} WHERE text GLOB 'shell-*' AND NOT text GLOB ? ORDER BY id DESC LIMIT 3",
        (f"{name} *",),
    ).fetchall()
    for (key,) in found:
        connection.execute(f"UPDATE {TABLE} SET text = ? WHERE id = ?", (f"{name} over {key}", key))
        if chance.random() < 0.5:
            connection.execute(f"DELETE FROM {TABLE} WHERE id = ?", (key,))
            count += 1
    return count + len(found)
