"""A client that knows HTTP, WebSockets and JSON, and does nothing by itself."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket

from .apps.bayeux import PATH

WITHIN = 10.0
"""Seconds for whatever should happen at once, on a busy machine."""


def connect(client_id: str, kind: str = "long-polling", **fields: Any) -> dict[str, Any]:
    return {"channel": "/meta/connect", "clientId": client_id, "connectionType": kind, "id": "c", **fields}


def subscribe(client_id: str, name: Any, **fields: Any) -> dict[str, Any]:
    return {"channel": "/meta/subscribe", "clientId": client_id, "subscription": name, "id": "s", **fields}


def publish(channel: str, data: Any, **fields: Any) -> dict[str, Any]:
    return {"channel": channel, "data": data, "id": "p", **fields}


HANDSHAKE = {
    "channel": "/meta/handshake",
    "version": "1.0",
    "supportedConnectionTypes": ["long-polling", "websocket"],
    "id": "h",
}


def data(messages: list[Any]) -> list[Any]:
    """What the delivered ones among some messages hold."""
    return [message["data"] for message in messages if "data" in message]


def narrow(connection: socket.socket) -> None:
    """Have the system keep little of what is not read, so that little has to be sent to one who reads nothing."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)


class Socket:
    """A WebSocket that speaks Bayeux."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.heard: list[Any] = []

    async def send(self, *messages: Any) -> None:
        await self.connection.send(json.dumps(messages))

    async def receive(self) -> list[Any]:
        """The messages of the next frame."""
        found = json.loads(await asyncio.wait_for(self.connection.recv(), WITHIN))
        assert isinstance(found, list)
        return found

    async def ask(self, message: Mapping[str, Any]) -> Any:
        """The reply to one message; what is delivered meanwhile is kept."""
        await self.send(message)
        while True:
            messages = await self.receive()
            self.heard += data(messages)
            for reply in messages:
                if "successful" in reply and reply.get("id") == message.get("id"):
                    return reply

    async def hear(self, count: int) -> list[Any]:
        """The next so many data, in order."""
        while len(self.heard) < count:
            self.heard += data(await self.receive())
        heard, self.heard = self.heard[:count], self.heard[count:]
        return heard

    async def connected(self, client_id: str, *names: str) -> None:
        """Speak for a session from now on, with subscriptions and a connect that is held."""
        assert (await self.ask(connect(client_id, "websocket")))["successful"]
        for name in names:
            assert (await self.ask(subscribe(client_id, name)))["successful"]
        await self.send(connect(client_id, "websocket", id="held"))

    async def closed(self, within: float = WITHIN) -> int:
        """The code with which it closes."""
        await asyncio.wait_for(self.connection.wait_closed(), within)
        code = self.connection.close_code
        assert code is not None
        return code

    def pause(self) -> None:
        """Read nothing from now on."""
        narrow(self.connection.transport.get_extra_info("socket"))
        self.connection.transport.pause_reading()

    def reset(self) -> None:
        """Break the connection, as a machine that restarts does."""
        raw = self.connection.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.connection.transport.abort()


class Stream:
    """Server-Sent Events, as they come."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.lines = answer.aiter_lines()
        self.heard: list[Any] = []

    def pause(self) -> None:
        """Read nothing from now on: lines are read when they are asked for."""
        narrow(self.answer.extensions["network_stream"].get_extra_info("socket"))

    async def end(self) -> None:
        """Return when it has ended, in order or cut."""
        with suppress(httpx.RemoteProtocolError):
            while await self.line():
                pass

    async def line(self) -> str:
        """The next line that is not empty; "" if there is none."""
        async with asyncio.timeout(WITHIN):
            async for line in self.lines:
                if line:
                    return line
        return ""

    async def hear(self, count: int) -> list[Any]:
        """The next so many data, in order."""
        while len(self.heard) < count:
            line = await self.line()
            assert line, "the stream has ended"
            if line.startswith("data: "):
                self.heard += data(json.loads(line.removeprefix("data: ")))
        heard, self.heard = self.heard[:count], self.heard[count:]
        return heard


