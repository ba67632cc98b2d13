"""Decimals: what SQLite, which keeps them as doubles, would give back as another number is refused, not altered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from tests.databases.database import Database
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


@pytest.mark.parametrize(
    "body",
    [
        {"amount": "12345678901234567.89"},
        {"amount": "9007199254740993"},
        {"amount": "0.12345678901"},
        {"amount": "1e40"},
        {"cents": "1.005"},
        {"cents": "0.001"},
    ],
)
async def test_what_would_be_altered_is_refused(api: Api, body: dict[str, str]) -> None:
    await api.client.post(PRICES, json={"amount": "1", "cents": "1"})
    before = api.held()
    [name] = body
    for verb, path, sent, at in (
        ("POST", PRICES, body, f"/{name}"),
        ("POST", PRICES, [{}, body], f"/1/{name}"),
        ("PUT", f"{PRICES}/1", body, f"/{name}"),
        ("PATCH", f"{PRICES}/1", body, f"/{name}"),
        ("PATCH", f"{PRICES}/1", {"$set": body}, f"/{name}"),
    ):
        problem = is_problem(await api.client.request(verb, path, json=sent), 422)
        [fault] = problem["errors"]
        assert fault == {"pointer": at, "detail": "has more digits than this column keeps exactly"}
        assert api.held() == before


async def test_what_comes_of_a_sum_is_refused_as_well(api: Api) -> None:
    await api.client.post(PRICES, json={"cents": "9999999999.99"})
    is_problem(await api.client.patch(f"{PRICES}/1", json={"$inc": {"cents": 0.001}}), 422)
    answer = await api.client.patch(f"{PRICES}/1", json={"$inc": {"cents": 0.01}})
    assert answer.json()["cents"] == "10000000000.00"


async def test_whatever_is_taken_comes_back(api: Api) -> None:
    drawn, taken = Random(1), 0
    for _ in range(300):
        most = 10 ** drawn.randrange(1, 20)
        number = Decimal(drawn.randrange(-most, most)).scaleb(-drawn.randrange(0, 14))
        answer = await api.client.post(PRICES, json={"amount": str(number)})
        taken += answer.is_success
        if answer.is_success:
            assert Decimal(answer.json()["amount"]) == number
        else:
            is_problem(answer, 422)
    # PostgreSQL's numeric keeps whatever comes.
    assert 30 < taken < (301 if api.database.kind == "postgres" else 270)


async def test_a_type_that_keeps_text_keeps_every_number(api: Api) -> None:
    number = "12345678901234567890.12345678901234567890"
    created = await api.client.post(PRICES, json={"exact": number})
    assert created.json()["exact"] == number
    assert (await api.client.get(f"{PRICES}?exact={number}")).json() == [created.json()]
