"""Tables that are offered by their names, in an application of one's own."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from livecollections import ConfigurationError, Live, LiveRouter
from tests.models import Todo
from tests.serving import served

from . import shop


@pytest.fixture
def path(tmp_path: Path) -> Path:
    shop.make(tmp_path / "shop.db")
    return tmp_path / "shop.db"


async def test_a_table_is_offered_by_its_name(path: Path) -> None:
    live, router = Live(f"sqlite:///{path}"), LiveRouter(prefix="/shop")
    live.add_table("/customers", "customer", exclude=["email"], sort="-id")
    router.add_table("/purchases", "purchase", limit=1)
    live.include_router(router)
    assert live._openapi()["paths"] == {}
    async with served(live.app) as address, httpx.AsyncClient(base_url=address) as client:
        customers = (await client.get("/customers")).json()
        assert customers[0] == {"id": 2, "name": "Bob", "password_hash": "y", "apiKey": None}
        made = await client.post(
            "/shop/purchases", json={"shop": 2, "number": 1, "total": 3, "customer_id": 2}
        )
        assert made.status_code == 201
        found = await client.get(f"{made.headers['location']}?populate=customer_id")
        assert found.json()["customer_id"] == customers[0]
        assert "/shop/purchases/{key}" in (await client.get("/openapi.json")).json()["paths"]
    shop.run(path, "alter table customer add column city text")
    async with served(live.app) as address, httpx.AsyncClient(base_url=address) as client:
        assert "city" in (await client.get("/customers")).json()[0]


@pytest.mark.parametrize(
    ("url", "table", "says"),
    [
        ("sqlite:///{}", "nothing", "no table nothing"),
        ("sqlite:///{}.new", "customer", "no table customer: there is no file .*shop.db.new"),
        ("sqlite:///{}", "cheap", "cheap can't be live: it is a view"),
        ("sqlite:///{}", "plain", "primary key"),
        ("sqlite://", "customer", "in memory"),
    ],
)
async def test_what_can_t_be_offered_is_said_at_the_start(
    path: Path, url: str, table: str, says: str
) -> None:
    before = shop.schema(path)
    live = Live(url.format(path))
    live.add_table("/api/table", table)
    live.add_resource("/api/todos", Todo)
    with pytest.raises(ConfigurationError, match=says):
        await live.__aenter__()
    assert shop.schema(path) == before
    assert not path.with_name("shop.db.new").exists()
