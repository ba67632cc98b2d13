"""The filter language means the same in MongoDB and in Python: random documents, whoever wrote them, random filters."""

from __future__ import annotations

import datetime
import decimal
import random
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bson.binary import Binary
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId
from pydantic import BaseModel, Field

from livecollections.change import Row
from livecollections.query import Condition, Not, Query, matches
from livecollections.source import Source
from livecollections.stores.mongo import MongoStore
from livecollections.stores.mongo_conditions import compile_all
from livecollections.stores.mongo_models import document_source
from tests.models import Colour
from tests.scale import scaled
from tests.stores.test_agreement import JSONS, NUMBERS, TEXTS, TOKENS, condition, leaf

from .server import database_url

UTC = datetime.UTC
MOMENT = datetime.datetime(2024, 1, 2, 3, 4, 5, 120000, tzinfo=UTC)
NEW_YEAR = datetime.datetime(2024, 1, 1, tzinfo=UTC)


class Everything(BaseModel):
    class Settings:
        name = "everything"

    id: int = Field(alias="_id")
    text: str | None = None
    number: int | None = None
    real: float | None = None
    flag: bool | None = None
    moment: datetime.datetime | None = None
    day: datetime.date | None = None
    price: decimal.Decimal | None = None
    token: uuid.UUID | None = None
    colour: Colour | None = None
    blob: bytes | None = None
    meta: Any = None
    words: list[Any] | None = None


NAMES = [name for name in Everything.model_fields if name != "id"]
KEPT: dict[str, list[Any]] = {
    "text": [*TEXTS, "a\n", "a\nb", "\u212a", "ſ", "ab.", "[a]", "^a", "a$", "\\"],
    "number": [*NUMBERS, Int64(5), Int64(2**40)],
    "real": [*NUMBERS, float("nan"), float("inf"), -float("inf")],
    "flag": [True, False, True, False, 0, 1, 2, 0.0],
    "moment": [
        MOMENT, MOMENT.replace(microsecond=0), MOMENT.replace(microsecond=121000), NEW_YEAR,
        datetime.datetime(2023, 12, 31, 23, tzinfo=UTC), datetime.datetime(1, 1, 1, tzinfo=UTC),
    ],
    "day": [NEW_YEAR, datetime.datetime(2023, 12, 31, tzinfo=UTC), MOMENT, "2024-01-01"],
    "price": [Decimal128("1.10"), Decimal128("1.105"), Decimal128("5"), Decimal128("0E-3"), 1.1, 5, Decimal128("NaN")],
    "token": [*TOKENS, str(TOKENS[1])],
    "colour": [*(colour.value for colour in Colour), *(colour.name for colour in Colour), "x"],
    "blob": [b"", b"a", b"\xff\xfe", b"red", Binary(b"a", 5)],
    "meta": [each for each in JSONS if each != {"a": 2**70}],
    "words": [each for each in JSONS if each != {"a": 2**70}],
}  # fmt: skip
ANYTHING = [
    None, *TEXTS[:6], *NUMBERS[:6], True, False, b"a", MOMENT, TOKENS[0], Decimal128("1.1"), ObjectId(b"123456789012"),
    [], [1], ["a", 0], [True, None], {"a": 1}, {}, [["a"]], [MOMENT, "b"],
]  # fmt: skip


def kept(rng: random.Random, name: str) -> Any:
    return rng.choice(KEPT[name] if rng.random() < 0.8 else ANYTHING)


async def filled(store: MongoStore, source: Source, rng: random.Random, count: int) -> list[Row]:
    """Have a stranger write documents, some of which lack fields; the answer is the rows."""
    documents = [
        {"_id": number, **{name: kept(rng, name) for name in NAMES if rng.random() < 0.9}}
        for number in range(count)
    ]
    collection = store._database["everything"]
    await collection.delete_many({})
    await collection.insert_many(documents)
    return (await store.find(source, Query())).rows


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[MongoStore, Source]]:
    store = MongoStore(database_url())
    source = store.describe(Everything)
    await store.start([source])
    try:
        yield store, source
    finally:
        await store.stop()


async def disagreement(store: MongoStore, source: Source, rows: list[Row], asked: Condition) -> list[Any]:
    """The rows of which MongoDB and Python say different things."""
    query = Query((asked,))
    found = {row["id"] for row in (await store.find(source, query)).rows}
    told = [row for row in rows if matches(row, query) != (row["id"] in found)]
    name = getattr(asked, "field", None)
    return [row if name is None else (row["id"] in found, row[name]) for row in told]


async def test_mongodb_and_python_agree_on_each_kind_of_condition() -> None:
    rng = random.Random(5)
    exact: dict[str, int] = {}
    async with opened() as (store, source):
        for name in NAMES:
            rows = await filled(store, source, rng, 60)
            for _ in range(scaled(3, 60)):
                asked = leaf(rng, name)
                exact[name] = exact.get(name, 0) + compile_all(document_source(source), [asked]).is_exact
                assert not await disagreement(store, source, rows, asked), asked
                assert not await disagreement(store, source, rows, Not(asked)), asked
    assert all(exact[name] for name in ("text", "number", "real", "flag", "moment", "token", "blob"))


async def test_mongodb_and_python_agree_on_random_filters() -> None:
    rng = random.Random(6)
    counts = set()
    async with opened() as (store, source):
        for _ in range(scaled(2, 8)):
            rows = await filled(store, source, rng, 40)
            for _ in range(scaled(10, 60)):
                asked = condition(rng)
                assert not await disagreement(store, source, rows, asked), asked
                counts.add(sum(matches(row, Query((asked,))) for row in rows))
    assert {0, 40} < counts
