"""The filter language means the same in PostgreSQL's SQL and in Python: random documents and random filters.

The table is declared as the model says, or otherwise, as one that was there before.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from livecollections.change import Row
from livecollections.query import Compare, Condition, Equal, In, Not, Query, Text, matches
from livecollections.stores.postgres_connection import prepare
from livecollections.stores.postgres_rows import all_rows, count, selection
from livecollections.stores.postgres_shape import Shape
from livecollections.stores.postgres_table import read_table
from livecollections.stores.postgres_triggers import SETTINGS
from livecollections.stores.postgres_values import described, dialect
from livecollections.stores.sql import decode_row
from livecollections.stores.sql_query import Statement
from tests.models import Colour, Everything
from tests.scale import scaled
from tests.stores.test_agreement import MOMENT, NAMES, condition, leaf

from .server import PostgresServer

DIALECT = dialect()
SOURCE = described(Everything, (), DIALECT)

TEXTS = [
    "", "a", "A", "ab", "aB ", "b", "é", "É", "\U0001f95b", "\uffff", "\ue000", "%", "_", "a\\b", "null", "5", "05",
    "1e3", "RED", "red", "12", "2024-01-02", "a%b", "{a}", '{"a,b",NULL}',
]  # fmt: skip
INTEGERS = ["0", "1", "-1", "5", "12", "32767", "-32768"]
BIG = [*INTEGERS, "9007199254740992", "9007199254740993", "9223372036854775807", "-9223372036854775808"]
REALS = [
    *BIG,
    "0.1",
    "1.5",
    "-0",
    "1e300",
    "-1e300",
    "1e-300",
    "0.30000000000000004",
    "12.5",
    "NaN",
    "Infinity",
    "-Infinity",
]
NUMERICS = [*BIG, "1.10", "1.105", "1.11", "-1.1", "0.1", "NaN", "1e300", "12.5"]
MOMENTS = [
    "2024-01-02 03:04:05.12", "2024-01-02 03:04:05", "2024-01-02 03:04:05.120001", "2024-01-01", "2023-12-31 23:00",
    "0001-01-01", "9999-12-31 23:59:59.999999", "infinity", "-infinity", "0044-03-15 BC", "10000-01-01",
]  # fmt: skip
DAYS = [
    "2024-01-01",
    "2023-12-31",
    "2024-01-02",
    "0001-01-01",
    "9999-12-31",
    "infinity",
    "-infinity",
    "0044-03-15 BC",
]
TOKENS = ["00000000-0000-0000-0000-000000000005", "abcdefab-0000-4000-8000-0000000000ff"]
JSONS = [
    "null", "true", "0", "1", "1.0", '"a"', '"1"', '""', "[]", "{}", "[1]", '["a", "b"]', "[null]", '{"a": 1}',
    '{"a": null}', '{"a": [1, 2]}', '{"a": {"b": 1}}', '{"a": [{"b": 1}, {"b": [1, 2]}, {}]}', '[{"a": 1}, {"a": 2}]',
    '{"0": "x"}', '{"a": 0.30000000000000004}', '{"a": 1180591620717411303424}', '{"a": "a"}',
]  # fmt: skip
AS_MODEL = {
    "text": ("varchar", TEXTS),
    "number": ("integer", INTEGERS),
    "real": ("double precision", REALS),
    "flag": ("boolean", ["t", "f"]),
    "moment": ("timestamp", MOMENTS),
    "day": ("date", DAYS),
    "price": ("numeric(10, 2)", ["1.10", "1.11", "1.105", "0", "-1.1", "5", "NaN"]),
    "token": ("uuid", TOKENS),
    "colour": ("colour", ["RED", "BLUE"]),
    "blob": ("bytea", ["", "a", "red", "\\xfffe"]),
    "meta": ("json", [*JSONS, '{"a": 1, "a": 2}', '"\\ud800"', '{"a": "a\\u0000b"}']),
    "words": ("json", JSONS),
}
TABLES = {
    "as the model": AS_MODEL,
    "of neighbouring types": {
        **AS_MODEL,
        "text": ("text COLLATE any_case", TEXTS),
        "number": ("bigint", BIG),
        "real": ("real", [*INTEGERS, "0.1", "1.5", "NaN", "Infinity"]),
        "moment": ("timestamptz", MOMENTS),
        "price": ("numeric", NUMERICS),
        "colour": ("varchar", ["RED", "BLUE", "red", "GREEN"]),
        "meta": ("jsonb", JSONS),
        "words": ("text[]", ["{}", "{a,b}", '{"a b",NULL,"\\"x\\\\"}', "{{a,b},{c,d}}"]),
    },
    "of others": {
        **AS_MODEL,
        "text": ("char(3)", ["", "a", "ab", "b", "A", "5"]),
        "number": ("numeric", NUMERICS),
        "real": ("numeric", NUMERICS),
        "flag": ("integer", ["0", "1", "2"]),
        "moment": ("text", [*MOMENTS, "soon"]),
        "day": ("timestamp", MOMENTS),
        "price": ("double precision", REALS),
        "token": ("text", [*TOKENS, "x"]),
        "blob": ("text", TEXTS),
        "meta": ("text", [*JSONS, "x", "{"]),
        "words": ("integer[]", ["{}", "{1}", "{1,2}"]),
    },
}  # fmt: skip


SAID = {
    "as the model": {*NAMES} - {"meta", "words"},
    "of neighbouring types": {*NAMES} - {"meta", "words", "real", "colour"},
    "of others": {"colour"},
}
"""The columns of which SQL judges conditions; of all others Python does."""


class Asked:
    """A table of random rows, and what is asked of it."""

    def __init__(self, connection: Any, columns: dict[str, tuple[str, list[str]]]) -> None:
        self._connection = connection
        self._columns = columns

    async def make(self) -> None:
        """Make the table."""
        declared = ", ".join(f'"{name}" {spelled}' for name, (spelled, _) in self._columns.items())
        await self._connection.execute(
            "CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false); "
            "CREATE TYPE colour AS ENUM ('RED', 'BLUE'); "
            f"CREATE TABLE {SOURCE.name} (id integer PRIMARY KEY, {declared})"
        )
        table = await read_table(self._connection, SOURCE.name)
        assert table
        self.shape = Shape(SOURCE, table, DIALECT)

    async def fill(self, rng: random.Random, many: int) -> list[Row]:
        """Other rows; the answer is these."""
        await self._connection.execute(f"TRUNCATE {SOURCE.name}")
        for number in range(many):
            texts = [None if rng.random() < 0.1 else rng.choice(self._columns[name][1]) for name in NAMES]
            places = (
                f"CAST(${place}::text AS {self._columns[name][0].partition(' COLLATE')[0]})"
                for place, name in enumerate(NAMES, 1)
            )
            named = ", ".join(f'"{name}"' for name in NAMES)
            await self._connection.execute(
                f"INSERT INTO {SOURCE.name} (id, {named}) VALUES ({number}, {', '.join(places)})", *texts
            )
        return await self.rows(Query())

    async def rows(self, query: Query) -> list[Row]:
        """The rows of a query."""
        async with self._connection.transaction():
            selected = selection(self.shape, query, DIALECT)
            stored = await all_rows(self._connection, selected)
        return [decode_row(selected.fields, row) for row in stored]

    async def disagreement(self, rows: list[Row], asked: Condition) -> list[Any]:
        """The rows of which SQL and Python say different things."""
        query = Query((asked,))
        found = {row["id"] for row in await self.rows(query)}
        async with self._connection.transaction():
            assert await count(self._connection, self.shape, query, DIALECT) == len(found)
        told = [row for row in rows if matches(row, query) != (row["id"] in found)]
        name = getattr(asked, "field", None)
        return [row if name is None else (row["id"] in found, row[name]) for row in told]

    async def plan(self, index: str, statement: Statement) -> str:
        """How a statement is run where there is an index, and no other way is as cheap."""
        await self._connection.execute(
            f"{index}; SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan"
        )
        rows = await self._connection.fetch("EXPLAIN " + statement.text, *statement.values)
        return "\n".join(row[0] for row in rows)

    def is_said(self, asked: Condition) -> bool:
        """Whether SQL judges it all."""
        return not selection(self.shape, Query((asked,)), DIALECT).rest


@asynccontextmanager
async def asking(url: str, columns: dict[str, tuple[str, list[str]]]) -> AsyncIterator[Asked]:
    connection = await asyncpg.connect(url, server_settings=SETTINGS)
    try:
        await prepare(connection)
        asked = Asked(connection, columns)
        await asked.make()
        yield asked
    finally:
        await connection.close()


def ask(postgres: PostgresServer, name: str, test: Callable[[Asked, random.Random], Awaitable[None]]) -> None:
    url = postgres.schema()

    async def run() -> None:
        async with asking(url, TABLES[name]) as asked:
            await test(asked, random.Random(name))

    asyncio.run(run())


@pytest.mark.parametrize("name", TABLES)
def test_sql_and_python_agree_on_each_kind_of_condition(postgres: PostgresServer, name: str) -> None:
    name_of_table = name

    async def test(asked: Asked, rng: random.Random) -> None:
        rows = await asked.fill(rng, scaled(30, 100))
        said: set[str] = set()
        for name in NAMES:
            for _ in range(scaled(3, 20)):
                each = leaf(rng, name)
                assert not await asked.disagreement(rows, each), each
                assert not await asked.disagreement(rows, Not(each)), each
                if name not in said and asked.is_said(each):
                    said.add(name)
        assert said == SAID[name_of_table]

    ask(postgres, name, test)


@pytest.mark.parametrize("name", TABLES)
def test_sql_and_python_agree_on_random_filters(postgres: PostgresServer, name: str) -> None:
    async def test(asked: Asked, rng: random.Random) -> None:
        counts = set()
        for _ in range(scaled(2, 6)):
            rows = await asked.fill(rng, 40)
            for _ in range(scaled(8, 60)):
                each = condition(rng)
                assert not await asked.disagreement(rows, each), each
                counts.add(sum(matches(row, Query((each,))) for row in rows))
        assert {0, 40} < counts

    ask(postgres, name, test)


@pytest.mark.parametrize(
    "asked",
    [
        Equal("text", "a"),
        Equal("text", None),
        In("text", ("a", "b")),
        Text("text", "a", starts=True),
        Compare("text", ">", "a"),
        Equal("number", 5),
        In("number", (5, 6)),
        Compare("number", "<=", 5.5),
        Equal("real", 0.5),
        Compare("moment", ">", MOMENT),
        Equal("day", MOMENT.date()),
        Equal("price", Decimal("1.10")),
        Compare("price", "<", 2),
        Equal("token", UUID(int=5)),
        Equal("colour", Colour.RED),
        Equal("blob", b"a"),
    ],
    ids=str,
)
def test_an_index_is_used(postgres: PostgresServer, asked: Any) -> None:
    async def test(table: Asked, rng: random.Random) -> None:
        statement = selection(table.shape, Query((asked,)), DIALECT).statement
        plan = await table.plan(f"CREATE INDEX used ON {SOURCE.name} ({asked.field})", statement)
        assert "Index Cond" in plan, plan

    ask(postgres, "as the model", test)
