"""A Live with users, asked without a socket: REST by httpx, Bayeux by frames, and its database seen from outside."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel
from starlette.requests import HTTPConnection

from livecollections import Live
from tests.bayeux.wire import VERSION, Socket
from tests.databases.database import Database
from tests.databases.fixtures import database as database
from tests.databases.fixtures import databases as databases
from tests.databases.fixtures import postgres as postgres
from tests.databases.fixtures import pytest_generate_tests as pytest_generate_tests
from tests.serving import wait_until


class Sheet(SQLModel, table=True):
    """A row with an owner, a secret, and something that only its boss may set."""

    __tablename__ = "policy_sheet"
    __table_args__ = (UniqueConstraint("title", "secret"),)
    id: int | None = Field(default=None, primary_key=True)
    title: str = Field(default="", sa_column_kwargs={"server_default": ""})
    secret: int = Field(default=0, ge=0, sa_column_kwargs={"server_default": "0"})
    grade: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    owner: int | None = 1


class Line(SQLModel, table=True):
    """A message in a room."""

    __tablename__ = "policy_line"
    id: int | None = Field(default=None, primary_key=True)
    room: str
    text: str = ""


@dataclass
class User:
    """Equal to whoever has the same id, whatever his rights are."""

    id: int
    is_boss: bool = field(default=False, compare=False)
    rooms: tuple[str, ...] = field(default=(), compare=False)
    expires_at: float | None = field(default=None, compare=False)


class Users:
    """Who is known, by token; the application's own ``authenticate``."""

    def __init__(self) -> None:
        self.by_token: dict[str, User] = {
            "ann": User(1),
            "bob": User(2),
            "boss": User(9, is_boss=True),
        }
        self.asked = 0
        self.by_connection = True
        """Whether a WebSocket, too, says by its own headers whose it is."""

    async def __call__(self, connection: HTTPConnection, ext: Mapping[str, Any]) -> User | None:
        self.asked += 1
        bearer = connection.headers.get("authorization", "").removeprefix("Bearer ")
        if connection.scope["type"] == "websocket" and not self.by_connection:
            bearer = ""
        token = ext.get("token") or bearer or connection.cookies.get("user", "")
        return self.by_token.get(token) or self.by_token.get(connection.cookies.get("user", ""))


class Heard:
    """A Bayeux client on a WebSocket, and all that it is told."""

    def __init__(self, socket: Socket, client_id: str) -> None:
        self.socket = socket
        self.id = client_id
        self._messages: list[dict[str, Any]] = []

    async def subscribe(self, channel: str, since: str | None = None) -> dict[str, Any]:
        """The reply."""
        ext = {"live": {"since": since} if since else {}}
        asked = {
            "channel": "/meta/subscribe",
            "subscription": channel,
            "clientId": self.id,
            "id": "s",
            "ext": ext,
        }
        reply: dict[str, Any] = await self.socket.reply(asked)
        return reply

    async def publish(self, channel: str, data: Any) -> dict[str, Any]:
        """The reply."""
        reply: dict[str, Any] = await self.socket.reply(
            {"channel": channel, "data": data, "clientId": self.id, "id": "p"}
        )
        return reply

    async def ask(self, channel: str, **fields: Any) -> dict[str, Any]:
        """The reply to a message of the protocol."""
        reply: dict[str, Any] = await self.socket.reply(
            {"channel": channel, "clientId": self.id, "id": "a", **fields}
        )
        return reply

    def taken(self) -> list[dict[str, Any]]:
        """The data of all messages that have come, each with its channel."""
        while self.socket.frames:
            self._messages += [one for one in json.loads(self.socket.frames.pop(0)) if "data" in one]
        messages, self._messages = self._messages, []
        return [{**message["data"], "channel": message["channel"]} for message in messages]

    async def next(self) -> dict[str, Any]:
        """The data of the next message, with its channel."""
        while not self._messages:
            self._messages += [one for one in await self.socket.receive() if "data" in one]
        message = self._messages.pop(0)
        return {**message["data"], "channel": message["channel"]}


class Site:
    """A started Live and its callers."""

    def __init__(self, live: Live, database: Database, users: Users, stack: AsyncExitStack) -> None:
        self.live = live
        self.database = database
        self.users = users
        self._stack = stack
        self._app = httpx.ASGITransport(live.app, raise_app_exceptions=False)

    def client(self, token: str | None = None, **options: Any) -> httpx.AsyncClient:
        """Someone who asks by REST, with a bearer token."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.AsyncClient(transport=self._app, base_url="http://site", headers=headers, **options)

    async def hear(self, token: str | None = None, *, headers: Any = (), **scope: Any) -> Heard:
        """Someone who hears, with a token in his handshake."""
        socket = await self._stack.enter_async_context(Socket(self.live.bayeux, headers, **scope))
        ext = {"ext": {"token": token, "live": {"version": 1}}} if token else {}
        reply = await socket.reply({"channel": "/meta/handshake", "id": "h", **VERSION, **ext})
        heard = Heard(socket, reply["clientId"])
        await socket.reply(
            {"channel": "/meta/connect", "connectionType": "websocket", "clientId": heard.id, "id": "c"}
        )
        socket.send(
            {"channel": "/meta/connect", "connectionType": "websocket", "clientId": heard.id, "id": "d"}
        )
        return heard

    def rows(self, model: type[Any], *names: str) -> list[tuple[Any, ...]]:
        """What is stored, in the order of the keys: of each row the values of some fields."""
        return [tuple(row[name] for name in names) for row in self.database.rows(model)]

    async def renew_in(self, seconds: float) -> None:
        """Let so many seconds pass for sessions, and ask again about those that are due then."""
        exchange = self.live.bayeux._exchange
        clock = exchange.clock
        exchange.clock = lambda: clock() + seconds
        await self.live._require_start().rights.renew_due()

    async def settled(self) -> None:
        """Return when all that is in the log has been published."""
        end = await self.database.end(self.live._store)
        await wait_until(lambda: self.live._require_start().feed.position() >= end)


@asynccontextmanager
async def started(
    database: Database, declare: Callable[[Live], None], users: Users, **options: Any
) -> AsyncIterator[Site]:
    """A site whose ``Live`` is declared so, on a database."""
    live = database.live(**{"authenticate": users, **options})
    declare(live)
    async with live, AsyncExitStack() as stack:
        yield Site(live, database, users, stack)


Make = Callable[..., Awaitable[Site]]


@pytest.fixture
async def make(database: Database) -> AsyncIterator[Make]:
    async with AsyncExitStack() as stack:

        async def start(declare: Callable[[Live], None], **options: Any) -> Site:
            return await stack.enter_async_context(started(database, declare, Users(), **options))

        yield start


def now() -> float:
    """Seconds since 1970."""
    return time.time()