class Client:
    """Speaks long-polling to an address; any number of its requests may run at once."""

    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        self.url = url
        self.http = http

    async def request(self, method: str = "POST", path: str = "", **options: Any) -> httpx.Response:
        return await self.http.request(method, self.url + PATH + path, **options)

    async def post(self, *messages: Any, path: str = "") -> list[Any]:
        """The messages of the answer."""
        answer = await self.request(path=path, json=messages)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert isinstance(found, list)
        return found

    async def one(self, message: Any, path: str = "") -> Any:
        """The one reply to one message."""
        (reply,) = await self.post(message, path=path)
        return reply

    async def handshake(self) -> str:
        client_id = (await self.one(HANDSHAKE))["clientId"]
        assert isinstance(client_id, str)
        return client_id

    async def connected(self, *names: str) -> str:
        """A session whose first connect was answered, with subscriptions."""
        client_id = await self.handshake()
        assert (await self.one(connect(client_id)))["successful"]
        for name in names:
            assert (await self.one(subscribe(client_id, name)))["successful"]
        return client_id

    async def publish(self, channel: str, value: Any, **fields: Any) -> None:
        assert (await self.one(publish(channel, value, **fields)))["successful"]

    async def script(self, *messages: Any) -> list[Any]:
        """The messages of an answer by JSONP."""
        answer = await self.request("GET", params={"message": json.dumps(messages), "jsonp": "page.take"})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        assert answer.text.startswith("/**/page.take("), answer.text
        found = json.loads(answer.text.removeprefix("/**/page.take(").removesuffix(");"))
        assert isinstance(found, list)
        return found

    def poll(self, client_id: str, **fields: Any) -> asyncio.Task[list[Any]]:
        """A connect on its way."""
        return asyncio.create_task(self.post(connect(client_id, **fields)))

    async def is_(self, what: str, client_id: str) -> bool:
        """The server's answer to a question on a session."""
        reply = await self.one(publish(f"/is/{what}/{client_id}", None))
        assert reply["successful"] or reply["error"].startswith("403:"), reply
        return bool(reply["successful"])

    async def wait(self, what: str, client_id: str, wanted: bool = True, within: float = WITHIN) -> None:
        """Ask until the answer is the wanted one."""
        async with asyncio.timeout(within):
            while await self.is_(what, client_id) is not wanted:
                pass

    async def held(self, client_id: str, **fields: Any) -> asyncio.Task[list[Any]]:
        """A connect that the server holds now."""
        poll = self.poll(client_id, **fields)
        await self.wait("held", client_id)
        assert not poll.done()
        return poll

    async def hear(self, client_id: str, count: int) -> list[Any]:
        """Poll until so many messages were heard."""
        heard: list[Any] = []
        async with asyncio.timeout(WITHIN):
            while len(heard) < count:
                heard += data(await self.post(connect(client_id)))
        return heard

    @asynccontextmanager
    async def socket(self, path: str = "", url: str = "", **options: Any) -> AsyncIterator[Socket]:
        """A WebSocket, with the same cookies as the requests; at another address if one is given."""
        address = (url or self.url).replace("http", "ws", 1) + PATH + path
        cookies = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.http.cookies.items())}
        options = {"ping_interval": None, "compression": None, "close_timeout": 1, "proxy": None, **options}
        async with open_socket(address, additional_headers=cookies, **options) as connection:
            yield Socket(connection)

    @asynccontextmanager
    async def stream(self, client_id: str) -> AsyncIterator[Stream]:
        """A session's messages by EventSource, on a connection of its own."""
        headers = {"Accept": "text/event-stream"}
        async with (
            self.twin() as twin,
            twin.http.stream("GET", f"{self.url}{PATH}/{client_id}", headers=headers) as answer,
        ):
            yield Stream(answer)

    @asynccontextmanager
    async def twin(self) -> AsyncIterator[Client]:
        """The same client with connections of its own."""
        async with client(self.url, self.http.cookies) as twin:
            yield twin


@asynccontextmanager
async def client(url: str, cookies: httpx.Cookies | None = None) -> AsyncIterator[Client]:
    limits = httpx.Limits(max_connections=None, keepalive_expiry=2)
    async with httpx.AsyncClient(timeout=60, limits=limits, trust_env=False, cookies=cookies) as http:
        yield Client(url, http)
