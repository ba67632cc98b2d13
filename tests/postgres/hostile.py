"""Hostile SQL for PostgreSQL: tables with triggers and cascades of the user's own, and histories of statements on them.

One rule: a history is drawn from its seed alone, so that it can be played where capture is installed and where it is
not, and be compared.
"""

from __future__ import annotations

import random

import asyncpg

TABLES = """
CREATE TABLE parent (id int PRIMARY KEY DEFERRABLE INITIALLY IMMEDIATE, name text);
CREATE TABLE owner (id int PRIMARY KEY, name text);
CREATE TABLE todo (
  id int PRIMARY KEY, title text UNIQUE, n numeric CHECK (n IS NULL OR n < 1000),
  owner int REFERENCES owner ON DELETE CASCADE ON UPDATE CASCADE DEFERRABLE, at timestamptz DEFAULT now());
CREATE TABLE node (id numeric PRIMARY KEY, up numeric REFERENCES node ON UPDATE CASCADE ON DELETE SET NULL, x float8);
"""
CAPTURED = ("parent", "owner", "todo", "node")
REACTIONS = (
    # Before ours or after ours by name, it makes no difference.
    """CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
      UPDATE todo SET n = coalesce(n, 0) + 1 WHERE id = NEW.id AND pg_trigger_depth() < 2; RETURN NULL; END'""",
    'CREATE TRIGGER " touch" AFTER INSERT OR UPDATE ON todo FOR EACH ROW EXECUTE FUNCTION touch()',
    "CREATE TRIGGER touch AFTER UPDATE ON todo FOR EACH ROW EXECUTE FUNCTION touch()",
    """CREATE FUNCTION spread() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
      UPDATE node SET x = coalesce(x, 0) + 0.1 WHERE pg_trigger_depth() < 2; RETURN NULL; END'""",
    "CREATE TRIGGER spread AFTER UPDATE ON node FOR EACH ROW EXECUTE FUNCTION spread()",
    """CREATE FUNCTION sweep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
      IF NEW.title = ''gone'' THEN DELETE FROM todo WHERE id = NEW.id; END IF; RETURN NULL; END'""",
    'CREATE TRIGGER " sweep" AFTER INSERT OR UPDATE ON todo FOR EACH ROW EXECUTE FUNCTION sweep()',
    """CREATE FUNCTION trim_title() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
      NEW.title := btrim(NEW.title); IF NEW.title = ''never'' THEN RETURN NULL; END IF; RETURN NEW; END'""",
    "CREATE TRIGGER trim_title BEFORE INSERT OR UPDATE ON todo FOR EACH ROW EXECUTE FUNCTION trim_title()",
    """CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
      UPDATE owner SET name = name || ''!'' WHERE length(name) < 4; RETURN NULL; END'""",
    "CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON owner DEFERRABLE INITIALLY DEFERRED "
    "FOR EACH ROW EXECUTE FUNCTION late()",
)

LEVELS = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")


class History:
    """What is done, in transactions. seed: all comes of it."""

    def __init__(self, seed: int) -> None:
        rng = self._rng = random.Random(seed)
        self.schema = [
            TABLES,
            *(each for each in REACTIONS if each.startswith("CREATE FUNCTION") or rng.random() < 0.5),
        ]
        self.transactions = [[self._statement() for _ in range(rng.randint(1, 4))] for _ in range(12)]
        self.levels = [rng.choice(LEVELS) for _ in self.transactions]
        self.ends = [
            rng.choice(("COMMIT", "COMMIT", "COMMIT", "ROLLBACK", "SAVEPOINT")) for _ in self.transactions
        ]

    def _statement(self) -> str:
        rng = self._rng
        number, other = rng.randint(1, 6), rng.randint(1, 6)
        title = rng.choice(("'a'", "' b'", "'c'", "'gone'", "'never'", "NULL", f"'t{number}'"))
        n = rng.choice(("1.10", "1.1", "'NaN'", "2", "NULL", "12345"))
        x = rng.choice(("0.1", "'NaN'", "'-Infinity'", "1e-320", "NULL"))
        return rng.choice(
            (
                f"INSERT INTO todo VALUES ({number}, {title}, {n})",
                f"INSERT INTO todo (id, title, owner) SELECT i, i::text, {other} FROM generate_series(1, {number}) i",
                f"INSERT INTO todo VALUES ({number}, {title}, {n}) ON CONFLICT (id) DO UPDATE SET title = {title}",
                f"INSERT INTO todo VALUES ({number}, {title}, {n}) ON CONFLICT DO NOTHING",
                f"UPDATE todo SET title = {title} WHERE id = {number}",
                f"UPDATE todo SET n = {n}",
                f"UPDATE todo SET id = id + {number}",
                f"UPDATE todo SET owner = {other} WHERE id <> {number}",
                f"DELETE FROM todo WHERE id = {number}",
                f"WITH gone AS (DELETE FROM todo WHERE id = {number} RETURNING *) "
                f"INSERT INTO todo SELECT id + {other}, title, n FROM gone",
                f"INSERT INTO owner VALUES ({number}, 'o')",
                f"UPDATE owner SET id = {number} WHERE id = {other}",
                f"UPDATE owner SET name = {title} WHERE id = {other}",
                f"DELETE FROM owner WHERE id = {number}",
                f"INSERT INTO parent SELECT i, 'p' FROM generate_series(1, {number}) i",
                "UPDATE parent SET id = id + 1",
                "UPDATE parent SET id = 7 - id WHERE id < 7",
                f"INSERT INTO node VALUES ({number}.0, NULL, {x})",
                f"INSERT INTO node VALUES ({number}, {other}, {x})",
                f"UPDATE node SET id = id + 10 WHERE id < {number}",
                f"UPDATE node SET id = {number}.000 WHERE id = {number}",
                f"UPDATE node SET x = {x}",
                f"DELETE FROM node WHERE id = {number}",
                f"MERGE INTO todo USING (VALUES ({number}, {title})) AS v (id, title) ON todo.id = v.id "
                "WHEN MATCHED THEN UPDATE SET title = v.title WHEN NOT MATCHED THEN INSERT VALUES (v.id, v.title)",
                "TRUNCATE node",
                "TRUNCATE owner CASCADE",
                f"ALTER TABLE todo ADD COLUMN IF NOT EXISTS extra{number} int",
                "SET CONSTRAINTS ALL IMMEDIATE",
                "SET CONSTRAINTS ALL DEFERRED",
            )
        )

    async def play(self, connection: asyncpg.Connection) -> list[str]:
        """Do it; what each statement came to."""
        outcomes: list[str] = []
        for statements, level, end in zip(self.transactions, self.levels, self.ends, strict=True):
            await connection.execute(f"BEGIN ISOLATION LEVEL {level}")
            outcomes += [await self._told(connection, statement, end) for statement in statements]
            outcomes.append(await _outcome(connection, "ROLLBACK" if end == "ROLLBACK" else "COMMIT"))
        return outcomes

    async def _told(self, connection: asyncpg.Connection, statement: str, end: str) -> str:
        if end != "SAVEPOINT":
            return await _outcome(connection, statement)
        await _outcome(connection, "SAVEPOINT one")
        told = await _outcome(connection, statement)
        await _outcome(connection, "ROLLBACK TO one" if "INSERT" not in told else "RELEASE one")
        return told


async def _outcome(connection: asyncpg.Connection, statement: str) -> str:
    try:
        return str(await connection.execute(statement))
    except asyncpg.PostgresError as error:
        return f"{error.sqlstate}"
