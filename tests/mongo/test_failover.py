"""A primary that is lost at a bad moment: what was begun is finished later, and what is done is answered as done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from livecollections import StoreUnavailable
from livecollections.stores.base import Idempotency, Write, Written
from livecollections.stores.mongo import MongoStore
from livecollections.stores.mongo_seq import Place, seq
from livecollections.testing import FaultProxy, wait_until

from .server import PATIENCE, Server, client, database_url
from .test_slow import Listener, behind
from .test_stream import Todo, create, told

ONCE = Idempotency("key", "digest")


@dataclass
class Line:
    """A store, and the line to its server. theirs: the same database, as another program has it."""

    store: MongoStore
    proxy: FaultProxy
    theirs: Any
    listener: Listener
    met: int = field(default=0, init=False)

    def before(self, command: str, collection: Any, act: Callable[[], object]) -> None:
        """Do something just before a command is sent next."""

        def told(name: str, about: Any) -> None:
            if (name, about) == (command, collection):
                self.met += 1
                if self.met == 1:
                    act()

        self.met, self.listener.told = 0, told

    def offline_before(self, command: str, collection: Any) -> None:
        """Lose the server just before a command is sent next after a transaction."""
        self.before("commitTransaction", 1, lambda: self.before(command, collection, self.proxy.offline))

    async def repair(self) -> None:
        """Keep house until the collection keeps images."""
        self.proxy.heal()
        async with asyncio.timeout(PATIENCE):
            while not self.has_images():
                await self.store.maintain(time.time())
                await asyncio.sleep(0.02)

    def has_images(self) -> bool:
        found = [*self.theirs.list_collections(filter={"name": "todos"})]
        return bool(found and found[0]["options"].get("changeStreamPreAndPostImages", {}).get("enabled"))


@asynccontextmanager
async def lined(url: str | None = None) -> AsyncIterator[Line]:
    url, listener = url or database_url(), Listener()
    async with FaultProxy() as proxy, behind(proxy, listener, url, serverSelectionTimeoutMS=300) as store:
        with client(url) as connected:
            yield Line(store, proxy, connected.get_default_database(), listener)


@pytest.mark.parametrize("command", ["create", "collMod"])
async def test_a_collection_that_went_during_a_failover_keeps_its_images(command: str) -> None:
    async with lined() as line:
        line.theirs["others"].insert_one({"_id": 1})
        line.before(command, "todos", line.proxy.offline)
        if command == "create":
            line.theirs["todos"].drop()
        else:
            line.theirs["others"].rename("todos", dropTarget=True)
        await wait_until(lambda: line.store._repairing is not None and line.store._repairing.done(), PATIENCE)
        assert line.met
        assert not line.has_images()
        await line.repair()


async def test_a_collection_that_goes_while_another_is_put_right_keeps_its_images() -> None:
    async with lined() as line:
        secure = line.store._installation.secure

        async def and_again(*given: Any, **options: Any) -> None:
            await secure(*given, **options)
            line.store._installation.secure = secure  # type: ignore[method-assign]
            before = await line.store.head()
            line.theirs["todos"].drop()
            await wait_until(lambda: line.store._stream.reset_after("todos", before), PATIENCE)

        line.store._installation.secure = and_again  # type: ignore[method-assign]
        line.theirs["todos"].drop()
        await wait_until(lambda: line.store._repairing is not None and line.store._repairing.done(), PATIENCE)
        assert line.has_images()


async def test_a_write_whose_seq_can_t_be_kept_is_done() -> None:
    async with lined() as line:
        source = line.store.describe(Todo)
        ours = Write(source, None, lambda row: {"id": 1, "title": "t"}, idempotency=ONCE)
        line.offline_before("update", "live_idempotency")
        written = await line.store.write(ours)
        assert line.met
        assert written.row == {"id": 1, "title": "t"}
        line.proxy.heal()
        assert await repeated(line, ours) == Written(written.row, None, repeated=True)


async def repeated(line: Line, write: Write) -> Written:
    """The answer to a write once the server can be reached."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await line.store.write(write)
            except StoreUnavailable:
                await asyncio.sleep(0.02)


async def test_a_write_that_can_t_be_read_back_is_done() -> None:
    async with lined() as line:
        await create(line.store, 1)
        line.offline_before("ping", 1)
        same = Write(line.store.describe(Todo), (1,), lambda row: {"title": "t"})
        written = await line.store.write(same)
        assert line.met
        assert written == Written({"id": 1, "title": "t"}, None)


async def test_a_repeat_that_can_t_look_for_the_first_answer_is_unavailable() -> None:
    async with lined() as line:
        ours = Write(line.store.describe(Todo), None, lambda row: {"id": 1, "title": "t"}, idempotency=ONCE)
        await line.store.write(ours)
        line.theirs["live_idempotency"].update_one({}, {"$unset": {"seq": ""}})
        line.offline_before("find", "live_idempotency")
        with pytest.raises(StoreUnavailable):
            await line.store.write(ours)
        assert line.met


async def test_who_renews_beside_another_does_not_wait_for_his_own_epoch() -> None:
    async with lined() as line:
        before = await create(line.store, 1)
        meta = line.theirs["live_meta"]
        line.before(
            "find", "live_meta", lambda: meta.update_one({"_id": "epoch"}, {"$set": {"value": "0123abcd"}})
        )
        head = await asyncio.wait_for(line.store.renew(seq(before[:8], Place(2**31, 1, 0))), PATIENCE)
        assert line.met
        assert head[:8] == "0123abcd"


async def test_a_dropped_database_whose_end_the_oplog_has_left_is_followed_on() -> None:
    server = Server("--oplog-max-entries", "40")
    try:
        async with lined(f"{server.url}/dropped") as line:
            before, others = await create(line.store, 1), line.theirs.client["others"]["things"]
            line.before("aggregate", 1, lambda: others.insert_many([{} for _ in range(1_100)]))
            line.theirs.client.drop_database("dropped")
            await wait_until(lambda: line.met > 1, PATIENCE)
            await line.repair()
            assert await line.store.why_reset(before, "todos") is not None
            start = await create(line.store, 2)
            await create(line.store, 3)
            assert [change.key for change in await told(line.store, start)] == [(3,)]
    finally:
        server.close()
