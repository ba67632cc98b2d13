"""The jumping clock: what follows it on the server, in the database and in clients."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import uvloop

from livecollections import ConfigurationError, LiveCollection, Unconfirmed
from livecollections.bayeux import MemoryHistory, Server
from livecollections.testing import Clock, Site, wait_until, wait_until_sync

from . import shop

HOUR, DAY = 3600.0, 86_400.0


@pytest.fixture
def site() -> Iterator[Site]:
    with Site(shop.made()) as site:
        yield site


@pytest.fixture
def http(site: Site) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site.url, timeout=60) as http:
        yield http


@pytest.fixture
async def articles(site: Site) -> AsyncIterator[LiveCollection[Any]]:
    async with site.client() as client, client.collection("/api/articles") as articles:
        yield articles


def test_a_session_that_is_silent_expires(site: Site, http: httpx.Client) -> None:
    (shaken,) = http.post("/faye", json=shop.HANDSHAKE).json()
    sessions = site.live.bayeux.sessions
    assert shaken["clientId"] in sessions
    site.clock.jump(HOUR)
    wait_until_sync(lambda: shaken["clientId"] not in sessions)


def test_a_held_connect_is_answered(site: Site, http: httpx.Client) -> None:
    (shaken,) = http.post("/faye", json=shop.HANDSHAKE).json()
    connect = {
        "channel": "/meta/connect",
        "clientId": shaken["clientId"],
        "connectionType": "long-polling",
    }
    http.post("/faye", json=[connect])
    with ThreadPoolExecutor(1) as threads:
        began = time.monotonic()
        answer = threads.submit(http.post, "/faye", json=[connect])
        (session,) = site.live.bayeux.sessions.values()
        wait_until_sync(lambda: session.held)
        site.clock.jump(46)
        assert answer.result(10).json()[0]["successful"]
    assert time.monotonic() - began < 10


async def test_the_log_forgets_what_is_old_and_keeps_what_comes_after(
    site: Site, articles: LiveCollection[Any]
) -> None:
    with site.proxy() as proxy:
        async with proxy.client() as client, client.collection("/api/articles") as away:
            proxy.offline()
            await articles.create({"name": "old"})
            site.clock.jump(8 * DAY)
            await wait_until(lambda: site.sql("SELECT count(*) FROM live_changes") == [(0,)])
            proxy.heal()
            await site.wait_same(articles, away)
            await articles.create({"name": "young"})
            site.clock.jump(6 * DAY)
            await site.wait_same(articles, away)
            assert site.sql("SELECT count(*) FROM live_changes") == [(1,)]


def test_an_idempotency_key_is_forgotten_after_a_day(site: Site, http: httpx.Client) -> None:
    def post() -> int:
        answer = http.post("/api/articles", json={"name": "tea"}, headers={"Idempotency-Key": "once"})
        return int(answer.json()["id"])

    assert post() == post() == 1
    site.clock.jump(23 * HOUR)
    assert post() == 1
    site.clock.jump(2 * HOUR)
    wait_until_sync(lambda: post() == 2)


def test_what_is_written_bears_the_time_of_the_clock(site: Site, http: httpx.Client) -> None:
    site.clock.jump(DAY)
    http.post("/api/articles", json={"name": "by REST"}).raise_for_status()
    site.sql("INSERT INTO kit_article (name, price) VALUES ('by SQL', 1)")

    async def by_session() -> None:
        async with site.live.session() as session:
            session.add(shop.Article(name="by a session"))
            await session.commit()

    site.run(by_session)
    times = [at for (at,) in site.sql("SELECT at FROM live_changes")]
    assert len(times) == 3
    assert all(abs(at - site.clock.time()) < 60 for at in times)
    assert site.sql("SELECT julianday('2000-01-01 12:00')") == [(2451545.0,)]
    assert site.clock.ahead == DAY


async def test_a_clients_time_outs_come_at_once(site: Site) -> None:
    with site.proxy() as proxy:
        async with proxy.client() as client, client.collection("/api/articles") as articles:
            await articles.create({"name": "tea"})
            proxy.half_open()
            began = time.monotonic()
            writing = asyncio.create_task(articles.update(1, price=3))
            await asyncio.sleep(0)
            for _ in range(4):  # one for each try
                site.clock.jump(15)
                await asyncio.sleep(0)
            with pytest.raises(Unconfirmed):
                await writing
            assert time.monotonic() - began < 10
            proxy.cut()


async def test_a_held_history_of_a_plain_channel_goes_by_it() -> None:
    server = Server()
    server.channel("/news", history=MemoryHistory(seconds=60))
    with Site(server) as site:
        site.run(server.publish, "/news", "old")
        (kept,) = [keeper for keeper in server._exchange.histories._keepers.values() if keeper]
        before = kept.oldest("/news")
        site.clock.jump(61)
        assert kept.oldest("/news") > before


async def test_a_loop_that_was_moved_goes_on_from_there(site: Site) -> None:
    loop = asyncio.get_running_loop()
    before = loop.time()
    site.clock.jump(HOUR)
    site.clock.jump(HOUR)
    assert 2 * HOUR <= loop.time() - before < 2 * HOUR + 60
    Clock().jump(HOUR)
    assert loop.time() - before >= 3 * HOUR
    async with asyncio.timeout(5):
        await asyncio.sleep(0.01)


def test_a_loop_that_cannot_be_moved_is_named() -> None:
    async def jump() -> None:
        Clock().jump(HOUR)

    with pytest.raises(ConfigurationError, match=r"the time of a loop of uvloop.* can't be moved"):
        uvloop.run(jump())
