"""A receiver as others run one: a real HTTP server, which checks each message with a library that is not ours."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import standardwebhooks
from sqlmodel import Field, SQLModel
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from livecollections import Live, Webhook
from tests.serving import served

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()
PATH = "/api/orders"


class Order(SQLModel, table=True):
    __tablename__ = "webhooks_order"
    id: int | None = Field(default=None, primary_key=True)
    text: str
    secret: str = "never told"


class Shown(SQLModel):
    """What GET shows of an order."""

    id: int
    text: str


@dataclass
class Answer:
    """What the receiver answers. hangs: never, once it has been asked.  endless: with a body that does not end."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    endless: bool = False


class Receiver:
    """Hears messages at any path. answer: what to answer to a message; raises for one whose signature is wrong."""

    def __init__(self, secret: str = SECRET) -> None:
        self.verifier = standardwebhooks.Webhook(secret)
        self.answer: Callable[[dict[str, Any]], Answer] = lambda message: Answer()
        self.heard: list[dict[str, Any]] = []
        self.taken: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.times: list[float] = []
        self.clients: set[Any] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        request = Request(scope, receive)
        body = await request.body()
        headers = dict(request.headers)
        message = self.verifier.verify(body, headers)
        self.paths.append(request.url.path)
        self.headers.append(headers)
        self.heard.append(message)
        self.clients.add(scope["client"])
        self.times.append(asyncio.get_running_loop().time())
        answer = self.answer(message)
        if answer.hangs:
            await receive()
            return
        if 200 <= answer.status < 300:
            self.taken.append(message)
        given = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": given})
        while answer.endless and not await request.is_disconnected():
            await send({"type": "http.response.body", "body": bytes(65536), "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _live(self, receive: Receive, send: Send) -> None:
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})

    def texts(self, messages: list[dict[str, Any]]) -> list[str]:
        """What the orders of messages say; a reset's is its method."""
        return [message["data"].get("body", {}).get("text", "RESET") for message in messages]


@asynccontextmanager
async def receiving(secret: str = SECRET, **options: Any) -> AsyncIterator[tuple[Receiver, str]]:
    """A receiver, and its URL."""
    receiver = Receiver(secret)
    async with served(receiver, **options) as address:
        yield receiver, f"{address}/hooks"


def selling(folder: Path, url: str, **options: Any) -> Live:
    """A Live whose orders are posted there."""
    live = Live(f"sqlite:///{folder / 'shop.db'}")
    hook = Webhook(url, options.pop("secret", SECRET), **{"allow_private": True, **options})
    live.add_resource(PATH, Order, read=Shown, exclude=("secret",), webhooks=[hook])
    return live


async def order(live: Live, *texts: str) -> None:
    """Write orders, each in a commit of its own."""
    async with live.session() as session:
        for text in texts:
            session.add(Order(text=text))
            await session.commit()
