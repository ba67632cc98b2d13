"""What a Live tells of itself: health, metrics, and the particulars of sessions and changes. Over a real server."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families
from sqlmodel import Field, SQLModel
from starlette.requests import HTTPConnection

from livecollections import ConfigurationError, Live, StoreUnavailable
from livecollections import statistics as statistics_module
from livecollections import watch as watch_module
from livecollections.demo import create_app
from livecollections.metrics import FIGURES, PREFIX
from livecollections.statistics import Problem
from tests.serving import served, wait_until


class Item(SQLModel, table=True):
    __tablename__ = "monitored_item"
    id: int | None = Field(default=None, primary_key=True)
    title: str


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "monitored.db"


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is looked at often."""
    monkeypatch.setattr(watch_module, "INTERVAL", 0.02)
    monkeypatch.setattr(watch_module, "ANSWER", 0.2)


def make(path: Path, **options: Any) -> Live:
    live = Live(f"sqlite:///{path}", **options)
    live.add_resource("/api/items", Item)
    return live


@asynccontextmanager
async def client_of(live: Live) -> AsyncIterator[httpx.AsyncClient]:
    async with served(live.app) as address, httpx.AsyncClient(base_url=address) as client:
        yield client


async def problems(client: httpx.AsyncClient) -> list[str]:
    """Those that health names; an answer without any is a 200, and no other is."""
    answer = await client.get("/live/health")
    found: list[str] = answer.json()["problems"]
    assert answer.status_code == (503 if found else 200)
    assert answer.json()["status"] == ("failing" if found else "ok")
    return found


def shell(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


# Health.


@pytest.mark.usefixtures("often")
async def test_health_says_figures(path: Path) -> None:
    async with client_of(make(path)) as client:
        for title in "abc":
            seq = (await client.post("/api/items", json={"title": title})).headers["Live-Seq"]

        async def told() -> Any:
            found = (await client.get("/live/health")).json()
            return found if found["log"] and found["log"]["entries"] == 3 and found["seq"] == seq else None

        found = await wait_until(told)
    assert found["problems"] == []
    assert found["lag"] == {"changes": 0, "seconds": 0.0}
    assert found["log"]["uncaptured"] == 0
    assert 0 <= found["log"]["age"] < 60
    assert 3 * 64 < found["log"]["bytes"] < 3 * 200
    assert found["log"]["gap"] is None
    assert found["database"]["silence"] < 5


async def test_before_the_start_health_is_503(path: Path) -> None:
    transport = httpx.ASGITransport(make(path).app)
    async with httpx.AsyncClient(transport=transport, base_url="http://live") as client:
        assert (await client.get("/live/health")).status_code == 503


async def test_a_stop_is_told_while_it_lasts(path: Path) -> None:
    live = make(path)
    async with client_of(live) as client:
        assert await problems(client) == []
        assert live._started is not None
        await live._end()
        assert await problems(client) == ["stopping"]


@pytest.mark.usefixtures("often")
async def test_a_file_that_is_gone_is_told_and_that_it_is_back(path: Path) -> None:
    async with client_of(make(path)) as client:
        away = await asyncio.to_thread(path.rename, path.with_suffix(".away"))
        await wait_until(lambda: problems(client))
        assert await problems(client) == ["database"]
        await asyncio.to_thread(away.rename, path)
        await wait_until(lambda: is_well(client))


async def is_well(client: httpx.AsyncClient) -> bool:
    return await problems(client) == []


@pytest.mark.usefixtures("often")
async def test_health_does_not_wait_for_a_database_that_hangs(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, hangs = make(path), asyncio.Event()

    async def hang(after: str) -> Any:
        await hangs.wait()
        raise StoreUnavailable("it was too long")

    async with client_of(live) as client:
        with monkeypatch.context() as broken:
            broken.setattr(live._store, "look", hang)
            began = time.monotonic()
            await wait_until(lambda: problems(client))
            assert time.monotonic() - began < 2
            assert await problems(client) == ["database"]
            before = live.statistics().silence
            began = time.monotonic()
            for _ in range(10):
                await client.get("/live/health")
            assert time.monotonic() - began < 2
            assert live.statistics().silence > before
        hangs.set()
        await wait_until(lambda: is_well(client))


@pytest.mark.usefixtures("often")
async def test_a_look_that_takes_for_ever_is_given_up_for_another(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "PATIENCE", 0.3)
    live = make(path)
    asked: list[str] = []

    async def hang(after: str) -> Any:
        asked.append(after)
        await asyncio.Event().wait()

    monkeypatch.setattr(live._store, "look", hang)
    async with client_of(live) as client:
        await wait_until(lambda: len(asked) > 1)
        assert await problems(client) == ["database"]


@pytest.mark.usefixtures("often")
async def test_a_feed_that_has_died_is_told_and_what_waits_for_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics_module, "LAG", 0.2)
    live = make(path)
    async with client_of(live) as client:
        assert live._started is not None
        live._started.feed._tasks[0].cancel()
        for title in "ab":
            await client.post("/api/items", json={"title": title})

        async def both() -> bool:
            return await problems(client) == ["feed", "lag"]

        await wait_until(both)
        found = (await client.get("/live/health")).json()
    assert found["lag"]["changes"] == 2
    assert found["lag"]["seconds"] > 0


@pytest.mark.usefixtures("often")
async def test_triggers_that_are_missing_are_told_until_they_are_back(path: Path) -> None:
    async with client_of(make(path)):
        pass
    live = make(path, capture="check")
    async with client_of(live) as client:
        with closing(sqlite3.connect(path)) as connection:
            found = connection.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
            ).fetchall()
        await wait_until(lambda: is_well(client))
        shell(path, *(f'DROP TRIGGER "{name}"' for name, _ in found))
        await wait_until(lambda: problems(client))
        told = (await client.get("/live/health")).json()
        assert told["problems"] == ["capture"]
        assert told["log"]["uncaptured"] == 1
        assert "monitored_item" not in str(told)
        assert live.statistics().log is not None
        shell(path, *(sql for _, sql in found))
        await wait_until(lambda: is_well(client))


