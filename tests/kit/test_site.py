"""The kit on applications of every shape: served for real, in a database of the test's own, and gone with the test."""

from __future__ import annotations

import asyncio
import gc
import socket
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from livecollections import ConfigurationError, Live
from livecollections.bayeux import Client, Delivery, Policy, Server
from livecollections.testing import Clock, Site, SiteProxy, wait_until, wait_until_sync

from . import shop

SHAPES: dict[str, tuple[Callable[[], Any], str]] = {
    "a Live": (shop.made, ""),
    "the app of a Live": (lambda: shop.made().app, ""),
    "mounted in FastAPI": (shop.mounted, ""),
    "mounted under a prefix": (lambda: shop.mounted("/v1"), "/v1"),
    "wrapped, in a middleware": (shop.wrapped, ""),
    "a route of Starlette": (shop.routed, ""),
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_two_clients_of_any_application_see_the_same_after_a_cut(shape: str) -> None:
    make, prefix = SHAPES[shape]
    path = f"{prefix}/api/articles"
    with Site(make()) as site, site.proxy() as proxy:
        async with (
            site.client() as ann,
            proxy.client() as bob,
            ann.collection(path) as hers,
            bob.collection(path) as his,
        ):
            assert proxy.cut() > 0
            await hers.create({"name": "tea"})
            site.sql("UPDATE kit_article SET price = ?", 3)
            await site.wait_same(hers, his)
            assert [article["price"] for article in his] == [3]


@pytest.mark.parametrize(
    "app", [shop.chat, lambda: Server(policy=Policy(subscribe=["/room/*"]))], ids=["mounted", "alone"]
)
async def test_a_bayeux_server_without_a_database(app: Callable[[], Any]) -> None:
    with Site(app()) as site, site.proxy() as proxy:
        async with Client(proxy.url + "/chat") as client, client.subscribe("/room/1") as messages:
            (server,) = site.parts
            assert isinstance(server, Server)
            site.run(server.publish, "/room/1", "hello")
            heard = await anext(messages)
            assert isinstance(heard, Delivery)
            assert heard.data == "hello"
        with pytest.raises(ConfigurationError, match="live: the application has 0"):
            site.sql("SELECT 1")


def test_an_application_is_served_again_with_an_empty_database() -> None:
    app, server = shop.mounted(), Server()
    for _ in range(2):
        with Site(app) as site, httpx.Client(base_url=site.url) as http:
            assert http.get("/api/articles").json() == []
            assert http.post("/api/articles", json={"name": "tea"}).status_code == 201
        with Site(server) as site:
            assert httpx.post(site.url, json=shop.HANDSHAKE).json()[0]["successful"]
    assert not Path("never-made-by-a-test.db").exists()


def test_the_applications_own_database_is_used_where_that_is_said(tmp_path: Path) -> None:
    live = Live(f"sqlite:///{tmp_path / 'own.db'}")
    live.add_resource("/api/articles", shop.Article)
    with Site(live, database=None) as site:
        httpx.post(site.url + "/api/articles", json={"name": "tea"}).raise_for_status()
    url = f"sqlite:///{tmp_path / 'other.db'}"
    with Site(live, database=url) as site:
        assert httpx.get(site.url + "/api/articles").json() == []
    with Site(live, database=None) as site:
        assert [row[1] for row in site.sql("SELECT * FROM kit_article")] == ["tea"]
        assert site.run(live.snapshot, shop.Article)[0] == [{"id": 1, "name": "tea", "price": 0}]


async def test_a_deploy_is_survived() -> None:
    with Site(shop.made()) as site:
        async with site.client() as client, client.collection("/api/articles") as articles:
            address = site.url
            site.stop()
            await wait_until(lambda: articles.live != "live")
            site.sql("INSERT INTO kit_article (name, price) VALUES ('meanwhile', 1)")
            site.start()
            await site.wait_same(articles)
            assert len(articles) == 1
            site.restart()
            assert site.url == address
            await articles.create({"name": "tea"})
            await site.wait_same(articles)


async def test_what_the_test_sees_while_offline_half_open_late() -> None:
    with Site(shop.made()) as site, site.proxy() as proxy:
        async with proxy.client(timeout=60) as client, client.collection("/api/articles") as articles:
            proxy.offline()
            await wait_until(lambda: articles.live == "connecting")
            site.sql("INSERT INTO kit_article (name, price) VALUES ('while offline', 1)")
            with pytest.raises(AssertionError, match="is not live"):
                await site.wait_same(articles, within=0.1)
            proxy.heal()
            await site.wait_same(articles)
            # Nobody is told of this one: only time tells.
            proxy.half_open()
            site.sql("UPDATE kit_article SET name = 'while half-open'")
            with pytest.raises(AssertionError, match=r"lacks.*while half-open"):
                await site.wait_same(articles, within=0.2)
            proxy.heal()
            site.clock.jump(60)
            await site.wait_same(articles)
            before = proxy.traffic.down
            proxy.delay(0.05)
            await articles.create({"name": "late"})
            await site.wait_same(articles)
            assert proxy.traffic.down > before


def test_a_proxy_in_front_of_any_server() -> None:
    with Site(shop.made()) as site, SiteProxy(site.url) as proxy:
        assert httpx.get(proxy.url + "/api/articles").json() == []
        proxy.answer(502)
        assert httpx.get(proxy.url + "/api/articles").status_code == 502


def test_what_an_applications_lifespan_gives_its_requests_have() -> None:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, str]]:
        yield {"greeting": "hello"}

    async def greet(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.state.greeting)

    app = Starlette(routes=[Route("/", greet)], lifespan=lifespan)
    with Site(shop.made().wrap(app)) as site:
        assert httpx.get(site.url).text == "hello"


