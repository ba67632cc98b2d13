"""Shell: somebody who writes with SQL into the same file, beside the server, several rows at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

from livecollections.stores.base import Log
from livecollections.stores.sqlite_log import ChangeLog, Images

from .ledger import TABLE, Ledger

LARGE = 8_000
"""Characters of a large title."""
MANY = 12
"""Rows that are made with such, to fill what stands between a server and a reader who has stopped."""


class Shell:
    """On the server's host."""

    def __init__(
        self, server: Any, ledger: Ledger, note: Callable[[str, str], None], wrote: Callable[[], None]
    ) -> None:
        self._server = server
        self._ledger = ledger
        self._note = note
        self._wrote = wrote

    def do(self, what: str, detail: Mapping[str, Any]) -> None:
        """One statement, or a transaction of some, which may come to nothing."""
        title = detail["title"]
        self._wrote()
        self._note("shell", " ".join([what, *(f"{name}={value}" for name, value in detail.items())]))
        with closing(self._open()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            if what != "transaction":
                self._write(connection, what, title, detail)
                connection.execute("COMMIT")
                return
            acts = detail["acts"]
            for number, act in enumerate(acts):
                if detail["ends"] == "savepoint" and number == len(acts) - 1:
                    connection.execute("SAVEPOINT last")
                self._write(connection, act, f"{title}.{number}", {"count": 2, "modulo": 3})
            if detail["ends"] == "savepoint":
                connection.execute("ROLLBACK TO last")
            connection.execute("ROLLBACK" if detail["ends"] == "rollback" else "COMMIT")

    def _write(
        self, connection: sqlite3.Connection, what: str, title: str, detail: Mapping[str, Any]
    ) -> None:
        if what == "insert":
            for number in range(detail["count"]):
                connection.execute(
                    f"INSERT INTO {TABLE} (title, completed) VALUES (?, 0)", (f"{title}/{number}",)
                )
        elif what == "bulk":
            connection.execute(
                f"UPDATE {TABLE} SET title = ? || '/' || id, completed = NOT completed WHERE id % ? = 0",
                (title, detail["modulo"]),
            )
        else:
            connection.execute(f"DELETE FROM {TABLE} WHERE id % ? = 1", (detail["modulo"],))

    def flood(self, title: str) -> None:
        """Write much, and take it away again: who reads nothing can't be told it all one by one."""
        self._note("shell", f"floods, {title}")
        with closing(self._open()) as connection:
            for _ in range(MANY):
                connection.execute(
                    f"INSERT INTO {TABLE} (title, completed) VALUES (?, 0)", (f"{title}/".ljust(LARGE, "x"),)
                )
            for turn in range(2):
                connection.execute(
                    f"UPDATE {TABLE} SET title = ? || title WHERE title LIKE ?", (f"{turn}", f"%{title}/%")
                )
            connection.execute(f"DELETE FROM {TABLE} WHERE title LIKE ?", (f"%{title}/%",))

    def drop_trigger(self) -> None:
        """Drop a trigger of the log, as a migration does, and write what it would have told."""
        self._note("shell", "drops a trigger")
        with closing(self._open()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            found = connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? ORDER BY name",
                (TABLE,),
            ).fetchall()
            for (name,) in found:
                connection.execute(f'DROP TRIGGER "{name}"')
            connection.execute(f"UPDATE {TABLE} SET rank = coalesce(rank, 0) + 1")
            # A RESET that is there already is of another time.
            self._ledger.look()
            self._ledger.turn_blind()
            connection.execute("COMMIT")

    def trim(self, now: float) -> bool:
        """Trim the log up to its last entry, as the retention of another process may; whether there was any to trim."""
        self._ledger.look()
        before = self._ledger.trimmed
        changes = ChangeLog(Log(changes=1), Images({}), {})
        with closing(self._open()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            while changes.trim(connection, now):
                pass
            connection.execute("COMMIT")
        self._ledger.look()
        self._note("shell", f"trims the log to {self._ledger.trimmed}")
        return self._ledger.trimmed > before

    def _open(self) -> sqlite3.Connection:
        connection: sqlite3.Connection = self._server.host.call(self._connect)
        return connection

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._server.path, isolation_level=None)
