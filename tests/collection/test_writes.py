"""Writes of a LiveCollection: what comes back, what is refused, what is lost on the way, and what is shown at once."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from livecollections import errors
from livecollections.collection import LiveClient, LiveCollection
from livecollections.collection.key import Keys
from livecollections.collection.replica import Replica
from livecollections.collection.writes import Writes

from ..serving import served
from .conftest import Site, take
from .test_gone_back import read, seq


async def test_refusals_are_errors_that_say_why(site: Site) -> None:
    async with site.client() as client, client.collection("/api/todos") as todos:
        with pytest.raises(errors.InvalidDocument) as invalid:
            await todos.create({"title": "", "color": "red"})
        assert {fault["pointer"] for fault in invalid.value.errors} == {"/title", "/color"}
        assert invalid.value.status == 422
        with pytest.raises(errors.DocumentNotFound):
            await todos.update(99, title="x")
        with pytest.raises(errors.DocumentNotFound):
            await todos.delete(99)
        with pytest.raises(TypeError):
            await todos.create("milk")  # type: ignore[arg-type]
        site.fates["POST"] = [403]
        with pytest.raises(errors.RequestRefused) as refused:
            await todos.create({"title": "milk"})
        assert (refused.value.status, refused.value.title) == (403, "Forbidden")
        assert len(todos) == 0


async def test_a_create_whose_answer_is_lost_is_made_once(site: Site, transport: str) -> None:
    async with site.client(transport) as client, client.collection("/api/todos") as todos:
        changes = todos.changes()
        site.fates["POST"] = [503, "lost", 502, "lost"]
        made = await todos.create({"title": "milk"})
        assert made["id"] == 1
        await todos.wait_live(10)
        await site.wait_equal(todos)
        assert await site.get() == [made]
        await todos.close()
        assert [change.kind async for change in changes] == ["add"]


@pytest.mark.parametrize("optimistic", [False, True])
@pytest.mark.parametrize("is_listed", [False, True])
def test_a_create_that_only_the_stream_tells_of_is_known_though_it_has_gone(
    optimistic: bool, is_listed: bool
) -> None:
    """Whoever asked for it is told what was made, with its key, and sees nothing."""
    replica = Replica("/api/todos", Keys())
    replica.start()
    replica.began(seq(5), False)
    read(replica, [], seq(5))
    write = Writes(replica).create({"title": "milk"}, "origin", optimistic=optimistic)
    made = {"id": 1, "title": "milk", "completed": False}
    told = {"method": "POST", "body": made, "seq": seq(6), "prev": seq(5), "origin": "origin"}
    if is_listed:
        replica.unread(needed=True)
        read(replica, [], seq(7))
    else:
        replica.documents.bury("1", seq(7))
    replica.heard(told)
    assert write.is_heard
    assert write.state is not None
    assert (write.key, write.state.known) == ("1", made)
    replica.take_changes()
    assert [*replica.documents.shown()] == []


async def test_of_other_writes_the_stream_tells_what_a_lost_answer_did_not(
    site: Site, transport: str
) -> None:
    async with site.client(transport) as client, client.collection("/api/todos") as todos:
        await todos.create({"title": "milk"})
        site.fates["PATCH"] = [503, "lost"]
        assert (await todos.update(1, title="oat milk"))["title"] == "oat milk"
        site.fates["DELETE"] = ["lost"]
        await todos.delete(1)
        assert len(todos) == 0


async def test_what_nobody_tells_is_unconfirmed(site: Site) -> None:
    async with site.client(timeout=2) as client, client.collection("/api/todos") as todos:
        await todos.create({"title": "milk"})
        # It changes nothing, so the stream is silent about it.
        site.fates["PATCH"] = ["lost"]
        with pytest.raises(errors.Unconfirmed, match="PATCH /api/todos"):
            await todos.update(1, title="milk")
        assert todos[1]["title"] == "milk"
        assert not todos._replica.requests


async def test_what_never_left_is_unreachable(tmp_path: Path) -> None:
    async with AsyncExitStack() as server:
        address = await server.enter_async_context(served(Site(tmp_path / "test.db").live.app))
        async with LiveClient(address, timeout=1) as client, client.collection("/api/todos") as todos:
            await todos.create({"title": "milk"})
            await server.aclose()
            with pytest.raises(errors.Unreachable):
                await todos.update(1, title="never sent")
            assert todos[1]["title"] == "milk"


async def test_a_write_that_is_abandoned_leaves_nothing_behind(site: Site) -> None:
    async with site.client() as client, client.collection("/api/todos") as todos:
        site.proxy.half_open()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await todos.create({"title": "milk"})
        assert not todos._replica.requests
        site.proxy.heal()
        site.proxy.cut()
        site.sql("INSERT INTO rest_todo (title, completed) VALUES ('after', 0)")
        await site.wait_equal(todos)


async def optimistic(client: LiveClient) -> LiveCollection[dict[str, Any]]:
    return await client.collection("/api/todos", optimistic=True).__aenter__()


async def test_an_optimistic_collection_shows_writes_at_once(site: Site) -> None:
    async with site.client() as client:
        todos = await optimistic(client)
        changes = todos.changes()
        task = asyncio.create_task(todos.create({"title": "milk"}))
        (shown,) = await take(changes, 1)
        assert (shown.kind, shown.key, shown.document) == ("add", None, {"title": "milk"})
        assert (await task)["id"] == 1
        (named,) = await take(changes, 1)
        assert (named.kind, named.key, named.draft) == ("change", "1", shown.draft)
        task = asyncio.create_task(todos.update(1, title="oat milk"))
        assert (await take(changes, 1))[0].document["title"] == "oat milk"
        await task
        removal = asyncio.create_task(todos.delete(1))
        assert (await take(changes, 1))[0].kind == "remove"
        await removal
        await todos.close()


async def test_what_an_optimistic_write_leaves_when_it_fails(site: Site) -> None:
    async with site.client() as client:
        todos = await optimistic(client)
        site.fates["POST"] = [422]
        with pytest.raises(errors.InvalidDocument):
            await todos.create({"title": "milk"})
        ((draft, document),) = todos.drafts.items()
        assert document == {"title": "milk"}
        assert [todo["title"] for todo in todos] == ["milk"]
        assert await todos.retry(draft) == {"id": 1, "title": "milk", "completed": False, "order": None}
        assert todos.drafts == {}
        site.fates["POST"] = [422]
        with pytest.raises(errors.InvalidDocument):
            await todos.create({"title": "bread"})
        todos.discard(next(iter(todos.drafts)))
        assert todos.keys() == ["1"]
        assert len(todos) == 1
        site.fates["PATCH"] = [422]
        with pytest.raises(errors.InvalidDocument):
            await todos.update(1, title="ours")
        assert todos.unsaved == ["1"]
        assert todos[1]["title"] == "ours"
        site.sql("UPDATE rest_todo SET title = 'theirs'")
        await site.wait_equal(todos)
        assert todos.unsaved == []
        site.fates["PUT"] = [422]
        with pytest.raises(errors.InvalidDocument):
            await todos.replace(1, {"title": "ours"})
        assert todos[1] == {"id": 1, "title": "ours"}, "it keeps its key, which the path tells"
        assert todos.unsaved == ["1"]
        await todos.update(1, title="ours")
        await site.wait_equal(todos)
        site.fates["DELETE"] = [403]
        with pytest.raises(errors.RequestRefused):
            await todos.delete(1)
        assert 1 in todos
        await todos.close()


async def test_local_fields_are_nobody_elses(site: Site) -> None:
    async with site.client() as client, client.collection("/api/todos") as todos:
        await todos.create({"title": "milk"})
        todos.set_local(1, selected=True)
        await todos.update(1, title="oat milk")
        assert todos[1]["selected"] is True
        assert "selected" not in (await site.get())[0]
        with pytest.raises(KeyError):
            todos.set_local(2, selected=True)


async def test_a_write_ends_when_its_client_is_closed(site: Site) -> None:
    async with site.client() as client, client.collection("/api/todos") as todos:
        site.fates["POST"] = [503] * 20
        task = asyncio.create_task(todos.create({"title": "milk"}))
        async with asyncio.timeout(10):
            while len(site.fates["POST"]) == 20:  # noqa: ASYNC110  the server gives no signal
                await asyncio.sleep(0.01)
    # Of a request that was under way nobody can say whether it was obeyed.
    with pytest.raises((errors.ClientClosed, errors.Unconfirmed), match="the client was closed"):
        await task
