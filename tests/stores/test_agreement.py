"""The filter language means the same in SQL and in Python: random documents, whoever wrote them, and random filters.

Documents are written as strangers write them: any value in any column, in any form, in a table that is declared
otherwise than the model says (another affinity, another collation).
"""

from __future__ import annotations

import json
import random
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from livecollections.change import Row
from livecollections.query import (
    And,
    Compare,
    Comparison,
    Condition,
    Equal,
    In,
    Not,
    Or,
    Query,
    Size,
    Some,
    Text,
    matches,
)
from livecollections.stores.sql import TableSource, decode_row, describe
from livecollections.stores.sql_query import select_rows
from livecollections.stores.sqlite_conditions import SQLiteConditions
from livecollections.stores.sqlite_connection import FileConnection, connect
from tests.models import Colour, Everything
from tests.scale import scaled

DIALECT = pysqlite.dialect()
SOURCE: TableSource = describe(Everything, (), sqlite.dialect())
NAMES = [column.attribute for column in SOURCE.columns if column.attribute != "id"]
MOMENT = datetime(2024, 1, 2, 3, 4, 5, 120000)

TABLES = {
    "as the model": "id INTEGER PRIMARY KEY, text VARCHAR, number INTEGER, real FLOAT, flag BOOLEAN, moment DATETIME, "
    "day DATE, price NUMERIC(10, 2), token CHAR(32), colour VARCHAR(4), blob BLOB, meta JSON, words JSON",
    "of another collation": "id INTEGER PRIMARY KEY, text TEXT COLLATE NOCASE, number INT, real REAL, flag INT, "
    "moment TEXT COLLATE RTRIM, day TEXT, price REAL, token TEXT COLLATE NOCASE, colour TEXT COLLATE NOCASE, "
    "blob, meta TEXT, words TEXT",
    "of other affinities": "id INTEGER PRIMARY KEY, text STRING, number TEXT, real TEXT, flag TEXT, moment INTEGER, "
    "day, price TEXT, token UUID, colour, blob TEXT, meta BLOB, words INTEGER",
}
OPERATORS: tuple[Comparison, ...] = ("<", "<=", ">", ">=")
TEXTS = [
    "", "a", "A", "ab", "aB ", "b", "é", "É", "\U0001f95b", "\uffff", "\ue000", "a\0b", "a\0c", "%", "_", "null", "5",
    "05", "1e3", "-0", "RED", "red", "12", "2024-01-02",
]  # fmt: skip
NUMBERS: list[Any] = [
    0, 1, -1, 5, 5.0, 0.1, 1.5, -0.0, 2**53, 2**53 + 1, float(2**53), 2**63 - 1, -(2**63), 1e300, -1e300, 1e-300,
    0.30000000000000004, 12.5,
]  # fmt: skip
PRICES = [
    Decimal("1.10"),
    Decimal("1.11"),
    Decimal("1.105"),
    Decimal("0.00"),
    Decimal("-1.1"),
    Decimal(5),
    1.1,
    5,
]
MOMENTS = [
    MOMENT, MOMENT.replace(microsecond=0), MOMENT.replace(tzinfo=UTC), datetime(2024, 1, 1), datetime(2023, 12, 31, 23),
    datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999), MOMENT + timedelta(microseconds=1),
]  # fmt: skip
DAYS = [date(2024, 1, 1), date(2023, 12, 31), date(2024, 1, 2), date(1, 1, 1), date(9999, 12, 31)]
MOMENT_TEXTS = [
    "2024-01-02 03:04:05.120000", "2024-01-02 03:04:05", "2024-01-02T03:04:05", "2024-01-02 03:04:05.12",
    "2024-01-02T03:04:05.120Z", "2024-01-02 05:04:05.120000+02:00", "2024-01-02 03:04:05.120001", "2024-01-01",
    "20240102T030405", "2024-W01-1", "2020-W53-5", "2024-02-30 00:00:00.000000", "0000-01-01 00:00:00.000000",
    "2024-01-02 24:00:00.000000", "2024-01-02 03:04:05.12x000", "2023-12-31 23:00:00.000000", "soon", "",
    "2023-12-31T23:30:00-05:00", "2024-01-02 03:04:05.999999", "2024-01-02 03:04:60.000000",
    "2024-01-02 03:04:05.120000\0",
]  # fmt: skip
DAY_TEXTS = [
    "2024-01-01",
    "2023-12-31",
    "20240102",
    "2024-W01-2",
    "2024-01-01 00:00:00",
    "2024-02-30",
    "0000-01-01",
]
TOKENS = [uuid.UUID(int=5), uuid.UUID("abcdefab-0000-4000-8000-0000000000ff")]
TOKEN_TEXTS = [
    TOKENS[1].hex,
    str(TOKENS[1]),
    TOKENS[1].hex.upper(),
    str(TOKENS[1]).upper(),
    TOKENS[0].hex,
    "x",
]
JSONS: list[Any] = [
    None, True, False, 0, 1, 1.0, 1.5, "a", "1", "", [], {}, [1], ["a", "b"], [["a", "b"]], [None], {"a": 1},
    {"a": None}, {"a": [1, 2]}, {"a": {"b": 1}}, {"a": [{"b": 1}, {"b": [1, 2]}, {}]}, {"a": [{"b": "x", "n": 3}]},
    [{"a": 1}, {"a": 2}], {"b": True}, {"a": "2024-01-01"}, {"0": "x"}, ["x", {"0": "y"}], [True, 1],
    {"a": {"b": None}}, {"a": 0.30000000000000004}, {"a": 2**70}, {"a": "a\0b"}, [[1], [2, [3]]], {"b": 1, "a": 1},
]  # fmt: skip
JSON_TEXTS = ["", "x", "{", "NaN", "[NaN, Infinity]", '{"a": 1, "a": 2}', '"\\ud800"', "[" * 2000]
PATHS: list[tuple[str, ...]] = [
    (),
    ("a",),
    ("a", "b"),
    ("0",),
    ("0", "a"),
    ("a", "0"),
    ("a", "0", "b"),
    ("b",),
    ("x",),
]
ANYTHING = [
    None,
    *TEXTS,
    *NUMBERS,
    b"",
    b"a",
    b"red",
    b"\xff\xfe",
    *MOMENT_TEXTS[:3],
    TOKEN_TEXTS[0],
    "{}",
    b'{"a": 1}',
]

