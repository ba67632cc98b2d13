"""MongoDB's change stream as the log: what is large, lost, ended, dropped, or told without images."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from bson.timestamp import Timestamp
from pydantic import BaseModel, Field

from livecollections import CaptureMissing, ConfigurationError, StoreUnavailable
from livecollections.cause import Cause
from livecollections.change import Change
from livecollections.feed import BACKLOG, Feed
from livecollections.query import Query, Text
from livecollections.resource import Resource
from livecollections.stores import base, mongo_write
from livecollections.stores.base import Write
from livecollections.stores.mongo import MongoStore
from livecollections.stores.mongo_images import updated
from livecollections.stores.mongo_seq import LAST, Counter, Place, place_of, seq
from livecollections.testing import wait_until
from tests.scale import scaled

from .server import PATIENCE, Server, client, database_url

WAITING = scaled(1_000, BACKLOG)
"""Changes that may wait at the feed."""
MANY = scaled(1_500, 70_000)


class Todo(BaseModel):
    class Settings:
        name = "todos"

    id: int = Field(alias="_id")
    title: str | None = None


class Tag(BaseModel):
    class Settings:
        name = "live_tags"

    id: int = Field(alias="_id")


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[MongoStore]:
    store = MongoStore(url, **options)
    await store.start([store.describe(Todo), store.describe(Tag)])
    try:
        yield store
    finally:
        await store.stop()


def todos(store: MongoStore) -> Any:
    return store._database["todos"]


async def create(store: MongoStore, number: int) -> str:
    write = Write(store.describe(Todo), None, lambda row: {"id": number, "title": "t"})
    return (await store.write(write)).seq or ""


async def caught_up(store: MongoStore) -> None:
    """Return when the stream has told all that is committed."""
    async with store.session(committed=lambda seq: None):
        pass


async def repaired(store: MongoStore) -> None:
    """Return when what has gone is made anew."""
    await wait_until(lambda: store._repairing is not None and store._repairing.done(), PATIENCE)


async def told(store: MongoStore, after: str, limit: int = 1_000) -> list[Change]:
    await caught_up(store)
    return (await store.read(after, limit)).changes


class Published:
    """What a feed publishes."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, Cause | None]] = []

    def publish_nowait(
        self, channel: str, data: Any, seq: str | None = None, cause: Cause | None = None
    ) -> None:
        self.messages.append((data["method"], data["seq"], cause))

    async def wait_room(self) -> None:
        await asyncio.sleep(0)


def test_events_of_one_time_are_counted() -> None:
    """Finding 16: events of one time need not be of one transaction, and one may have more than 65,536."""
    counter = Counter()
    first, second = Timestamp(5, 1), Timestamp(5, 2)
    places = [counter.place(first), counter.place(first, 2), counter.place(second)]
    assert places == [Place(5, 1, 0), Place(5, 1, 2), Place(5, 2, 0)]
    text = seq("0123abcd", Place(5, 1, LAST))
    assert text == "0123abcd0000000500000001ffffff"
    assert place_of(text) == Place(5, 1, LAST)


@pytest.mark.parametrize(
    ("told", "after"),
    [
        ({"updatedFields": {"a": 1}}, {"a": 1, "b": {"c": [1, 2, {"d": 3}]}}),
        ({"updatedFields": {"b.c.2.d": 4}}, {"b": {"c": [1, 2, {"d": 4}]}}),
        ({"updatedFields": {"b.c.3": 5}}, {"b": {"c": [1, 2, {"d": 3}, 5]}}),
        ({"truncatedArrays": [{"field": "b.c", "newSize": 1}]}, {"b": {"c": [1]}}),
        ({"removedFields": ["b.c"]}, {"b": {}}),
        ({"updatedFields": {"b.c.9": 5}}, None),
        ({"updatedFields": {"nothing.there": 5}}, None),
        ({"updatedFields": {"b.0": 5}, "disambiguatedPaths": {"b.0": ["b", "0"]}}, None),
    ],
)
def test_an_image_is_the_one_before_with_the_change(
    told: dict[str, Any], after: dict[str, Any] | None
) -> None:
    """Finding 16: looked up later, the image of a transaction's first update was the second's."""
    before = {"b": {"c": [1, 2, {"d": 3}]}}
    assert updated(before, told) == after
    assert before == {"b": {"c": [1, 2, {"d": 3}]}}