# Wrong use


async def fails(scope: Any, receive: Any, send: Any) -> None:
    """An application whose start fails."""
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "the shelf is empty"})


def unstarted() -> Starlette:
    """A Live in an application that does not start it."""
    return Starlette(routes=[shop.made().router])


@pytest.mark.parametrize(
    ("make", "options", "says"),
    [
        (lambda: object(), {}, r"app: there is no Live and no Bayeux Server .* parts=\[live\]"),
        (FastAPI, {}, "app: there is no Live"),
        (lambda: fails, {"parts": [Server()]}, "the application fails at its start: the shelf is empty"),
        (unstarted, {}, "not its Live: use `live.mount"),
        (lambda: shop.made(), {"database": "mysql://x"}, "'mysql' is not supported"),
        (lambda: shop.made(), {"database": "sqlite:////no/such/folder/x.db"}, "/no/such/folder"),
    ],
)
def test_wrong_use_is_told_in_one_sentence(make: Callable[[], Any], options: Any, says: str) -> None:
    threads = set(threading.enumerate())
    with pytest.raises(ConfigurationError, match=says) as raised, Site(make(), **options):
        pass
    assert "\n" not in str(raised.value)
    assert set(threading.enumerate()) <= threads


def test_what_the_application_raises_at_its_start_is_the_cause() -> None:
    live = Live(shop.OWN)
    live.add_resource("/api/numbers", int)
    with (
        pytest.raises(ConfigurationError, match=r"fails at its start: .*int has no table") as raised,
        Site(live),
    ):
        pass
    assert isinstance(raised.value.__cause__, ConfigurationError)


def test_that_the_application_fails_at_its_end_is_told() -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        raise RuntimeError("the shelf fell over")

    app = FastAPI(lifespan=lifespan)
    shop.made().mount(app)
    threads = set(threading.enumerate())
    with pytest.raises(ConfigurationError, match=r"fails at its end: .*the shelf fell over"), Site(app):
        pass
    assert set(threading.enumerate()) <= threads


def test_a_port_may_be_asked_for_and_may_be_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(ConfigurationError, match=f"port {port} can't be had .* leave it out"),
            Site(shop.made(), port=port),
        ):
            pass
    with Site(shop.made(), port=port) as site:
        assert site.url == f"http://127.0.0.1:{port}"


