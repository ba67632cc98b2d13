"""Pages by place on SQLite are the list, whatever is stored and however it is sorted; and an index leads to each."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import product
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import pysqlite
from sqlmodel import Field, SQLModel

from livecollections.query import Compare, Order, Query
from livecollections.stores.sql import describe
from livecollections.stores.sql_query import select_count, select_rows, sorted_by
from livecollections.stores.sqlite_conditions import SQLiteConditions
from tests.scale import scaled

DIALECT = pysqlite.dialect()


class Page(SQLModel, table=True):
    __tablename__ = "following_page"
    __table_args__ = (sa.Index("following_both", "flag", "number"),)
    id: int | None = Field(default=None, primary_key=True)
    number: int | None = Field(default=None, index=True)
    flag: bool | None = None
    name: str | None = Field(default=None, sa_column=sa.Column(sa.String(collation="NOCASE"), index=True))


SOURCE = describe(Page, (), DIALECT)
SHOWN = [found.attribute for found in SOURCE.shown]
NUMBERS: list[Any] = [None, None, 0, 1, 1, 2, -5, 2.5, 2**62, "x", "1x", b"\x00", b"z"]
NAMES: list[Any] = [None, "a", "A", "b", "B", "", "ä", 5, b"a"]


def named(sort: Sequence[Order]) -> str:
    return ",".join(f"{'-' * order.descending}{order.field}" for order in sort)


SORTS = [
    tuple(Order(name, descending) for name, descending in zip(names, descents, strict=True))
    for names in (("number",), ("name",), ("id",), ("flag", "number"), ("name", "number", "flag"))
    for descents in product((False, True), repeat=len(names))
]


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as database:
        engine = sa.create_engine("sqlite://", creator=lambda: database, poolclass=sa.pool.StaticPool)
        Page.metadata.tables["following_page"].create(engine)
        yield database


def fill(database: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    database.executemany("INSERT INTO following_page (number, flag, name) VALUES (?, ?, ?)", rows)


def read(database: sqlite3.Connection, query: Query) -> list[tuple[Any, ...]]:
    statement = select_rows(SQLiteConditions(SOURCE), query, DIALECT)
    return database.execute(statement.text, statement.values).fetchall()


@pytest.mark.parametrize("seed", range(scaled(2, 10)))
@pytest.mark.parametrize("sort", SORTS, ids=named)
def test_pages_are_the_list(database: sqlite3.Connection, sort: tuple[Order, ...], seed: int) -> None:
    drawn = Random(seed)
    fill(
        database,
        [(drawn.choice(NUMBERS), drawn.choice((None, 0, 1)), drawn.choice(NAMES)) for _ in range(20)],
    )
    where = () if seed % 2 else (Compare("id", ">", 3),)
    query = Query(where, sort)
    whole = read(database, replace(query, limit=100))
    places = [SHOWN.index(order.field) for order in sorted_by(SOURCE, query)]
    pages: list[tuple[Any, ...]] = []
    limit = drawn.choice((1, 3, 7))
    page = read(database, replace(query, limit=limit))
    while page:
        pages += page
        after = tuple(page[-1][column] for column in places)
        left = select_count(SQLiteConditions(SOURCE), replace(query, after=after), DIALECT)
        assert database.execute(left.text, left.values).fetchone()[0] == len(whole) - len(pages)
        page = read(database, replace(query, after=after, limit=limit))
    assert pages == whole


@pytest.mark.parametrize(
    ("sort", "place"),
    [
        (("-number",), (500, 7)),
        (("-number",), (None, 7)),
        (("number",), (500, 7)),
        (("number",), (None, 7)),
        (("-id",), (7,)),
        (("-flag", "-number"), (1, 500, 7)),
        (("flag", "-number"), (0, None, 7)),
        (("-name",), ("a", 7)),
    ],
)
def test_an_index_leads_to_each_page(
    database: sqlite3.Connection, sort: Sequence[str], place: tuple[Any, ...]
) -> None:
    orders = tuple(Order(name.removeprefix("-"), name.startswith("-")) for name in sort)
    statement = select_rows(SQLiteConditions(SOURCE), Query(sort=orders, after=place, limit=20), DIALECT)
    plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement.text}", statement.values)]
    assert any("SEARCH" in step for step in plan)
    assert not [step for step in plan if "SCAN" in step], plan
