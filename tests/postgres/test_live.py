"""A Live on PostgreSQL, whole: REST, log and push, with several server processes on one database."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from livecollections import Live, LiveClient
from livecollections.demo import Todo, create_app
from livecollections.testing import Site, wait_until
from tests.command import command

from .server import PostgresServer, run_elsewhere

PROCESSES = 3


async def test_every_processs_clients_hear_every_processs_writes(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url = postgres.schema()
    with ExitStack() as programs:
        running = [
            programs.enter_context(command("demo", "--port", "0", "--database", url, cwd=tmp_path))
            for _ in range(PROCESSES)
        ]
        addresses = [each.address() for each in running]
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(LiveClient(address)) for address in addresses]
            lists: list[Any] = [
                await stack.enter_async_context(client.collection("/api/todos")) for client in clients
            ]
            for number, each in enumerate(lists):
                await each.create({"title": f"of process {number}"})
            await run_elsewhere(url, "INSERT INTO todo (title, completed) VALUES ('of a shell', false)")
            await wait_until(lambda: all(len(each) == PROCESSES + 1 for each in lists), 5)
            await run_elsewhere(
                url,
                "UPDATE todo SET completed = true WHERE title LIKE 'of process%'",
                "DELETE FROM todo WHERE title = 'of process 1'",
            )
            async with httpx.AsyncClient(base_url=addresses[2]) as http:
                first = (await http.get("/api/todos")).json()[0]
                changed = await http.patch(f"/api/todos/{first['id']}", json={"title": "changed"})
                assert changed.status_code == 200
                given = (await http.get("/api/todos")).json()
            assert [row["title"] for row in given] == ["changed", "of process 2", "of a shell"]
            assert [row["completed"] for row in given] == [True, True, False]
            await wait_until(
                lambda: all(sorted(map(str, each)) == sorted(map(str, given)) for each in lists), 5
            )


async def test_a_list_that_runs_ahead_of_the_watermark_says_how_far(postgres: PostgresServer) -> None:
    """Finding 5: a place below is drawn and not yet committed, so rows may be newer than ``Live-Seq`` says."""
    url = postgres.schema()
    with Site(create_app(url), database=url) as site:
        async with httpx.AsyncClient(base_url=site.url) as http, site.client() as client:
            before = (await http.get("/api/todos")).headers["live-seq"]
            stranger = await asyncpg.connect(url)
            try:
                transaction = stranger.transaction()
                await transaction.start()
                await stranger.execute("INSERT INTO todo (title, completed) VALUES ('slow', false)")
                await stranger.execute("SET CONSTRAINTS ALL IMMEDIATE")
                written = (await http.post("/api/todos", json={"title": "quick"})).headers["live-seq"]
                ahead = await http.get("/api/todos")
                assert [row["title"] for row in ahead.json()] == ["quick"]
                assert ahead.headers["live-seq"] == before
                assert ahead.headers["live-until"] == written
                todos = client.collection("/api/todos")
                entering = asyncio.create_task(todos.__aenter__())
                await wait_until(lambda: sum(site.live.bayeux.statistics().sessions.values()) > 0, 5)
                await transaction.commit()
                await asyncio.wait_for(entering, 5)
                await wait_until(lambda: len(todos) == 2, 5)
                await todos.__aexit__(None, None, None)
            finally:
                await stranger.close()
            level = await http.get("/api/todos")
            assert level.headers["live-seq"] == written
            assert "live-until" not in level.headers


async def test_a_session_of_a_live_is_heard_at_once(postgres: PostgresServer) -> None:
    url = postgres.schema()
    live = Live(url)
    live.add_resource("/api/todos", Todo)
    async with live:
        heard: list[str] = []
        head = await live._store.head()
        waiting = asyncio.create_task(live._store.wait_changed(head))
        async with live._store.session("mine", heard.append) as session:
            session.add(Todo(title="a"))
            await session.commit()
        await asyncio.wait_for(waiting, 5)
        documents, seq = await live.snapshot(Todo)
        assert [document["title"] for document in documents] == ["a"]
        assert heard == [seq]


async def test_the_last_changes_are_read_from_the_log(
    postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "livecollections.store")
    live = Live(postgres.schema())
    live.add_resource("/api/todos", Todo)
    async with live:
        async with live.session() as session:
            session.add_all([Todo(title=title) for title in "abc"])
            await session.commit()
        feed = live._require_start().feed
        await wait_until(lambda: len(feed.recent) == 3, 5)
        found = await feed.last_changes()
        assert [change.after and change.after["title"] for change in found] == ["a", "b", "c"]
        assert await feed.last_changes(found[0].seq) == found[1:]
    told = [record for record in caplog.records if record.getMessage().startswith("committed seq=")]
    assert [(record.__dict__["seq"], record.__dict__["by"]) for record in told] == [
        (change.seq, "session") for change in found
    ]