async def test_a_transaction_of_many_writes_is_told_in_order_and_published_as_reset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Finding 16: 4 digits were too few for a transaction's events."""
    monkeypatch.setattr("livecollections.feed.BACKLOG", WAITING)
    async with opened(database_url()) as store:
        published = Published()
        feed = Feed(store, published, {"/todos": Resource.build("/todos", store.describe(Todo))})
        start = await store.head()
        await feed.start()
        async with store._database.client.start_session() as session, await session.start_transaction():
            await todos(store).insert_many([{"_id": number} for number in range(MANY)], session=session)
        await wait_until(lambda: any(method == "RESET" for method, _, _ in published.messages), within=120)
        await feed.stop()
        assert len(published.messages) < WAITING
        assert published.messages[-1][0] == "RESET"
        assert published.messages[-1][2] is Cause.BACKLOG
        # Another process reads all of it, one by one.
        async with opened(store._connection._given) as other:
            seqs: list[str] = []
            position = start
            while True:
                batch = await other.read(position, 5_000, "todos")
                assert batch.lost is None
                seqs += [change.seq for change in batch.changes if change.method == "POST"]
                position = batch.upto
                if not batch.more:
                    break
        assert len(seqs) == MANY
        assert seqs == sorted(set(seqs))
        assert len({each[:24] for each in seqs}) == 1, "they are of one time"


async def test_what_the_oplog_has_left_is_told_as_trimmed() -> None:
    """Finding 15: of what is trimmed nothing can be told, and that is said."""
    server = Server("--oplog-max-entries", "40")
    try:
        url = f"{server.url}/rolled"
        async with opened(url) as store:
            label = await store.head()
            first = await create(store, 0)
            await store._database["live_tags"].insert_many([{"_id": number} for number in range(1_100)])
            last = await create(store, 1)
            # The process that was there remembers.
            assert await store.why_reset(first, "todos") is None
        async with opened(url) as later:
            for lost in (label, first):
                assert await later.why_reset(lost, "todos") is Cause.TRIMMED
                assert (await later.read(lost, 10, "todos")).lost is Cause.TRIMMED
            assert await later.why_reset(last, "todos") is None
    finally:
        server.close()


async def test_a_server_that_was_restarted_loses_nothing() -> None:
    server = Server()
    try:
        url = f"{server.url}/restarted"
        async with opened(f"{url}?serverSelectionTimeoutMS=300") as store:
            start = await create(store, 0)
            waiting = asyncio.create_task(store.wait_changed(await store.head()))
            await asyncio.to_thread(server.stop)
            with pytest.raises(StoreUnavailable):
                await create(store, 1)
            with pytest.raises(StoreUnavailable):
                await store.find(store.describe(Todo), Query())
            with pytest.raises(StoreUnavailable, match="change stream"):
                await waiting
            await asyncio.to_thread(server.start)
            with client(url) as connected:
                connected.get_default_database()["todos"].insert_one({"_id": 2})
            await wait_until(lambda: not store._stream.is_failing, PATIENCE)
            assert await create(store, 3) > start
            assert [change.key for change in await told(store, start)] == [(2,), (3,)]
    finally:
        server.close()


async def test_a_document_that_somebody_holds_keeps_nobody_elses_write_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mongo_write, "LONGEST", 4 * PATIENCE)
    async with opened(database_url()) as store:
        await create(store, 1)
        async with store._database.client.start_session() as session:
            await session.start_transaction()
            await todos(store).update_one({"_id": 1}, {"$set": {"title": "theirs"}}, session=session)
            ours = Write(store.describe(Todo), (1,), lambda row: {"title": f"{(row or {})['title']}, ours"})
            held = asyncio.create_task(store.write(ours))
            others = [asyncio.create_task(create(store, number)) for number in range(2, 6)]
            await asyncio.wait_for(asyncio.gather(*others), PATIENCE)
            assert not held.done()
            await session.commit_transaction()
        assert (await held).row["title"] == "theirs, ours"
        async with store._database.client.start_session() as session, await session.start_transaction():
            await todos(store).update_one({"_id": 1}, {"$set": {"title": "held"}}, session=session)
            held = asyncio.create_task(store.write(ours))
            await wait_until(lambda: store._writer._apart, PATIENCE)
            store.hasten()
            with pytest.raises(StoreUnavailable, match="somebody else"):
                await asyncio.wait_for(held, PATIENCE)
            await session.abort_transaction()


async def test_an_event_that_can_t_be_read_is_told_as_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Finding 13: what the reader can't decode stopped all channels."""
    async with opened(database_url()) as store:
        start = await create(store, 1)

        def row(source: object, stored: object) -> None:
            raise RuntimeError("a type of the user's")

        with monkeypatch.context() as broken:
            broken.setattr("livecollections.stores.mongo_models.DocumentSource.row", row)
            await todos(store).insert_one({"_id": 2})
            await caught_up(store)
        await create(store, 3)
        assert [(change.method, change.cause) for change in await told(store, start)] == [
            ("RESET", Cause.UNDECODABLE),
            ("POST", None),
        ]


