"""Decimals: what a database would give back as another number is refused, not altered.

SQLite keeps doubles, PostgreSQL a numeric of the digits that its column says, or of all, MongoDB 34 digits.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from tests.databases.database import Database
from tests.databases.fixtures import only
from tests.rest.conftest import Api, connected, is_problem

PRICES = "/api/prices"


class AsText(sa.types.TypeDecorator[Decimal]):
    """Any number, as it is written."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


class Price(SQLModel, table=True):
    __tablename__ = "rest_price"
    id: int | None = Field(default=None, primary_key=True)
    amount: Decimal | None = None
    cents: Decimal | None = Field(default=None, sa_column=sa.Column(sa.Numeric(12, 2)))
    exact: Decimal | None = Field(default=None, sa_column=sa.Column(AsText))


@pytest.fixture
async def api(database: Database) -> AsyncIterator[Api]:
    live = database.live()
    live.add_resource(PRICES, Price, operators=["amount", "cents", "exact"])
    async with connected(live, database) as found:
        yield found


MANY = "12345678901234567890.12345678901234567890"
REFUSALS = {
    "sqlite": "has more digits than this column keeps exactly",
    "postgres": "has more digits than this column keeps exactly",
    "mongo": "is not a value of this field",
}
SUMS: dict[str, list[str | None]] = {
    "sqlite": [None, "10000000000.00"],
    "postgres": [None, None],
    "mongo": ["9999999999.991", "10000000000.001"],
}
"""What comes of 0.001 and then 0.01 more than 9999999999.99 in a column of twelve digits; None: it is refused."""


@pytest.mark.parametrize(
    ("name", "number", "altered_by"),
    [
        ("amount", "12345678901234567.89", {"sqlite"}),
        ("amount", "9007199254740993", {"sqlite"}),
        ("amount", "0.12345678901", {"sqlite"}),
        ("amount", "1E+40", {"sqlite"}),
        ("amount", MANY, {"sqlite", "mongo"}),
        ("cents", "1.005", {"sqlite", "postgres"}),
        ("cents", "0.001", {"sqlite", "postgres"}),
    ],
)
async def test_what_would_be_altered_is_refused(
    api: Api, name: str, number: str, altered_by: set[str]
) -> None:
    await api.client.post(PRICES, json={"amount": "1", "cents": "1"})
    before, body = api.held(), {name: number}
    for verb, path, sent, at in (
        ("POST", PRICES, body, f"/{name}"),
        ("POST", PRICES, [{}, body], f"/1/{name}"),
        ("PUT", f"{PRICES}/1", body, f"/{name}"),
        ("PATCH", f"{PRICES}/1", body, f"/{name}"),
        ("PATCH", f"{PRICES}/1", {"$set": body}, f"/{name}"),
    ):
        answer = await api.client.request(verb, path, json=sent)
        if api.database.kind not in altered_by:
            [*_, written] = answer.json() if isinstance(sent, list) else [answer.json()]
            assert Decimal(written[name]) == Decimal(number)
            continue
        [fault] = is_problem(answer, 422)["errors"]
        assert fault["pointer"] == at
        assert fault["detail"].startswith(REFUSALS[api.database.kind])
        assert api.held() == before


async def test_what_comes_of_a_sum_is_refused_as_well(api: Api) -> None:
    await api.client.post(PRICES, json={"cents": "9999999999.99"})
    for more, sum_ in zip((0.001, 0.01), SUMS[api.database.kind], strict=True):
        answer = await api.client.patch(f"{PRICES}/1", json={"$inc": {"cents": more}})
        if sum_ is None:
            [fault] = is_problem(answer, 422)["errors"]
            assert fault["pointer"] == "/cents"
        else:
            assert answer.json()["cents"] == sum_


async def test_whatever_is_taken_comes_back(api: Api) -> None:
    drawn, taken, rounds = Random(1), 0, api.database.scaled(100, 300)
    for _ in range(rounds):
        most = 10 ** drawn.randrange(1, 20)
        number = Decimal(drawn.randrange(-most, most)).scaleb(-drawn.randrange(0, 14))
        answer = await api.client.post(PRICES, json={"amount": str(number)})
        taken += answer.is_success
        if answer.is_success:
            assert Decimal(answer.json()["amount"]) == number
        else:
            is_problem(answer, 422)
    if api.database.kind == "sqlite":  # of a double, at most so many digits
        assert rounds // 10 < taken < rounds - rounds // 10
    else:  # of numeric, and of Decimal128, as many as were drawn, and more
        assert taken == rounds


@only("sqlite", "postgres", because="types that make texts of values are SQLAlchemy's")
async def test_a_type_that_keeps_text_keeps_every_number(api: Api) -> None:
    created = await api.client.post(PRICES, json={"exact": MANY})
    assert created.json()["exact"] == MANY
    assert (await api.client.get(f"{PRICES}?exact={MANY}")).json() == [created.json()]
