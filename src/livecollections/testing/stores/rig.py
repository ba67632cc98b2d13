"""StoreRig: a database that the conformance suite may use, and the ways into it.

Two rules. The suite knows a store by its port alone, and its database by SQL. What a test needs besides, a rig says.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Self, TypeVar

from ...change import Change, Row
from ...query import Query
from ...source import Source
from ...stores.administration import Administration
from ...stores.base import Store, Write, Written
from .models import Everything, Line, Tag, Ticket, Todo

MODELS = (Todo, Tag, Ticket, Everything, Line)
T = TypeVar("T", bound=type)


class StoreRig(ABC):
    """A database, empty before each test: subclass it for a store of yours.

    own_within, others_within: seconds in which a store is to be woken by its own writes and by those of others.
    reaction: statements that make the database itself write when a row is inserted into ``store_todo``: add one to
    ``weight`` of the row "counter" of ``store_tag``, insert a row there whose ``name`` is the new title, and set the
    new row's ``order`` to 5. They are written as SQLite wants them.
    harm: statements after which what captures ``store_todo`` is "lost", or that of an "old" version of the store.
    """

    own_within = 0.5
    others_within = 2.0
    reaction: tuple[str, ...] = (
        "CREATE TRIGGER count_todos AFTER INSERT ON store_todo BEGIN "
        "UPDATE store_tag SET weight = weight + 1; INSERT INTO store_tag VALUES (NEW.title, 0); "
        'UPDATE store_todo SET "order" = 5 WHERE id = NEW.id; END',
    )
    harm: Mapping[str, tuple[str, ...]] = {
        "lost": ("DROP TRIGGER live_store_todo_insert",),
        "old": (
            "DROP TRIGGER live_store_todo_insert",
            "CREATE TRIGGER live_store_todo_insert AFTER INSERT ON store_todo BEGIN SELECT 1; END",
        ),
    }

    store: Store
    sources: dict[type, Source]

    @abstractmethod
    def open(self, **options: Any) -> Store:
        """A store on the database, each time another, not started.

        options: none, or ``log=Log(…)``, or ``capture="check"``.
        """

    async def settle(self) -> None:  # noqa: B027  (most have nothing to do)
        """Return when the log tells what has been committed; at once, if it does so anyway."""

    @abstractmethod
    def execute(self, *statements: str) -> None:
        """Run SQL statements in one transaction, past all stores, as another program does; raise if one fails."""

    def administration(self) -> Administration:
        """What installs and uninstalls there by command."""
        raise NotImplementedError("administration: say what installs and uninstalls in your database")

    def restart(self) -> None:
        """Restart the server of the database, and return when it answers; at once, where there is none."""
        raise NotImplementedError("restart: say how your database is restarted")

    def sealed(self) -> AbstractContextManager[None]:
        """Have the database take no writes for a while, and be read all the same: its disk is full, or read-only."""
        raise NotImplementedError("sealed: say how your database comes to take no writes")

    async def start(self, store: Store | None = None) -> None:
        """Start a store with all models; without one, that of the test."""
        if store is None:
            store = self.store = self.open()
        self.sources = {
            model: store.describe(model, exclude=("secret",) if model is Everything else ())
            for model in MODELS
        }
        await store.start(list(self.sources.values()))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.store.stop()


def conforming(suite: T) -> T:
    """Have a class's coroutine functions run on a loop of their own, with their rig started, under any pytest."""
    for name, test in list(vars(suite).items()):
        if name.startswith("test_") and inspect.iscoroutinefunction(test):
            setattr(suite, name, started(test))
    return suite


def started(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """A test as a plain function."""

    @functools.wraps(test)
    def run(self: Any, rig: StoreRig, **arguments: Any) -> None:
        async def inside() -> None:
            async with rig:
                await test(self, rig, **arguments)

        asyncio.run(inside())

    return run


# What tests say often.


def create(rig: StoreRig, model: type, values: dict[str, Any], **options: Any) -> Awaitable[Written]:
    """Insert a row."""
    return rig.store.write(Write(rig.sources[model], None, lambda row: values, **options))


def change(
    rig: StoreRig, model: type, key: tuple[Any, ...], values: dict[str, Any] | None, **options: Any
) -> Awaitable[Written]:
    """Update a row; delete it where ``values`` is None."""
    return rig.store.write(Write(rig.sources[model], key, lambda row: values, **options))


async def changes(rig: StoreRig, after: str) -> list[Change]:
    """What the log tells after a seq."""
    await rig.settle()
    return (await rig.store.read(after, 1000)).changes


async def are_alike(rig: StoreRig, *seqs: str | None) -> bool:
    """Whether seqs say the same: a store may have several for one place, between which there is no entry."""
    first, *_, last = sorted(seq or "" for seq in seqs)
    return all(seqs) and all(entry.seq > last for entry in await changes(rig, first))


async def rows(rig: StoreRig, model: type = Todo) -> list[Row]:
    """All rows."""
    return (await rig.store.find(rig.sources[model], Query())).rows