def test_an_application_is_served_in_one_place_at_a_time() -> None:
    live, server = shop.made(), Server()
    with Site(live), pytest.raises(ConfigurationError, match="this Live is started already"), Site(live):
        pass
    with (
        Site(server),
        pytest.raises(ConfigurationError, match="this Server is started already"),
        Site(server),
    ):
        pass
    with Site(live) as site, pytest.raises(ConfigurationError, match="served already"):
        site.start()
    with pytest.raises(ConfigurationError, match="not served yet"):
        Site(live).run(print)


def test_what_runs_on_the_applications_loop_may_use_the_site_too() -> None:
    async def nothing() -> None: ...

    with Site(shop.made()) as site, site.proxy() as proxy:
        assert site.run(proxy.cut) == 0
        with pytest.raises(ConfigurationError, match="await the function here"):
            site.run(lambda: site.run(nothing))


def test_lives_without_names_are_named_by_the_test() -> None:
    bayeux = Server()
    one, two = Live(shop.OWN, bayeux=bayeux), Live(shop.OWN, bayeux=bayeux)
    one.add_resource("/one", shop.Article)
    two.add_resource("/two", shop.Article)
    app = two.wrap(one.app)

    async def hidden(*asgi: Any) -> None:
        await app(*asgi)

    with Site(hidden, parts=[one, two]) as site, httpx.Client(base_url=site.url) as http:
        assert http.post("/one", json={"name": "tea"}).status_code == 201
        assert http.get("/two").json() == []
        assert set(site.parts) == {one, two, bayeux}
    with pytest.raises(ConfigurationError, match="several Lives"):
        Site(app, database="sqlite://")


# Nothing is left


def left(process: psutil.Process) -> tuple[set[str], int, int]:
    """The kit's files, open descriptors, and children."""
    files = {path.name for path in Path(tempfile.gettempdir()).glob("livecollections-*")}
    return files, process.num_fds(), len(process.children())


async def test_nothing_of_a_site_is_left() -> None:
    async def use(fault: str) -> None:
        with Site(shop.made()) as site, site.proxy() as proxy:
            async with proxy.client() as client, client.collection("/api/articles") as articles:
                await articles.create({"name": "tea"})
                site.clock.jump(10)
                getattr(proxy, fault)()

    await use("offline")  # what is loaded once stays
    gc.collect()
    process = psutil.Process()
    threads, tasks = set(threading.enumerate()), asyncio.all_tasks()
    files, descriptors, children = left(process)
    await use("half_open")
    gc.collect()
    assert asyncio.all_tasks() == tasks
    assert set(threading.enumerate()) == threads
    files_now, descriptors_now, children_now = left(process)
    assert files_now <= files
    assert descriptors_now <= descriptors
    assert children_now <= children


def test_a_live_is_given_back_as_it_was() -> None:
    live = shop.made()
    store, clock, ticks = live._store, live._clock, live.bayeux._exchange.clock
    with Site(live) as site:
        assert live._store is not store
        assert live.bayeux._exchange.clock == site.clock.monotonic
    assert (live._store, live._clock, live.bayeux._exchange.clock) == (store, clock, ticks)


# Waiting


async def test_a_wait_that_is_in_vain_tells_what_it_saw() -> None:
    async def three() -> int:
        return 3

    assert await wait_until(three) == 3
    assert wait_until_sync(lambda: "x") == "x"
    numbers = iter(range(3))
    assert await wait_until(lambda: next(numbers) == 2)
    with pytest.raises(AssertionError, match=r"not within 0.05 s: the condition gave \[\] last"):
        await wait_until(list, 0.05)

    def never() -> bool:
        raise AssertionError("the shelf is empty")

    with pytest.raises(AssertionError, match=r"not within 0.02 s: the shelf is empty"):
        wait_until_sync(never, 0.02)
    with pytest.raises(AssertionError, match=r"^not within 0.02 s: the condition gave None last$"):
        wait_until_sync(lambda: None, 0.02)
    with pytest.raises(AssertionError, match="the shelf is empty"):
        await wait_until(never, 0.02)


def test_time_does_not_go_back() -> None:
    for wrong in (-1, float("inf"), float("nan"), "1", True):
        with pytest.raises(ConfigurationError, match="time can't go back"):
            Clock().jump(wrong)  # type: ignore[arg-type]