async def test_what_could_not_be_put_right_is_tried_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration may hold the database for longer than anybody waits for it."""
    live = make(path)
    async with live:
        store: Any = live._store
        await wait_until(lambda: store._repairing is not None and store._repairing.done())

        def fail(connection: Any) -> Any:
            raise StoreUnavailable("it is locked")

        with monkeypatch.context() as locked:
            locked.setattr(store, "_restore", fail)
            shell(path, "DROP TRIGGER live_monitored_item_delete")
            await wait_until(lambda: store._missing and store._repairing.done())
        await store.maintain(store._slow_beat + 30)
        await wait_until(lambda: not store._missing and store._repairing.done())
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    assert ("live_monitored_item_delete",) in names


# Statistics.


async def test_statistics_are_one_moment_that_nobody_changes(path: Path) -> None:
    live = make(path)
    with pytest.raises(StoreUnavailable):
        live.statistics()
    async with live:
        client = live.bayeux.local_client()
        heard: list[Any] = []
        await client.subscribe("/api/items", heard.append)
        async with live.session() as session:
            session.add_all([Item(title="a"), Item(title="b")])
            await session.commit()
        await wait_until(lambda: len(heard) == 2)
        found = live.statistics()
        assert found.changes == {"/api/items": 2}
        assert found.bayeux.published == found.rows_read == 2
        assert found.uptime > 0
        with pytest.raises(FrozenInstanceError):
            found.seq = ""  # type: ignore[misc]
        with pytest.raises(TypeError):
            found.changes["/api/items"] = 0  # type: ignore[index]
        await client.disconnect()
        assert live.statistics().bayeux.sessions == {}


async def test_anybody_who_asks_for_health_has_sessions_counted_once_in_a_second(path: Path) -> None:
    live = make(path)
    async with live:
        assert live._started is not None
        standing = live._started.standing
        first = standing.glance().bayeux
        assert standing.glance().bayeux is first
        assert live.statistics().bayeux is not first


async def test_details_are_of_sessions_and_channels(path: Path) -> None:
    live = make(path)
    async with live:
        client = live.bayeux.local_client()
        heard: list[Any] = []
        await client.subscribe("/api/items", heard.append)
        await client.subscribe("/plain/*", heard.append)
        async with live.session() as session:
            session.add_all([Item(title="a"), Item(title="b")])
            await session.commit()
        await wait_until(lambda: len(heard) == 2)
        found = live._details()
        (one,) = found.sessions
        (id_,) = live.bayeux.sessions
        assert one.name == id_[-6:]
        assert one.age >= 0
        assert (one.transport, one.subscriptions) == ("in-process", ("/api/items", "/plain/*"))
        assert (one.queued, one.behind, one.is_more) == (0, 0, False)
        assert found.channels == {"/api/items": 1, "/plain/*": 1}
        await client.disconnect()


async def test_how_far_a_session_is_behind_is_counted_in_what_is_kept(path: Path) -> None:
    live = make(path)
    async with live:
        start = live.statistics().seq
        assert live._started is not None
        feed = live._started.feed
        async with live.session() as session:
            session.add_all([Item(title=str(number)) for number in range(250)])
            await session.commit()
        await wait_until(lambda: live.statistics().changes == {"/api/items": 250})
        assert feed.count("/api/items", start) == (250, True)
        assert feed.count("/api/items", feed.recent[-1][0]) == (0, True)
        assert feed.count("/api/items", feed.recent[0][0]) == (50, True)
        feed._pages.clear()
        assert feed.count("/api/items", start) == (0, False)


# Metrics.


async def test_metrics_are_off_unless_asked_for(path: Path) -> None:
    async with client_of(make(path)) as client:
        assert (await client.get("/live/metrics")).status_code == 404


async def test_the_demo_has_metrics_where_they_are_asked_for(path: Path) -> None:
    app = create_app(f"sqlite:///{path}", metrics=True)
    async with served(app) as address, httpx.AsyncClient(base_url=address) as client:
        assert (
            'livecollections_changes_total{resource="/api/todos"} 0.0'
            in (await client.get("/live/metrics")).text
        )


@pytest.mark.usefixtures("often")
async def test_a_scrape_is_read_by_prometheus_own_parser(path: Path) -> None:
    live = make(path, metrics=True)
    async with client_of(live) as client:
        for title in "ab":
            await client.post("/api/items", json={"title": title})
        await wait_until(lambda: (log := live.statistics().log) is not None and log.entries == 2)
        await wait_until(lambda: live.statistics().changes == {"/api/items": 2})
        answer = await client.get("/live/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        families = {family.name: family for family in text_string_to_metric_families(answer.text)}
        asked = {"Accept": "application/openmetrics-text; version=1.0.0"}
        newer = await client.get("/live/metrics", headers=asked)
        assert newer.headers["content-type"].startswith("application/openmetrics-text")
        read = open_metrics(newer.text)  # type: ignore[no-untyped-call]
        assert families.keys() >= {family.name for family in read}
        assert (await client.post("/live/metrics")).status_code == 405
    assert {figure.name for figure in FIGURES} == {
        name.removeprefix(PREFIX) for name in families if name.startswith(PREFIX)
    }
    values = {
        (sample.name.removeprefix(PREFIX), *sample.labels.values()): sample.value
        for family in families.values()
        for sample in family.samples
    }
    assert values["healthy",] == 1
    assert values["changes_total", "/api/items"] == values["log_entries",] == values["published_total",] == 2
    assert [values["problem", each.value] for each in Problem] == [0] * len(Problem)
    assert values["process_resident_memory_bytes",] > 0
    assert all(figure.is_counter == (families[PREFIX + figure.name].type == "counter") for figure in FIGURES)


async def test_where_users_are_known_metrics_are_for_them(path: Path) -> None:
    def authenticate(connection: HTTPConnection, ext: Any) -> str | None:
        return connection.headers.get("x-user")

    async with client_of(make(path, metrics=True, authenticate=authenticate)) as client:
        assert (await client.get("/live/metrics")).status_code == 401
        assert (await client.get("/live/metrics", headers={"X-User": "prometheus"})).status_code == 200
        assert (await client.get("/live/health")).status_code == 200


def test_a_wrong_option_or_a_missing_library_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="metrics: True or False"):
        make(path, metrics="yes")
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ConfigurationError, match=r"livecollections\[metrics\]"):
        make(path, metrics=True)