STORED: dict[str, list[Any]] = {
    "text": TEXTS,
    "number": NUMBERS,
    "real": NUMBERS,
    "flag": [0, 1, 0, 1, 2, 0.5, "", "0"],
    "moment": MOMENT_TEXTS,
    "day": DAY_TEXTS,
    "price": [1.1, 1.105, 1.1049999999999998, 1.11, 1.115, 5, 0, -1.1, -1.105, 1e300, float("inf"), "x"],
    "token": TOKEN_TEXTS,
    "colour": ["RED", "BLUE", "red", "GREEN"],
    "blob": [b"", b"a", b"\xff\xfe", b"red"],
    "meta": [*map(json.dumps, JSONS), *JSON_TEXTS],
    "words": [*map(json.dumps, JSONS), *JSON_TEXTS],
}
ASKED: dict[str, list[Any]] = {
    "text": [*TEXTS],
    "number": NUMBERS,
    "real": NUMBERS,
    "flag": [True, False, 0, 1],
    "moment": MOMENTS,
    "day": DAYS,
    "price": PRICES,
    "token": TOKENS,
    "colour": list(Colour),
    "blob": [b"", b"a", b"\xff\xfe"],
    "meta": JSONS,
    "words": JSONS,
}
FOREIGN = [value for values in ASKED.values() for value in values[:3]]


class Base(DeclarativeBase):
    pass


class Shift(Base):
    __tablename__ = "shift"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[time]


def stored(rng: random.Random, name: str) -> Any:
    if rng.random() < 0.1:
        return None
    return rng.choice(STORED[name] if rng.random() < 0.8 else ANYTHING)


