"""The letters of webhooks in SQLite. It knows their table, and no log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import astuple, fields
from typing import Any, Protocol, TypeVar

from .base import Letter, Letters, LetterState, Log
from .sqlite_schema import Connection, quote

T = TypeVar("T")

COLUMNS = ", ".join(field.name for field in fields(Letter))


class InTransaction(Protocol):
    """Runs a function in a transaction of the store."""

    def __call__(self, function: Callable[[Connection], T], /) -> Awaitable[T]: ...


def letters_table(log: Log) -> str:
    """What makes the table, where it is missing."""
    return (
        f"CREATE TABLE IF NOT EXISTS {quote(log.prefix + 'letters')} (webhook TEXT, seq TEXT, body BLOB, state TEXT, "
        "attempts INTEGER, reason TEXT, since REAL, due REAL, PRIMARY KEY (webhook, seq))"
    )


class SQLiteLetters(Letters):
    """The table of one log. read, write: run a function in a transaction."""

    def __init__(self, log: Log, read: InTransaction, write: InTransaction) -> None:
        self._table = quote(f"{log.prefix}letters")
        self._read = read
        self._write = write

    async def read(
        self, webhook: str, states: Collection[LetterState], after: str = "", limit: int = 100
    ) -> list[Letter]:
        marks = ", ".join("?" * len(states))
        statement = (
            f"SELECT {COLUMNS} FROM {self._table} WHERE webhook = ? AND state IN ({marks}) AND seq > ? "
            "ORDER BY seq LIMIT ?"
        )
        parameters = (webhook, *states, after, limit)
        rows: list[Any] = await self._read(lambda found: found.execute(statement, parameters).fetchall())
        return [Letter(*row) for row in rows]

    async def keep(self, letter: Letter, most: int) -> int:
        values = astuple(letter)
        marks = ", ".join("?" * len(values))

        def function(connection: Connection) -> int:
            connection.execute(f"INSERT OR REPLACE INTO {self._table} ({COLUMNS}) VALUES ({marks})", values)
            gone = connection.execute(
                f"DELETE FROM {self._table} WHERE rowid IN (SELECT rowid FROM {self._table} "
                "WHERE webhook = ? AND state = 'dead' ORDER BY since DESC, seq DESC LIMIT -1 OFFSET ?)",
                (letter.webhook, most),
            )
            return int(gone.rowcount)

        return await self._write(function)

    async def drop(self, webhook: str, seq: str) -> None:
        statement = f"DELETE FROM {self._table} WHERE webhook = ? AND seq = ?"
        await self._write(lambda found: found.execute(statement, (webhook, seq)))