async def test_a_standalone_is_told_how_to_become_a_replica_set() -> None:
    server = Server("--standalone")
    try:
        with pytest.raises(ConfigurationError, match=r"--replSet rs0.*rs\.initiate\(\)"):
            async with opened(f"{server.url}/alone"):
                pass
    finally:
        server.close()


async def test_a_dropped_database_begins_anew() -> None:
    """Findings 6 and 11: of dropDatabase no delete is told."""
    url = database_url()
    async with opened(url) as store:
        before = await create(store, 1)
        with client(url) as connected:
            connected.drop_database(connected.get_default_database().name)
        await wait_until(lambda: store._stream.epoch != before[:8], PATIENCE)
        assert await store.why_reset(before, "todos") is Cause.OTHER_EPOCH
        await repaired(store)
        after = await create(store, 1)
        await todos(store).update_one({"_id": 1}, {"$set": {"title": "new"}})
        (change,) = await told(store, after)
        assert change.before == {"id": 1, "title": "t"}, "images are kept again"


@pytest.mark.parametrize("how", ["drop", "rename"])
async def test_a_collection_that_has_gone_is_told_as_reset(how: str) -> None:
    """Finding 11: of drop and rename no delete is told."""
    url = database_url()
    async with opened(url) as store:
        before = await create(store, 1)
        with client(url) as connected:
            collection = connected.get_default_database()["todos"]
            collection.drop() if how == "drop" else collection.rename("others")
        await wait_until(lambda: store._stream.reset_after("todos", before), PATIENCE)
        await repaired(store)
        assert (await store.find(store.describe(Todo), Query())).rows == []
        after = await create(store, 1)
        await todos(store).delete_one({"_id": 1})
        (change,) = await told(store, after)
        assert change.before == {"id": 1, "title": "t"}


async def test_without_images_a_delete_tells_its_key_and_an_update_what_is_there_now() -> None:
    """Finding 16: without pre-images a DELETE has only its key."""
    async with opened(database_url()) as store:
        await store._database.command("collMod", "todos", changeStreamPreAndPostImages={"enabled": False})
        start = await create(store, 1)
        await todos(store).update_one({"_id": 1}, {"$set": {"title": "new"}})
        await todos(store).delete_one({"_id": 1})
        changes = [(change.method, change.before, change.after) for change in await told(store, start)]
        assert changes[-1] == ("DELETE", {"id": 1}, None)
        assert changes[:-1] in ([], [("PUT", None, {"id": 1, "title": "new"})])


async def test_capture_is_checked_or_installed() -> None:
    url = database_url()
    with client(url) as connected:
        database = connected.get_default_database()
        database.create_collection("todos")
        with pytest.raises(
            CaptureMissing, match="todos: pre- and post-images are not kept; live_meta: it is not"
        ):
            async with opened(url, capture="check"):
                pass
        with pytest.raises(ConfigurationError, match="no collection 'live_tags'"):
            async with opened(url, create_tables=False):
                pass
        assert database.list_collection_names() == ["todos"]
        async with opened(url):
            pass
        async with opened(url, capture="check", create_tables=False) as store:
            await create(store, 1)
            await store._installation.uninstall()
        assert sorted(database.list_collection_names()) == ["live_tags", "todos"]
        options = next(iter(database.list_collections(filter={"name": "todos"})))["options"]
        assert not (options.get("changeStreamPreAndPostImages") or {}).get("enabled")


async def test_a_new_epoch_is_heard_by_those_who_run() -> None:
    """Finding 6: whoever has places of the old epoch reads again."""
    async with opened(database_url()) as store:
        before = await create(store, 1)
        await store._kept.renew()
        await wait_until(lambda: store._stream.epoch != before[:8], PATIENCE)
        assert await store.why_reset(before, "todos") is Cause.OTHER_EPOCH
        assert (await create(store, 2))[:8] != before[:8]


async def test_a_database_has_the_name_that_its_url_spells() -> None:
    server, name = database_url().rsplit("/", 1)
    async with opened(f"{server}/{name.replace('live_', 'live%5F')}") as store:
        assert store._database.name == name


async def test_of_many_values_some_may_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "DISTINCT", 2)
    async with opened(database_url()) as store:
        await todos(store).insert_many(
            [{"_id": number, "title": title} for number, title in enumerate("abcabcc")]
        )
        for where in ((), (Text("title", ""),)):
            found = await store.distinct(store.describe(Todo), "title", Query(where))
            assert [row["title"] for row in await found.piece()] == [*"abccc"]
            found.close()