def leaf(rng: random.Random, name: str) -> Condition:
    path = rng.choice(PATHS) if name in ("meta", "words") or rng.random() < 0.02 else ()
    known = JSONS if path else ASKED[name]

    def value() -> Any:
        return None if rng.random() < 0.08 else rng.choice(known if rng.random() < 0.9 else FOREIGN)

    which = rng.random()
    if which < 0.25:
        return Equal(name, value(), path)
    if which < 0.4:
        return In(name, tuple(value() for _ in range(rng.randint(0, 4))), path)
    if which < 0.75:
        return Compare(name, rng.choice(OPERATORS), rng.choice(known), path)
    if which < 0.9:
        starts, ends, any_case = (rng.random() < 0.4 for _ in range(3))
        return Text(name, rng.choice(TEXTS), starts, ends, any_case, path)
    if which < 0.94:
        return Size(name, rng.randint(0, 2), path)
    return Some(name, inner(rng), path)


def inner(rng: random.Random) -> Condition:
    return And(
        tuple(
            rng.choice(
                (
                    Equal("", rng.choice(JSONS), rng.choice(PATHS[:4])),
                    Not(Compare("", ">", rng.choice(JSONS), rng.choice(PATHS[:4]))),
                    Compare("", "<=", rng.choice(JSONS)),
                )
            )
            for _ in range(rng.randint(0, 2))
        )
    )


def condition(rng: random.Random, depth: int = 0) -> Condition:
    which = rng.random()
    if depth > 3 or which < 0.6:
        return leaf(rng, rng.choice(NAMES))
    if which < 0.8:
        return Not(condition(rng, depth + 1))
    parts = tuple(condition(rng, depth + 1) for _ in range(rng.randint(0, 3)))
    return And(parts) if which < 0.9 else Or(parts)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[FileConnection]:
    with closing(connect(str(tmp_path / "agreement.db"))) as opened:
        yield opened


def fill(connection: FileConnection, columns: str, rng: random.Random, count: int) -> list[Row]:
    """Make the table anew; the answer is its rows."""
    connection.execute(f"DROP TABLE IF EXISTS {SOURCE.name}")
    connection.execute(f"CREATE TABLE {SOURCE.name} ({columns})")
    marks = ", ".join("?" for _ in NAMES)
    for _ in range(count):
        values = [stored(rng, name) for name in NAMES]
        connection.execute(f"INSERT INTO {SOURCE.name} ({', '.join(NAMES)}) VALUES ({marks})", values)
    shown = SOURCE.shown
    return [
        decode_row(shown, row)
        for row in connection.run(select_rows(SQLiteConditions(SOURCE), Query(), DIALECT))
    ]


def disagreement(connection: FileConnection, rows: list[Row], asked: Condition) -> list[Any]:
    """The rows of which SQL and Python say different things."""
    query = Query((asked,))
    found = {row[0] for row in connection.run(select_rows(SQLiteConditions(SOURCE), query, DIALECT))}
    told = [row for row in rows if matches(row, query) != (row["id"] in found)]
    name = getattr(asked, "field", None)
    return [row if name is None else (row["id"] in found, row[name]) for row in told]


@pytest.mark.parametrize("columns", TABLES.values(), ids=TABLES)
def test_sql_and_python_agree_on_each_kind_of_condition(connection: FileConnection, columns: str) -> None:
    rng = random.Random(columns)
    for name in NAMES:
        rows = fill(connection, columns, rng, scaled(40, 60))
        for _ in range(scaled(20, 60)):
            asked = leaf(rng, name)
            assert not disagreement(connection, rows, asked), asked
            assert not disagreement(connection, rows, Not(asked)), asked


@pytest.mark.parametrize("columns", TABLES.values(), ids=TABLES)
def test_sql_and_python_agree_on_random_filters(connection: FileConnection, columns: str) -> None:
    rng = random.Random(columns)
    counts = set()
    for _ in range(scaled(10, 20)):
        rows = fill(connection, columns, rng, 40)
        for _ in range(scaled(10, 40)):
            asked = condition(rng)
            assert not disagreement(connection, rows, asked), asked
            counts.add(sum(matches(row, Query((asked,))) for row in rows))
    assert {0, 40} < counts


