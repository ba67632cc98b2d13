"""A real server, several collections, a stranger at the database, connections cut: all collections end equal to GET."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack, suppress
from typing import Any

from livecollections.collection import Changes, LiveClient, LiveCollection
from livecollections.errors import LiveError

from ..scale import scaled
from ..serving import wait_until
from .conftest import Site

STEPS = scaled(80, 600)


class View:
    """What a reader knows of a collection by its changes alone."""

    def __init__(self, collection: LiveCollection[dict[str, Any]], changes: Changes) -> None:
        self.collection = collection
        self.changes = changes
        self.documents: dict[str | None, Any] = {}
        self.seqs: dict[str, str] = {}

    async def read(self) -> None:
        async for change in self.changes:
            name = change.draft or change.key
            assert change.previous == self.documents.pop(name, None)
            if change.document is not None:
                self.documents[change.key or name] = change.document
            if change.key is not None and change.seq is not None:
                assert self.seqs.get(change.key, "") <= change.seq
                self.seqs[change.key] = change.seq


class Storm:
    """Each step is drawn; what a write of ours comes to is its own matter."""

    def __init__(self, site: Site, seed: int) -> None:
        self.site = site
        self.rng = random.Random(seed)
        self.writes: list[asyncio.Task[Any]] = []

    async def step(self, collections: list[LiveCollection[dict[str, Any]]]) -> None:
        rng, proxy = self.rng, self.site.proxy
        kind = rng.choices(("stranger", "own", "cut", "refuse", "heal", "wait"), (4, 4, 1, 0.4, 1.2, 3))[0]
        if kind == "stranger":
            self.stranger()
        elif kind == "own":
            self.writes.append(asyncio.create_task(self.write(rng.choice(collections))))
        elif kind == "cut":
            proxy.cut(reset=rng.random() < 0.5)
        elif kind == "refuse":
            proxy.refuse()
        elif kind == "heal":
            proxy.heal()
        else:
            collection = rng.choice(collections)
            seen = collection._replica.position
            with suppress(TimeoutError):
                await collection.wait_until(lambda it: it._replica.position != seen, 0.05)

    def stranger(self) -> None:
        title = self.rng.choice("abcdef")
        which = "(SELECT id FROM rest_todo ORDER BY random() LIMIT 1)"
        statement = self.rng.choice(
            (
                f"INSERT INTO rest_todo (title, completed) VALUES ('{title}', 0), ('{title}', 1)",
                f"UPDATE rest_todo SET title = '{title}' WHERE id = {which}",
                f"UPDATE rest_todo SET completed = NOT completed WHERE title = '{title}'",
                f"DELETE FROM rest_todo WHERE id = {which}",
            )
        )
        self.site.sql(statement)

    async def write(self, collection: LiveCollection[dict[str, Any]]) -> None:
        rng, keys = self.rng, collection.keys()
        kind = rng.choice(("create", "create", "update", "replace", "delete"))
        try:
            if kind == "create" or not keys:
                await collection.create({"title": rng.choice("ABC"), "completed": True})
            elif kind == "update":
                await collection.update(rng.choice(keys), title=rng.choice("ABC"))
            elif kind == "replace":
                await collection.replace(rng.choice(keys), {"title": rng.choice("ABC"), "order": 1})
            else:
                await collection.delete(rng.choice(keys))
        except LiveError:
            pass


async def save_again(collection: LiveCollection[dict[str, Any]], within: float = 20) -> None:
    """Send again what failed writes have left, as a user would: a write of nothing makes no newer state."""
    async with asyncio.timeout(within):
        while unsaved := collection.unsaved:
            with suppress(LiveError):
                await collection.replace(unsaved[0], collection[unsaved[0]])


async def storm(site: Site, transport: str, seed: int) -> None:
    it = Storm(site, seed)
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                LiveClient(site.proxy.url, transports=[transport], timeout=3, patience=1)
            )
            for _ in range(2)
        ]
        collections = []
        for client, optimistic in ((clients[0], False), (clients[0], False), (clients[1], True)):
            made = client.collection("/api/todos", optimistic=optimistic)
            collections.append(await stack.enter_async_context(made))
        done = await stack.enter_async_context(clients[1].collection("/api/todos", query={"completed": True}))
        views = [View(each, each.changes(buffer=20)) for each in [*collections, done]]
        readers = [asyncio.create_task(view.read()) for view in views]
        for _ in range(STEPS):
            await it.step(collections)
        site.proxy.heal()
        await asyncio.gather(*it.writes)
        for each in collections:
            for draft in each.drafts:
                each.discard(draft)
            await save_again(each)
            await site.wait_equal(each)
        await site.wait_equal(done, "/api/todos?completed=true")
        for each in [*collections, done]:
            assert each._replica.resets == 0
        # A list may be on its way that says the same once more.
        await wait_until(lambda: not any(each._replica.requests for each in [*collections, done]), 10)
        await wait_until(lambda: not any(view.changes._waiting for view in views), 10)
        for view in views:
            await view.collection.close()
        await asyncio.gather(*readers)
        for view in views:
            keys = view.collection.keys()
            assert {*keys} == view.documents.keys()
            assert list(view.collection) == [view.documents[key] for key in keys]


async def test_everything_ends_equal_to_get(site: Site, transport: str) -> None:
    await storm(site, transport, 1)
