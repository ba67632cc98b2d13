"""Writers who crowd one database: long and short transactions, rollbacks, savepoints, prepared ones, and strangers.

Two rules. Each change of a row raises its version, and is written into the tables' own history in the same transaction:
what was committed is known without the log. Some transactions take long between one place that they draw and the end,
as a slow check at commit has it, so that places commit in another order than they were drawn.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from livecollections.change import Change

TABLES = """
CREATE TABLE plain (id serial PRIMARY KEY, version int NOT NULL);
CREATE TABLE slow (id serial PRIMARY KEY, version int NOT NULL);
CREATE TABLE history (source text, id int, version int);
CREATE FUNCTION remember() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN INSERT INTO history VALUES (TG_TABLE_NAME, NEW.id, NEW.version); RETURN NULL; END';
CREATE TRIGGER remember AFTER INSERT OR UPDATE ON plain FOR EACH ROW EXECUTE FUNCTION remember();
CREATE TRIGGER remember AFTER INSERT OR UPDATE ON slow FOR EACH ROW EXECUTE FUNCTION remember();
CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN PERFORM pg_sleep(0.04 * random() ^ 3); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT OR UPDATE ON slow DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION dawdle();
"""
COLUMNS = {"plain": ("id", "version"), "slow": ("id", "version")}


class Undone(Exception):
    """The writer takes it back."""


class Writer:
    """One connection that writes. number: draws what it does."""

    def __init__(self, url: str, number: int) -> None:
        self._url = url
        self._number = number
        self._rng = random.Random(number)
        self.prepared = 0

    async def run(self, count: int) -> None:
        """Do so many transactions."""
        connection = await asyncpg.connect(self._url)
        try:
            for _ in range(count):
                if self._rng.random() < 0.05:
                    await self._prepare(connection)
                    continue
                try:
                    async with connection.transaction():
                        await self._write(connection)
                        if self._rng.random() < 0.1:
                            raise Undone
                except (Undone, asyncpg.DeadlockDetectedError):
                    pass
        finally:
            await connection.close()

    async def _write(self, connection: asyncpg.Connection) -> None:
        rng = self._rng
        for _ in range(rng.randint(1, 3)):
            table = rng.choice(("plain", "slow"))
            if rng.random() < 0.5:
                await connection.execute(f"INSERT INTO {table} (version) VALUES (1)")
            else:
                await connection.execute(
                    f"UPDATE {table} SET version = version + 1 WHERE id = (SELECT id FROM {table} "
                    f"WHERE id >= $1 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)",
                    rng.randint(1, 200),
                )
            if rng.random() < 0.2:
                await self._undo_some(connection, table)
        if rng.random() < 0.1:  # places are drawn now, and the end is a while off
            await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
            await connection.execute("SELECT pg_sleep($1)", rng.random() * 0.03)
            if rng.random() < 0.3:
                raise Undone
        elif rng.random() < 0.1:
            await connection.execute("SELECT pg_sleep($1)", rng.random() * 0.2)

    async def _undo_some(self, connection: asyncpg.Connection, table: str) -> None:
        try:
            async with connection.transaction():
                await connection.execute(f"INSERT INTO {table} (version) VALUES (1)")
                await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
                raise Undone
        except Undone:
            await connection.execute("SET CONSTRAINTS ALL DEFERRED")

    async def _prepare(self, connection: asyncpg.Connection) -> None:
        self.prepared += 1
        name = f"{self._number}-{self.prepared}"
        await connection.execute(
            f"BEGIN; INSERT INTO plain (version) VALUES (1); INSERT INTO slow (version) VALUES (1); "
            f"PREPARE TRANSACTION '{name}'"
        )
        await connection.execute("SELECT pg_sleep($1)", self._rng.random() * 0.05)
        await connection.execute(f"{self._rng.choice(('COMMIT', 'ROLLBACK'))} PREPARED '{name}'")


class Even(Writer):
    """One whose transactions all take about as long, but for a few that draw their places at once: they are the newest
    when others that drew later commit, and the oldest when these have all ended."""

    async def _prepare(self, connection: asyncpg.Connection) -> None:
        await self._write(connection)

    async def _write(self, connection: asyncpg.Connection) -> None:
        rng = self._rng
        await connection.execute("INSERT INTO plain (version) VALUES (1)")
        if rng.random() < 0.02:
            await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
            await connection.execute("SELECT pg_sleep(0.08)")
        else:
            await connection.execute("SELECT pg_sleep($1)", 0.01 + 0.01 * rng.random())


@asynccontextmanager
async def stranger(url: str, other: str) -> AsyncIterator[None]:
    """Transactions that have written, in this database and in another, and stay open."""
    connections = [await asyncpg.connect(url), await asyncpg.connect(other)]
    try:
        for connection in connections:
            await connection.execute("CREATE TABLE IF NOT EXISTS aside (x int)")
            await connection.execute("BEGIN; INSERT INTO aside VALUES (1)")
        yield
    finally:
        for connection in connections:
            await connection.close()


def missing(history: list[tuple[str, int, int]], told: list[Change]) -> list[tuple[str, int, int]]:
    """What was committed and never told. Raises AssertionError for what was told twice, or in the wrong order."""
    states = [
        (change.source, int(change.key[0]), int(change.after["version"]))
        for change in told
        if change.after is not None
    ]
    assert len(states) == len(set(states)), "a change was told twice"
    seen: dict[tuple[str, int], int] = {}
    for source, key, version in states:
        assert version > seen.get((source, key), 0), "a document stepped back"
        seen[source, key] = version
    return sorted(set(history) - set(states))
