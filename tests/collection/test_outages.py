"""A LiveCollection whose server, network or database goes away and comes again: it keeps what it has, ends right."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from livecollections import errors
from livecollections.collection import LiveClient
from livecollections.stores.sqlite_install import new_epoch
from livecollections.testing.proxy import FaultProxy

from ..serving import served
from .conftest import Site


async def test_while_the_server_is_away_it_keeps_what_it_has(site: Site, transport: str) -> None:
    async with site.client(transport) as client, client.collection("/api/todos") as todos:
        await todos.create({"title": "milk"})
        site.proxy.refuse()
        site.proxy.cut()
        await todos.wait_until(lambda it: it.live == "connecting", 10)
        await todos.wait_until(lambda it: isinstance(it.error, errors.Unreachable), 10)
        with pytest.raises(errors.Unreachable, match=transport):
            await todos.wait_live(0.01)
        site.sql("INSERT INTO rest_todo (title, completed) VALUES ('meanwhile', 0)")
        assert [todo["title"] for todo in todos] == ["milk"]
        site.proxy.heal()
        await site.wait_equal(todos)
        await todos.wait_live(10)
        assert todos.error is None
        assert todos._replica.resets == 0


async def test_a_server_that_comes_again_is_caught_up_with(tmp_path: Path, transport: str) -> None:
    path = tmp_path / "test.db"
    async with FaultProxy() as proxy, AsyncExitStack() as first:
        before = Site(path)
        proxy.aim(await first.enter_async_context(served(before.live.app)))
        client = LiveClient(proxy.url, transports=[transport], timeout=20)
        async with client, client.collection("/api/todos") as todos:
            await todos.create({"title": "milk"})
            proxy.refuse()
            proxy.cut()
            await first.aclose()
            before.sql("INSERT INTO rest_todo (title, completed) VALUES ('while nothing ran', 0)")
            async with served(Site(path).live.app) as address:
                proxy.aim(address)
                proxy.heal()
                before.address = address
                await before.wait_equal(todos)
                assert len(todos) == 2
                assert todos._replica.resets == 0
                proxy.refuse()
                proxy.cut()


async def test_what_cant_be_told_is_read_again_without_a_flash_of_empty(site: Site, transport: str) -> None:
    async with site.client(transport) as client, client.collection("/api/todos") as todos:
        for title in ("a", "b"):
            await todos.create({"title": title})
        changes = todos.changes()
        site.proxy.refuse()
        site.proxy.cut()
        site.sql("DELETE FROM rest_todo WHERE id = 1")
        new_epoch(f"sqlite:///{site.path}")
        site.proxy.heal()
        # By the reset that it is told, or by a list of the new log that comes before.
        await todos.wait_until(lambda it: [document["title"] for document in it] == ["b"], 20)
        await site.wait_equal(todos)
        await todos.close()
        assert [(change.kind, change.key) async for change in changes] == [("remove", "1")]


async def test_a_read_that_fails_for_a_reason_nobody_thought_of_is_told_and_tried_again(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with site.client("websocket") as client:
        todos = client.collection("/api/todos")
        rest = todos._follower._rest
        read, faults = rest.read, [RuntimeError("a fault of ours")]

        async def faulty(reading: Any) -> None:
            if faults:
                raise faults.pop()
            await read(reading)

        monkeypatch.setattr(rest, "read", faulty)
        async with todos:
            assert (todos.live, todos.error) == ("live", None)
            faults.append(RuntimeError("another"))
            with pytest.raises(errors.ClientError, match="another") as caught:
                await todos.read()
            assert isinstance(caught.value.__cause__, RuntimeError)
    assert [one.message for one in caplog.records if "could not be read" in one.message] == [
        "/api/todos could not be read"
    ] * 2
