"""Types: what is written is what GET, list, log and filter have, to the last digit and the last day."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from livecollections import ConfigurationError
from livecollections.cause import Cause
from livecollections.errors import InvalidDocument, StoreError
from livecollections.query import Compare, Equal
from livecollections.stores.postgres_fit import misfit
from livecollections.stores.postgres_table import Kind
from livecollections.stores.postgres_values import described, dialect, elements
from livecollections.stores.sql import INEXACT

from .server import PostgresServer, execute
from .things import Booking, Mood, Sample, Shelf
from .writing import writing

FULL: dict[str, Any] = {
    "id": uuid.UUID(int=2**100 + 7),
    "text": "milk; 100% \U0001f95b \\ \" ' {a,b} NULL",
    "small": -(2**15),
    "big": 2**63 - 1,
    "real": 1.5,
    "double": 0.1 + 0.2,
    "price": Decimal("12345678901234567890.0123456789"),
    "flag": False,
    "day": date(2024, 2, 29),
    "hour": time(23, 59, 59, 999999),
    "moment": datetime(2024, 2, 29, 12, 30, 1, 5),
    "instant": datetime(2024, 2, 29, 12, 30, 1, 5, UTC),
    "span": timedelta(days=-3, hours=2, microseconds=7),
    "mood": Mood.BAD,
    "blob": b"\0\\x;\xff",
    "data": {"b": 1, "a": [None, 1.5, "x", {"y": "\u2028"}]},
    "tree": {"a": [1, {"b": None}]},
    "numbers": [1, -2, 2**31 - 1],
    "words": ["", "a,b", '"q"', "{}", "NULL", " back\\slash "],
    "days": [date.min, date.max],
    "grid": [[1.5, 2.5], [3.5, float("inf")]],
    "address": "2001:db8::1",
    "label": "ab  ",
}
EXTREMES: list[dict[str, Any]] = [
    {"day": date.min, "moment": datetime.min, "instant": datetime.min.replace(tzinfo=UTC)},
    {"day": date.max, "moment": datetime.max, "instant": datetime.max.replace(tzinfo=UTC)},
    {
        "double": 1e-320,
        "real": -0.0,
        "price": Decimal("-0.0000000001"),
        "span": timedelta(days=10_000, seconds=1),
    },
    {"double": float("inf"), "numbers": [], "words": [], "grid": [], "blob": b"", "text": "", "tree": []},
]


@pytest.mark.parametrize("values", [FULL, *EXTREMES], ids=range(1 + len(EXTREMES)))
async def test_values_come_back_everywhere_as_they_were_written(
    postgres: PostgresServer, values: dict[str, Any]
) -> None:
    """Finding 13: an image that is not the row."""
    async with writing(postgres.schema(), Sample) as at:
        head = await at.store.head()
        written = await at.create(Sample, values)
        assert {name: written.row[name] for name in values} == values
        assert [type(written.row[name]) for name in values] == [type(value) for value in values.values()]
        assert await at.rows(Sample) == [written.row]
        assert (await at.store.get(at.sources[Sample], (written.row["id"],))).rows == [written.row]
        [logged] = await at.changes(head)
        assert logged.after == written.row
        assert logged.key == (written.row["id"],)
        for name, value in values.items():
            assert await at.rows(Sample, where=(Equal(name, value),)) == [written.row], name
        await at.change(Sample, written.row["id"], None)
        assert (await at.changes(head))[-1].before == written.row


async def test_what_python_has_no_value_for_is_shown_as_it_is_stored(postgres: PostgresServer) -> None:
    async with writing(postgres.schema(), Sample) as at:
        head = await at.store.head()
        await at.run(
            "INSERT INTO sample (id, day, moment, instant, price, double) VALUES (gen_random_uuid(), 'infinity', "
            "'0044-03-15 BC', '-infinity', 'NaN', 'NaN')"
        )
        [row] = await at.rows(Sample)
        assert (row["day"], row["moment"], row["instant"]) == (
            "infinity",
            "0044-03-15 00:00:00 BC",
            "-infinity",
        )
        [logged] = await at.changes(head)
        assert repr(logged.after) == repr(row)
        for name, asked in (("day", date.min), ("price", 0), ("double", 0.0), ("moment", datetime(1, 1, 1))):
            for operator in ("<", ">"):
                assert await at.rows(Sample, where=(Compare(name, operator, asked),)) == []


async def test_times_without_an_offset_are_in_utc(postgres: PostgresServer) -> None:
    east = timezone(timedelta(hours=5))
    async with writing(postgres.schema(), Sample) as at:
        written = await at.create(
            Sample,
            {"instant": datetime(2026, 1, 1, 10, 30), "moment": datetime(2026, 1, 1, 10, 30, tzinfo=east)},
        )
        assert written.row["instant"] == datetime(2026, 1, 1, 10, 30, tzinfo=UTC)
        assert written.row["moment"] == datetime(2026, 1, 1, 5, 30)


@pytest.mark.parametrize(
    "values",
    [
        {"text": "a\0b"},
        {"text": "\ud800"},
        {"small": 2**15},
        {"day": "tomorrow"},
        {"moment": "now"},
        {"mood": "sad"},
        {"numbers": ["x"]},
        {"words": "ab"},
        {"price": Decimal("1e30")},
        {"tree": {"a": "\0"}},
        {"address": "nowhere"},
        {"label": "too long"},
    ],
    ids=str,
)
async def test_what_no_column_holds_is_refused(postgres: PostgresServer, values: dict[str, Any]) -> None:
    async with writing(postgres.schema(), Sample) as at:
        head = await at.store.head()
        with pytest.raises(InvalidDocument):
            await at.create(Sample, values)
        assert await at.store.head() == head
        assert await at.rows(Sample) == []


async def test_a_text_that_is_not_utf_8_is_a_reset_and_stops_nothing(postgres: PostgresServer) -> None:
    """Finding 13: what the reader can't decode stopped all channels."""
    postgres.execute("CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII'")
    async with writing(postgres.url("bytes"), Shelf) as at:
        head = await at.store.head()
        await at.run(
            r"INSERT INTO shelf (name, seen) VALUES (convert_from('\xc3', 'SQL_ASCII'), 1)",
            "INSERT INTO shelf (name, seen) VALUES ('caf\u00e9', 2)",
        )
        told = await at.changes(head)
        assert [change.cause for change in told] == [Cause.CAPTURE_FAILED, None]
        assert told[1].after is not None
        assert told[1].after["name"] == "caf\u00e9"
        with pytest.raises(StoreError, match="not UTF-8"):
            await at.rows(Shelf)
        await at.run("UPDATE shelf SET name = 'mended' WHERE seen = 1")
        assert [row["name"] for row in await at.rows(Shelf)] == ["mended", "caf\u00e9"]


