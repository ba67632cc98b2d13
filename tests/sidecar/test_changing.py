"""Tables that change under the sidecar: what is served follows, and those who listen go on from where they were."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import httpx
import pytest

from livecollections import LiveClient
from livecollections.survey import Wishes
from tests.serving import wait_until

from . import shop
from .in_process import serving


@pytest.fixture
def path(tmp_path: Path) -> Path:
    shop.make(tmp_path / "shop.db")
    return tmp_path / "shop.db"


async def shown(client: httpx.AsyncClient, path: str) -> set[str]:
    """The fields of the first document; none while there is no answer."""
    answer = await client.get(path)
    return set(answer.json()[0]) if answer.status_code == 200 else set()


async def has(client: httpx.AsyncClient, path: str, name: str) -> bool:
    """Whether documents have a field by now."""
    return name in await shown(client, path)


async def test_columns_come_and_go(path: Path) -> None:
    async with (
        serving(path, Wishes(("customer", "purchase"))) as client,
        LiveClient(str(client.base_url)) as live,
        live.collection("/api/customer") as customers,
        live.collection("/api/purchase", key=("shop", "number")) as purchases,
    ):
        shop.run(path, "alter table customer add column city text default 'Oslo'")
        await customers.wait_until(lambda held: {each.get("city") for each in held} == {"Oslo"}, timeout=10)
        shop.run(
            path, "alter table customer drop column email; alter table customer rename column name to called"
        )
        await customers.wait_until(
            lambda held: all(set(each) == {"id", "called", "city"} for each in held), timeout=10
        )
        shop.run(path, "update purchase set total = 5; update customer set called = 'Eve'")
        await purchases.wait_until(lambda held: {each["total"] for each in held} == {"5.00"}, timeout=10)
        await customers.wait_until(lambda held: {each["called"] for each in held} == {"Eve"}, timeout=10)


async def test_tables_come_and_go(path: Path) -> None:
    async with serving(path, Wishes()) as client:
        shop.run(
            path, "create table fresh (id integer primary key, t text); insert into fresh values (1, 'x')"
        )
        await wait_until(lambda: shown(client, "/api/fresh"))
        shop.run(path, "drop table country")

        async def is_gone() -> bool:
            return (await client.get("/api/country")).status_code == 404

        await wait_until(is_gone)
        assert (await client.get("/live/health")).status_code == 200


async def test_a_table_that_was_named_and_is_gone_is_waited_for(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(path, Wishes(("customer", "country"))) as client:
        shop.run(path, "alter table country rename to land")
        await wait_until(lambda: "the database has no table country" in caplog.text)
        assert (await client.get("/api/country")).status_code == 503
        assert (await client.get("/api/customer")).status_code == 200
        shop.run(path, "alter table land rename to country; alter table country add column capital text")
        await wait_until(lambda: has(client, "/api/country", "capital"))


async def test_what_is_no_change_of_what_is_served_changes_nothing(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "livecollections.sidecar")
    async with serving(path, Wishes(("customer",))) as client:
        await wait_until(lambda: caplog.text.count("looked at") == 1)
        shop.run(path, "create index by_email on customer (email); alter table customer add column pin text")
        await wait_until(lambda: caplog.text.count("looked at") == 2)
        assert "the tables have changed" not in caplog.text
        assert await shown(client, "/api/customer") == {"id", "name", "email"}


async def test_a_database_that_is_away_for_a_while_has_not_changed(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "livecollections.sidecar")
    async with serving(path, Wishes(("customer",))) as client:
        await wait_until(lambda: caplog.text.count("looked at") == 1)
        away = path.with_name("away.db")
        shutil.move(path, away)
        await wait_until(lambda: caplog.text.count("can't be looked at") >= 3)
        shutil.move(away, path)
        assert "the tables have changed" not in caplog.text
        shop.run(path, "alter table customer add column city text")
        await wait_until(lambda: has(client, "/api/customer", "city"))
