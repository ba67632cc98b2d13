"""The letters of webhooks in PostgreSQL. It knows their table, and no log."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import astuple, fields

import asyncpg

from .base import Letter, Letters, LetterState
from .postgres_errors import translating
from .postgres_triggers import Names

_NAMES = [field.name for field in fields(Letter)]
COLUMNS = ", ".join(_NAMES)


class PostgresLetters(Letters):
    """The table of one log."""

    def __init__(self, pool: asyncpg.Pool, names: Names) -> None:
        self._pool = pool
        self._table = names.letters

    async def read(
        self, webhook: str, states: Collection[LetterState], after: str = "", limit: int = 100
    ) -> list[Letter]:
        with translating():
            rows = await self._pool.fetch(
                f"SELECT {COLUMNS} FROM {self._table} WHERE webhook = $1 AND state = ANY($2) AND seq > $3 "
                "ORDER BY seq LIMIT $4",
                webhook,
                list(states),
                after,
                limit,
            )
        return [Letter(*row) for row in rows]

    async def keep(self, letter: Letter, most: int) -> int:
        marks = ", ".join(f"${place}" for place in range(1, len(_NAMES) + 1))
        rest = ", ".join(f"{name} = excluded.{name}" for name in _NAMES if name not in ("webhook", "seq"))
        with translating():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(
                    f"INSERT INTO {self._table} ({COLUMNS}) VALUES ({marks}) "
                    f"ON CONFLICT (webhook, seq) DO UPDATE SET {rest}",
                    *astuple(letter),
                )
                gone = await connection.fetch(
                    f"DELETE FROM {self._table} WHERE webhook = $1 AND seq IN (SELECT seq FROM {self._table} "
                    "WHERE webhook = $1 AND state = 'dead' ORDER BY since DESC, seq DESC OFFSET $2) RETURNING 1",
                    letter.webhook,
                    most,
                )
        return len(gone)

    async def drop(self, webhook: str, seq: str) -> None:
        with translating():
            await self._pool.execute(
                f"DELETE FROM {self._table} WHERE webhook = $1 AND seq = $2", webhook, seq
            )
