"""The types of what tests of applications use, and of what migrations do."""

from __future__ import annotations

from typing import Any, assert_type

import sqlalchemy as sa

from livecollections import Live, LiveClient, LiveCollection
from livecollections.alembic import capture_off, include_name, include_object
from livecollections.testing import (
    Clock,
    FaultProxy,
    Site,
    SiteProxy,
    StoreConformance,
    StoreRig,
    Traffic,
    wait_until,
    wait_until_sync,
)


async def of_sites(model: type) -> None:
    with Site(Live("sqlite://")) as site, site.proxy() as proxy:
        assert_type(site, Site)
        assert_type(site.url, str)
        assert_type(site.live, Live[Any])
        assert_type(site.clock, Clock)
        assert_type(site.run(site.live.snapshot, model), tuple[list[dict[str, Any]], str])
        assert_type(site.run(len, "four"), int)
        assert_type(site.sql("SELECT 1"), list[Any])
        assert_type(site.restart(), None)
        assert_type(proxy, SiteProxy)
        assert_type(proxy.url, str)
        assert_type(proxy.cut(), int)
        async with proxy.client() as client, client.collection("/api/todos") as todos:
            usual: list[LiveClient] = [client]
            assert_type(usual, list[LiveClient])
            assert_type(todos, LiveCollection[dict[str, Any]])
            assert_type(await site.wait_same(todos), None)


async def of_proxies(proxy: FaultProxy) -> None:
    async with proxy as opened:
        assert_type(opened, FaultProxy)
    assert_type(proxy.url, str)
    assert_type(proxy.traffic, Traffic)
    assert_type(proxy.traffic.up, int)


async def of_waiting(clock: Clock) -> None:
    assert_type(await wait_until(lambda: 1), int)
    assert_type(wait_until_sync(lambda: "done", within=1), str)
    assert_type(clock.time(), float)
    assert_type(clock.jump(60), None)
    assert_type(clock.ahead, float)


class Conformance(StoreConformance):
    """A store of somebody's own."""


def of_stores(rig: StoreRig, suite: StoreConformance) -> None:
    assert_type(rig.own_within, float)
    assert_type(rig.execute("SELECT 1"), None)
    assert_type(suite, StoreConformance)


def of_migrations(connection: sa.Connection) -> None:
    with capture_off(connection, seconds=60) as nothing:
        assert_type(nothing, None)
    assert_type(include_name("live_changes", "table"), bool)
    assert_type(include_object(None, "live_changes", "table", False, None), bool)