def test_each_side_of_each_condition_is_met(connection: FileConnection) -> None:
    """The generator is no test if its filters hold for nothing, or for all."""
    rng = random.Random(3)
    rows = fill(connection, TABLES["as the model"], rng, 100)
    met: dict[tuple[str, type], set[bool]] = {}
    for _ in range(2500):
        asked = leaf(rng, rng.choice(NAMES))
        assert not isinstance(asked, And | Or | Not)
        met.setdefault((asked.field, type(asked)), set()).update(
            matches(row, Query((asked,))) for row in rows
        )
    ordered = {"text", "number", "real", "moment", "day", "price", "meta", "words"}
    for name in NAMES:
        assert met[name, Equal] == met[name, In] == {True, False}, name
        assert name not in ordered or met[name, Compare] == {True, False}, name
    for name in ("text", "meta", "words"):
        assert met[name, Text] == {True, False}, name
    for name in ("meta", "words"):
        assert met[name, Size] == met[name, Some] == {True, False}, name


def plan(connection: FileConnection, asked: Condition) -> str:
    statement = select_rows(SQLiteConditions(SOURCE), Query((asked,)), DIALECT)
    return str(connection.execute("EXPLAIN QUERY PLAN " + statement.text, statement.values).fetchall())


@pytest.mark.parametrize(
    "asked",
    [
        Equal("text", "a"),
        Equal("text", None),
        In("text", ("a", "b")),
        Compare("text", ">", "a"),
        Text("text", "a", starts=True),
        Equal("number", 5),
        In("number", (5, 6)),
        Compare("number", "<=", 5),
        Equal("flag", False),
        Compare("moment", ">", MOMENT),
        Compare("moment", "<", MOMENT),
        Equal("day", DAYS[0]),
        Equal("price", Decimal("1.10")),
        Equal("token", TOKENS[0]),
        Equal("colour", Colour.RED),
        Equal("blob", b"a"),
    ],
    ids=str,
)
def test_an_index_is_used(connection: FileConnection, asked: Any) -> None:
    fill(connection, TABLES["as the model"], random.Random(1), 1)
    connection.execute(f"CREATE INDEX used ON {SOURCE.name} ({asked.field})")
    assert "USING INDEX used" in plan(connection, asked)


def test_a_statement_sees_no_predicate_of_another(connection: FileConnection) -> None:
    fill(connection, TABLES["as the model"], random.Random(1), 5)
    connection.run(select_rows(SQLiteConditions(SOURCE), Query((Equal("meta", 1),)), DIALECT)).fetchall()
    connection.run(select_rows(SQLiteConditions(SOURCE), Query(), DIALECT))
    with pytest.raises(sqlite3.OperationalError):
        connection.execute(f"SELECT live_holds(0, 1) FROM {SOURCE.name}").fetchall()


def test_times_of_day(connection: FileConnection) -> None:
    """In the forms that Python reads, also with an offset, which is a time of some place."""
    source = describe(Shift, (), sqlite.dialect())
    connection.execute("CREATE TABLE shift (id INTEGER PRIMARY KEY, at TIME)")
    texts = [
        "10:00:00.000000",
        "10:00",
        "10:00:00",
        "T10",
        "23:59:59.999999",
        "10:00+02:00",
        "24:00:00.000000",
        "x",
        5,
    ]
    connection.executemany("INSERT INTO shift (at) VALUES (?)", [(text,) for text in texts])
    rows = [
        decode_row(source.shown, row)
        for row in connection.run(select_rows(SQLiteConditions(source), Query(), DIALECT))
    ]
    for value in (time(10), time(23, 59, 59, 999999), time(10, tzinfo=UTC)):
        for asked in (Equal("at", value), Compare("at", "<", value), Compare("at", ">=", value)):
            for each in (asked, Not(asked)):
                query = Query((each,))
                found = {
                    row[0] for row in connection.run(select_rows(SQLiteConditions(source), query, DIALECT))
                }
                assert found == {row["id"] for row in rows if matches(row, query)}, each
    at_ten = Query((Equal("at", time(10)),))
    assert len(connection.run(select_rows(SQLiteConditions(source), at_ten, DIALECT)).fetchall()) == 4
