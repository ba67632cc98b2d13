"""LiveCollection against a real server: what it shows, what it gives, what it raises."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from livecollections import errors
from livecollections.bayeux import State
from livecollections.collection import DocumentChange, LiveClient, LiveCollection
from livecollections.stores.sqlite_install import new_epoch
from livecollections.testing.proxy import FaultProxy

from ..models import Person, Seat, Todo
from ..serving import served
from .conftest import Site


async def take(changes: Any, count: int) -> list[DocumentChange]:
    async with asyncio.timeout(10):
        return [await anext(changes) for _ in range(count)]


async def test_it_equals_what_get_says_whoever_writes(site: Site, transport: str) -> None:
    site.sql("INSERT INTO rest_todo (title, completed) VALUES ('there before', 0)")
    async with site.client(transport) as client, client.collection("/api/todos") as todos:
        assert todos.live == "live"
        assert [todo["title"] for todo in todos] == ["there before"]
        milk = await todos.create({"title": "milk"})
        assert milk == {"id": 2, "title": "milk", "completed": False, "order": None}
        assert todos["2"] == todos[2] == milk
        assert 2 in todos
        assert milk in todos
        assert await todos.update(2, {"order": 3}, title="oat milk") == todos[2]
        site.sql("INSERT INTO rest_todo (title, completed) VALUES ('a stranger''s', 0)")
        site.sql("UPDATE rest_todo SET completed = 1")
        site.sql("DELETE FROM rest_todo WHERE id = 1")
        await todos.wait_until(
            lambda it: it.keys() == ["2", "3"] and all(todo["completed"] for todo in it), 10
        )
        await site.wait_equal(todos)
        assert await todos.replace("3", {"title": "ours now"}) == {
            "id": 3, "title": "ours now", "completed": False, "order": None,
        }  # fmt: skip
        await todos.delete(2)
        assert len(todos) == 1
        assert todos.get(2) is None
        with pytest.raises(KeyError):
            todos[2]
        await site.wait_equal(todos)


async def test_every_reader_hears_every_change_in_order_and_knows_its_own(site: Site, transport: str) -> None:
    async with site.client(transport) as client, client.collection("/api/todos") as todos:
        readers = [todos.changes(), todos.changes()]
        await todos.create({"title": "milk"})
        site.sql("UPDATE rest_todo SET title = 'oat milk'")
        await todos.wait_until(lambda it: it[1]["title"] == "oat milk", 10)
        await todos.delete(1)
        await todos.close()
        for reader in readers:
            told = [change async for change in reader]
            assert [(one.kind, one.key, one.own) for one in told] == [
                ("add", "1", True), ("change", "1", False), ("remove", "1", True),
            ]  # fmt: skip
            assert [one.document and one.document["title"] for one in told] == ["milk", "oat milk", None]
            assert [one.previous and one.previous["title"] for one in told] == [None, "milk", "oat milk"]
            assert sorted(str(one.seq) for one in told) == [one.seq for one in told]
            assert [one.draft for one in told] == [None] * 3


async def test_what_it_gives_is_the_readers_own(site: Site) -> None:
    async with site.client() as client, client.collection("/api/todos") as todos:
        made = await todos.create({"title": "milk"})
        changes = todos.changes()
        made["title"] = todos[1]["title"] = next(iter(todos))["title"] = "mine"
        assert todos[1]["title"] == "milk"
        before = todos[1]
        await todos.update(1, title="oat milk")
        assert before["title"] == "milk"
        (change,) = await take(changes, 1)
        change.document["title"] = "mine"
        assert todos[1]["title"] == "oat milk"


async def test_a_model_is_given_and_taken(site: Site) -> None:
    async with site.client() as client:
        async with client.collection("/api/todos", model=Todo) as todos:
            made = await todos.create(Todo(title="milk"))
            assert isinstance(made, Todo)
            assert made.id == 1
            assert [todo.title for todo in todos] == ["milk"]
            assert (await todos.update(made.id, completed=True)).completed
            assert await todos.replace(1, Todo(title="oat milk")) == todos[1]
            assert todos[1] in todos
        async with client.collection("/api/people", model=Person) as people:
            ann = await people.create({"name": "Ann", "eMail": "a@example.com"})
            assert people[ann.id].mail == "a@example.com"
        async with client.collection("/api/seats", model=Seat) as seats:
            made_seat = await seats.create({"row": "a,b/c", "place": 7})
            key = (made_seat.row, made_seat.place)
            assert seats.keys() == ["a%2Cb%2Fc,7"]
            assert seats[key] == seats["a%2Cb%2Fc,7"] == made_seat
            await seats.delete(key)
            assert len(seats) == 0


async def test_a_filtered_collection_reads_itself_again(site: Site, transport: str) -> None:
    async with (
        site.client(transport) as client,
        client.collection("/api/todos", query={"completed": True}) as done,
        client.collection("/api/todos?completed=false") as waiting,
    ):
        site.sql("INSERT INTO rest_todo (title, completed) VALUES ('a', 0), ('b', 1), ('c', 1)")
        await done.wait_until(lambda it: it.keys() == ["2", "3"], 10)
        await waiting.wait_until(lambda it: it.keys() == ["1"], 10)
        await waiting.update(1, completed=True)
        await waiting.wait_until(lambda it: len(it) == 0, 10)
        await done.wait_until(lambda it: sorted(it.keys()) == ["1", "2", "3"], 10)


async def test_a_collection_never_outgrows_what_get_gives(site: Site) -> None:
    async with site.client() as client, client.collection("/api/few") as few:
        for title in "cba":
            site.sql("INSERT INTO rest_todo (title, completed) VALUES (?, 0)", title)
            await site.wait_equal(few, "/api/few")
        assert few.keys() == ["1", "2"]
        site.sql("DELETE FROM rest_todo WHERE id = 1")
        await site.wait_equal(few, "/api/few")
        assert few.keys() == ["2", "3"]


async def test_a_part_that_is_read_merges(site: Site) -> None:
    async with site.client() as client, client.collection("/api/todos") as todos:
        for title in ("a", "b"):
            await todos.create({"title": title})
        await todos.read({"title": "a"})
        await todos.read()
        assert todos.keys() == ["1", "2"]
        with pytest.raises(errors.MalformedRequest):
            await todos.read({"no such": 1})


async def test_collections_of_one_channel_share_a_subscription(site: Site) -> None:
    async with site.client() as client, client.collection("/api/todos") as first:
        async with client.collection("/api/todos") as second:
            await first.create({"title": "milk"})
            await second.wait_until(lambda it: len(it) == 1, 10)
            assert len(site.live.bayeux._exchange._subscribers["/api/todos"]) == 1
        await first.create({"title": "bread"})
        await site.wait_equal(first)
        assert second.live == "off"
        assert len(second) == 1


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
        await todos.wait_until(lambda it: it._replica.resets > 0, 20)
        await site.wait_equal(todos)
        await todos.close()
        assert [(change.kind, change.key) async for change in changes] == [("remove", "1")]


async def test_a_client_that_is_left_closes_its_collections(site: Site) -> None:
    async with site.client() as client:
        todos = await client.collection("/api/todos").__aenter__()
        await todos.create({"title": "milk"})
        changes = todos.changes()
    assert todos.live == "off"
    assert [change async for change in changes] == []
    assert [todo["title"] for todo in todos] == ["milk"]


@pytest.mark.parametrize("steps", range(1, 6))
async def test_a_client_whose_closing_is_cancelled_leaves_nothing(
    site: Site, transport: str, steps: int
) -> None:
    client = await site.client(transport).__aenter__()
    todos = await client.collection("/api/todos").__aenter__()
    others = await client.collection("/api/todos?completed=true").__aenter__()
    changes = todos.changes()
    reading = [asyncio.ensure_future(each.read()) for each in (todos, others)]
    closing = asyncio.ensure_future(client.close())
    for _ in range(steps):
        await asyncio.sleep(0)
    closing.cancel()
    await asyncio.gather(closing, *reading, return_exceptions=True)
    assert (todos.live, others.live) == ("off", "off")
    assert [change async for change in changes] == []
    assert client.bayeux.state is State.ENDED


async def test_entering_says_that_bayeux_is_not_where_it_was_looked_for(site: Site) -> None:
    async with site.client(faye="/api/todos", timeout=1) as client:
        with pytest.raises(errors.Unreachable, match="websocket: HTTP 403"):
            await client.collection("/api/todos").__aenter__()


async def test_entering_says_what_is_wrong(site: Site) -> None:
    async with site.client(timeout=1) as client:
        with pytest.raises(errors.DocumentNotFound):
            await client.collection("/api/nothing").__aenter__()
        site.proxy.refuse()
        site.proxy.cut()
        missing = client.collection("/api/todos")
        with pytest.raises(errors.ClientError):
            await missing.__aenter__()
        assert missing.live == "off"
        with pytest.raises(errors.ClientClosed, match="once"):
            await missing.__aenter__()
        with pytest.raises(errors.ClientClosed, match="not open"):
            await missing.create({"title": "milk"})
        with pytest.raises(errors.NotLive):
            await missing.wait_live(1)
        assert [change async for change in missing.changes()] == []


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"url": "127.0.0.1:8000"}, "url"),
        ({"url": "http://x", "timeout": 0}, "timeout"),
        ({"url": "http://x", "transports": ["pigeon"]}, "transports"),
        ({"url": "http://x", "faye": 5}, "faye"),
        ({"url": "http://x", "faye": "faye"}, "faye"),
    ],
)
def test_a_wrong_option_of_the_client_is_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=named):
        LiveClient(**options)


async def test_a_wrong_option_of_a_collection_is_named(site: Site) -> None:
    with pytest.raises(errors.ClientClosed):
        site.client().collection("/api/todos")
    async with site.client() as client:
        for wrong in (
            {"path": "api"},
            {"path": "/"},
            {"path": "/a", "model": dict},
            {"path": "/a", "key": ()},
            {"path": "/a", "key": 5},
            {"path": "/a", "query": "a=b"},
            {"path": "/a", "optimistic": "yes"},
        ):
            with pytest.raises(errors.ConfigurationError, match=list(wrong)[-1]):
                client.collection(**wrong)
        with pytest.raises(errors.ConfigurationError, match="buffer"):
            client.collection("/api/todos").changes(buffer=0)
    with pytest.raises(errors.ClientClosed):
        client.collection("/api/todos")


async def test_a_part_is_asked_for_as_a_collection_is(site: Site) -> None:
    site.sql("INSERT INTO rest_todo (title, completed) VALUES ('milk', 1), ('bread', 0)")
    async with site.client() as client, client.collection("/api/todos") as todos:
        await todos.read({"completed": True})
        await todos.read({"completed": False})
        assert len(todos) == 2
        with pytest.raises(errors.ConfigurationError, match="query"):
            await todos.read("completed=true")  # type: ignore[arg-type]


async def test_documents_without_the_key_are_no_empty_collection(site: Site) -> None:
    site.sql("INSERT INTO rest_seat (row, place, taken) VALUES ('A', 7, 0)")
    async with site.client() as client:
        with pytest.raises(errors.NotLive, match="without id: say with `key`"):
            await client.collection("/api/seats").__aenter__()
        async with client.collection("/api/seats", key=("row", "place")) as seats:
            assert seats["A", 7] == {"row": "A", "place": 7, "taken": False}


async def test_headers_are_asked_for_at_each_request(site: Site) -> None:
    asked = []

    async def headers() -> dict[str, str]:
        asked.append(1)
        return {"X-Program": "test"}

    async with site.client(headers=headers) as client, client.collection("/api/todos") as todos:
        before = len(asked)
        await todos.create({"title": "milk"})
        assert len(asked) == before + 1


async def test_headers_that_cant_be_had_are_asked_for_again(site: Site) -> None:
    given: list[Any] = [{}]

    def headers() -> Any:
        return given[0]

    async with site.client(headers=headers, timeout=1) as client, client.collection("/api/todos") as todos:
        given[0] = {"X-Program": 7}
        with pytest.raises(errors.Unreachable, match="X-Program"):
            await todos.create({"title": "milk"})
        with pytest.raises(errors.Unreachable, match="X-Program"):
            await todos.read()
        given[0] = {}
        await todos.create({"title": "bread"})
        assert [todo["title"] for todo in todos] == ["bread"]


# Optimistic


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
    with pytest.raises(errors.ClientClosed):
        await task


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
