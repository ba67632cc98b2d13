"""LiveCollection against a real server: what it shows, and what it gives."""

from __future__ import annotations

import pytest

from livecollections import errors

from ..models import Person, Seat, Todo
from .conftest import Site, take


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


async def test_a_part_is_asked_for_as_a_collection_is(site: Site) -> None:
    site.sql("INSERT INTO rest_todo (title, completed) VALUES ('milk', 1), ('bread', 0)")
    async with site.client() as client, client.collection("/api/todos") as todos:
        await todos.read({"completed": True})
        await todos.read({"completed": False})
        assert len(todos) == 2
        with pytest.raises(errors.ConfigurationError, match="query"):
            await todos.read("completed=true")  # type: ignore[arg-type]
