"""Tables that change under the sidecar: what is served follows, and those who listen go on from where they were."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from livecollections import Live, LiveClient
from livecollections.stores.sqlite_administration import SQLiteAdministration
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


async def test_a_look_that_fails_as_nobody_foresaw_is_not_the_last(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    look, looks = SQLiteAdministration.shape, [0]

    async def fail_at_first(administration: SQLiteAdministration) -> str:
        looks[0] += 1
        if looks[0] < 4:
            raise RuntimeError("no look foresaw this")
        return await look(administration)

    monkeypatch.setattr(SQLiteAdministration, "shape", fail_at_first)
    async with serving(path, Wishes(("customer",))) as client:
        await wait_until(lambda: looks[0] >= 6)
        shop.run(path, "alter table customer add column city text")
        await wait_until(lambda: has(client, "/api/customer", "city"))
    assert caplog.text.count("no look foresaw this") >= 3


async def test_a_choice_that_cant_be_served_is_tried_again_and_meanwhile_all_is_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    add, tries, is_refused = Live.add_resource, [0], [False]

    def add_resource(live: Live, *arguments: Any, **options: Any) -> Any:
        tries[0] += is_refused[0]
        if is_refused[0]:
            raise RuntimeError("not now")
        return add(live, *arguments, **options)

    monkeypatch.setattr(Live, "add_resource", add_resource)
    async with serving(path, Wishes(("customer",))) as client:
        is_refused[0] = True
        shop.run(path, "alter table customer add column city text")
        await wait_until(lambda: tries[0] >= 3)
        assert await shown(client, "/api/customer") == {"id", "name", "email"}
        assert caplog.text.count("are served as they were") == 1
        is_refused[0] = False
        await wait_until(lambda: has(client, "/api/customer", "city"))