@pytest.mark.parametrize(
    ("name", "spelled", "value", "reason"),
    [
        ("int2", "smallint", 2**15 - 1, None),
        ("int2", "smallint", 2**15, "is beyond 16 bits"),
        ("int4", "integer", -(2**31), None),
        ("int4", "integer", -(2**31) - 1, "is beyond 32 bits"),
        ("int8", "bigint", 2**63 - 1, None),
        ("text", "text", "a\0b", "holds NUL, which PostgreSQL keeps in no text"),
        ("json", "json", '"a\\u0000b"', None),
        ("bytea", "bytea", b"a\0b", None),
        ("numeric", "numeric", Decimal("1e-40"), None),
        ("numeric", "numeric(12,2)", Decimal("1.100"), None),
        ("numeric", "numeric(12,2)", Decimal("1.005"), INEXACT),
        ("numeric", "numeric(12,2)", Decimal("1e-999999999"), INEXACT),
        ("numeric", "numeric(12,2)", Decimal("9999999999.99"), None),
        ("numeric", "numeric(12,2)", 10**10, "has more than 10 digits before the point"),
        ("numeric", "numeric(12,2)", Decimal("1e999999999"), "has more than 10 digits before the point"),
        ("numeric", "numeric(12,2)", Decimal("-0e99"), None),
        ("numeric", "numeric(12,2)", Decimal("NaN"), None),
        ("numeric", "numeric(3,-2)", 99_900, None),
        ("numeric", "numeric(3,-2)", 99_990, INEXACT),
        ("numeric", "numeric(3,-2)", 100_000, "has more than 5 digits before the point"),
        ("numeric", "numeric(1000,500)", Decimal(f"{10**500 - 1}.{10**500 - 1}"), None),
        ("numeric", "numeric(1000,500)", Decimal(f"{10**500 - 1}.{10**501 - 1}"), INEXACT),
    ],
)
def test_what_a_column_keeps_as_it_is(name: str, spelled: str, value: Any, reason: str | None) -> None:
    assert misfit(Kind(name, spelled, is_nullable=True), value) == reason


async def test_the_columns_of_the_database_say_what_they_keep(postgres: PostgresServer) -> None:
    url = postgres.schema()
    async with writing(url, Sample) as at:
        for values in ({"small": 2**40}, {"price": Decimal("1e-11")}):
            with pytest.raises(InvalidDocument) as refusal:
                await at.create(Sample, values)
            assert [fault["pointer"] for fault in refusal.value.errors] == [f"/{name}" for name in values]
    execute(url, "ALTER TABLE sample ALTER small TYPE bigint, ALTER price TYPE numeric")
    async with writing(url, Sample) as at:
        kept = {"small": 2**40, "price": Decimal("1e-11")}
        assert kept.items() <= (await at.create(Sample, kept)).row.items()


def test_a_range_is_refused_until_it_is_excluded() -> None:
    with pytest.raises(ConfigurationError, match=r"Booking\.nights is a range"):
        described(Booking, (), dialect())
    assert [column.attribute for column in described(Booking, ("nights",), dialect()).columns] == ["id"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("{}", []),
        ("{1,NULL,-3}", ["1", None, "-3"]),
        ('{"NULL","a \\"b\\\\","{x}",""}', ["NULL", 'a "b\\', "{x}", ""]),
        ("{{a,b},{c,d}}", [["a", "b"], ["c", "d"]]),
        ("[0:1]={a,b}", ["a", "b"]),
    ],
)
def test_arrays_are_read(text: str, parts: list[Any]) -> None:
    assert elements(text) == parts
