"""Filters over REST: each line of the page about them, and errors that say where."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel

from docs.pages import DOCS
from tests.databases.database import Database

PAGE = (DOCS / "topics/filters.md").read_text("utf-8")
ORDERS = json.loads(PAGE.split("```json")[1].split("```")[0])
LINES = re.findall(r"^\| `(\{.*\})` \| ([\d ]+) \|$", PAGE, re.M)


class Order(SQLModel, table=True):
    """What the page filters."""

    __tablename__ = "filter_order"
    id: int | None = Field(default=None, primary_key=True)
    customer: str
    status: str
    total: Decimal | None = Field(default=None, max_digits=8, decimal_places=2)
    placed: datetime | None = None
    paid: bool = False
    tags: list[str] | None = Field(default=None, sa_column=Column(JSON))
    lines: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))


@pytest.fixture
async def orders(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    live = database.live()
    live.add_resource("/api/orders", Order)
    async with live:
        transport = httpx.ASGITransport(live.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            for order in ORDERS:
                sent = {name: value for name, value in order.items() if name != "id"}
                answer = await client.post("/api/orders", json=sent)
                assert answer.status_code == 201, answer.text
            yield client


async def test_each_line_of_the_page(orders: httpx.AsyncClient) -> None:
    assert (await orders.get("/api/orders")).json() == ORDERS
    assert len(LINES) > 20
    for text, numbers in LINES:
        answer = await orders.get("/api/orders", params={"conditions": text})
        found = " ".join(str(order["id"]) for order in answer.json())
        assert found == numbers, text


async def test_the_three_ways_of_the_page(orders: httpx.AsyncClient) -> None:
    ways = re.findall(r"127.0.0.1:8000(/api/orders\?[^']*)'", PAGE)
    assert len(ways) == 3
    for way in ways:
        assert [order["id"] for order in (await orders.get(way)).json()] == [1, 3], way


async def test_the_error_of_the_page(orders: httpx.AsyncClient) -> None:
    told = json.loads(PAGE.rpartition("```json")[2].split("```")[0])
    conditions = '{"$or": [{"total": {"$near": 1}}]}'
    answer = await orders.get("/api/orders", params={"conditions": conditions})
    assert answer.status_code == 400
    assert answer.json() == told


async def test_a_filtered_list_bears_a_signal(orders: httpx.AsyncClient) -> None:
    answer = await orders.get("/api/orders", params={"conditions": '{"paid": true}'})
    assert answer.headers["live-signal"] == "/api/orders"
    assert "live-channel" not in answer.headers
    whole = await orders.get("/api/orders", params={"conditions": "{}"})
    assert whole.headers["live-channel"] == "/api/orders"
