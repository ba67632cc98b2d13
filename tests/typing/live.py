"""The types of what is declared and served, and of the collections of Python programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, Literal, assert_type

import sqlalchemy.ext.asyncio
from fastapi import Depends
from pydantic import BaseModel
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from sqlmodel import Field, SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

import livecollections
from livecollections import (
    Change,
    DocumentChange,
    Live,
    LiveClient,
    LiveCollection,
    LiveError,
    LiveRouter,
    Log,
    Operation,
    Webhook,
)
from livecollections.bayeux import Client, Server

assert_type(livecollections.__version__, str)


async def known(connection: HTTPConnection, ext: Mapping[str, Any]) -> str | None:
    return connection.headers.get("x-user")


live = Live(
    "sqlite://",
    authenticate=known,
    allowed_origins=["https://example.org"],
    releases=["1.0.0"],
    create_tables=False,
    capture="check",
    log=Log(days=7, changes=1_000, prefix="live_", schema=None),
    synchronous="NORMAL",
    notify=False,
    faye="/faye",
    bayeux=Server(),
)
router = LiveRouter(prefix="/api")
hook = Webhook("https://example.org/hook", "secret", name="orders", events=["create"])


def checked(operation: Operation) -> None:
    assert_type(operation.method, str)
    assert_type(operation.path, str)
    assert_type(operation.user, Any)
    assert_type(operation.key, tuple[Any, ...] | None)
    assert_type(operation.body, Any)
    assert_type(operation.before, Mapping[str, Any] | None)
    assert_type(operation.after, Mapping[str, Any] | None)
    assert_type(operation.values, dict[str, Any])


def is_stranger(user: object) -> bool:
    return user is None


class Shown(BaseModel):
    title: str


@live.resource(
    "/api/todos",
    read=Shown,
    exclude=["secret"],
    hidden={"note": is_stranger},
    policy={"read": True, "delete": lambda user: user == "ann"},
    partition="owner",
    by=lambda user: user.name,
    sort="-id",
    limit=(10, 100),
    methods=["GET", "POST"],
    operators={"done": ["$set"]},
    versions="<2",
    webhooks=[hook],
    before_write=checked,
    after_commit=[checked],
)
class Todo(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str


assert_type(Todo(title="milk").title, str)
assert_type(live.add_resource("/api/more", Todo, tags=["todos"]), None)
assert_type(live.add_table("/api/orders", "shop_order", methods=["GET"]), None)
assert_type(router.add_table("/orders", "shop_order"), None)
assert_type(router.add_resource("/todos", Todo, delete_all=True), None)
assert_type(live.include_router(router), None)
assert_type(router.include_router(LiveRouter()), None)
assert_type(router.resource("/todos")(Todo), type[Todo])


@router.on(Todo, "create")
def plain(change: Change) -> int:
    assert_type(change.seq, str)
    assert_type(change.source, str)
    assert_type(change.method, Literal["POST", "PUT", "DELETE", "RESET"])
    assert_type(change.key, tuple[Any, ...])
    assert_type(change.before, Mapping[str, Any] | None)
    assert_type(change.after, Mapping[str, Any] | None)
    assert_type(change.origin, str | None)
    assert_type(change.at, float)
    return 1


@live.on(Todo, "update", "delete", durable="mail")
async def told(change: Change) -> None:
    assert_type(plain(change), int)
    assert_type(change.cause is None, bool)


def served(app: ASGIApp) -> None:
    assert_type(live.app, Starlette)
    assert_type(live.router, BaseRoute)
    assert_type(live.lifespan, Callable[[Any], AbstractAsyncContextManager[None]])
    assert_type(live.mount(app, prefix="/shop"), None)
    assert_type(live.wrap(app), ASGIApp)
    assert_type(live.bayeux, Server)


async def used() -> None:
    async with live as started:
        assert_type(started, Live)
    documents, seq = await live.snapshot(Todo, user="ann")
    assert_type(documents, list[dict[str, Any]])
    assert_type(seq, str)
    assert_type(live.statistics().seq, str)
    assert_type(await live.recheck("ann"), None)
    assert_type(live.disconnect("ann"), None)
    letters = await live.webhooks.dead_letters("orders")
    assert_type(letters[0].seq, str)
    async with live.session() as session:
        assert_type(session, AsyncSession)
        assert_type(list(await session.exec(select(Todo))), list[Todo])
        alike: sqlalchemy.ext.asyncio.AsyncSession = session
        assert_type(await alike.commit(), None)


async def used_with_mongodb(database: AsyncDatabase[dict[str, Any]]) -> None:
    stored: Live[AsyncClientSession] = Live(database)
    assert_type(stored, Live[AsyncClientSession])
    async with stored as started, started.session() as session:
        assert_type(session, AsyncClientSession)
    either: Live[Any] = stored
    assert_type(either.app, Starlette)


async def depended(session: Annotated[AsyncSession, Depends(live.session)]) -> None:
    assert_type(await session.commit(), None)


def of_options(log: Log, hook: Webhook) -> None:
    assert_type(log.days, float)
    assert_type(log.changes, int)
    assert_type(log.prefix, str)
    assert_type(log.schema, str | None)
    assert_type(hook.url, str)
    assert_type(hook.name, str | None)
    assert_type(hook.keys, list[bytes])


async def followed() -> None:
    async with LiveClient("http://127.0.0.1:8000", token=lambda: "secret", timeout=10) as client:
        assert_type(client, LiveClient)
        assert_type(client.bayeux, Client)
        async with client.collection("/api/todos", model=Todo, optimistic=True) as todos:
            assert_type(todos, LiveCollection[Todo])
            assert_type([each.title for each in todos], list[str])
            assert_type(todos[7], Todo)
            assert_type(todos.get(7), Todo | None)
            assert_type(todos.keys(), list[str])
            assert_type(len(todos), int)
            assert_type(await todos.create({"title": "milk"}), Todo)
            assert_type(await todos.update(7, title="bread"), Todo)
            assert_type(await todos.replace(7, Todo(title="bread")), Todo)
            assert_type(await todos.delete(7), None)
            assert_type(await todos.wait_live(5), None)
            assert_type(await todos.wait_until(lambda now: len(now) > 1), None)
            assert_type(await todos.read(), None)
            assert_type(todos.unsaved, list[str])
            assert_type(todos.drafts, dict[str, Todo])
            assert_type(await todos.retry("draft"), Todo)
            assert_type(todos.discard("draft"), None)
            assert_type(todos.set_local(7, title="b"), None)
            assert_type(todos.error, LiveError | None)
            async for change in todos.changes():
                assert_type(change, DocumentChange)
                assert_type(change.key, str | None)
                assert_type(change.seq, str | None)
                assert_type(change.own, bool)
                assert_type(change.draft, str | None)
            assert_type(await todos.close(), None)
        async with client.collection("/api/todos") as rows:
            assert_type(rows, LiveCollection[dict[str, Any]])
            assert_type(rows.live, Literal["off", "connecting", "live", "stale", "refused"])
        assert_type(await client.close(), None)
