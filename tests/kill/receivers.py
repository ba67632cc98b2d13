"""Those who hear: our client from a position, and a plain speaker of Bayeux that keeps positions by itself.

Each remembers all that it was told, in order, and passes over nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Any

import httpx
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import WebSocketException

from livecollections.bayeux import Client, Reset

from .site import PATH

PAUSE = 0.03
"""Seconds before a plain receiver tries again."""
PATIENCE = 10.0
"""Seconds for an answer; a server that was killed refuses at once."""


class Receiver(ABC):
    """seen: the data of each message.  resets: what said that something can't be told.  lives: sessions that it had."""

    def __init__(self, name: str, url: str, since: str) -> None:
        self.name = name
        self.url = f"{url}/faye"
        self.position = since
        self.seen: list[dict[str, Any]] = []
        self.resets: list[Any] = []
        self.lives = 0

    @property
    def last(self) -> str:
        """The seq of the last message."""
        return self.seen[-1]["seq"] if self.seen else ""

    @abstractmethod
    async def run(self) -> None:
        """Hear until cancelled."""


class Ours(Receiver):
    """``livecollections.bayeux.Client``, which finds its way back by itself."""

    def __init__(self, name: str, url: str, since: str, transport: str) -> None:
        super().__init__(f"our client, {name}, {transport}", url, since)
        self._transport = transport

    def incoming(self, message: dict[str, Any]) -> dict[str, Any]:
        """Count sessions, as an extension of the client."""
        self.lives += message.get("channel") == "/meta/handshake" and message.get("successful") is True
        return message

    async def run(self) -> None:
        client = Client(
            self.url, transports=[self._transport], extensions=[self], patience=PATIENCE, timeout=60
        )
        async with client, client.subscribe(PATH, self.position, buffer=100_000) as subscription:
            async for message in subscription:
                if isinstance(message, Reset):
                    self.resets.append(message.reason)
                else:
                    self.seen.append(message.data)


class Plain(Receiver):
    """Faye's protocol by hand: a session ends with its server, and the next begins after the last seq."""

    def __init__(self, name: str, url: str, since: str) -> None:
        super().__init__(f"plain {self.kind}, {name}", url, since)
        self._ids = map(str, itertools.count())
        self._client_id: str | None = None

    kind: str

    async def run(self) -> None:
        while True:
            with suppress(httpx.HTTPError, OSError, WebSocketException, TimeoutError):
                await self._hear()
            await asyncio.sleep(PAUSE)

    @abstractmethod
    async def _hear(self) -> None:
        """Speak until the server is gone, or knows the session no longer."""

    def begin(self) -> dict[str, Any]:
        return self._message("/meta/handshake", version="1.0", supportedConnectionTypes=[self.kind])

    def subscribe(self) -> dict[str, Any]:
        return self._message("/meta/subscribe", subscription=PATH, ext={"live": {"since": self.position}})

    def connect(self) -> dict[str, Any]:
        ext = {"live": {"at": {PATH: self.position}}}
        return self._message("/meta/connect", connectionType=self.kind, ext=ext)

    def _message(self, channel: str, **fields: Any) -> dict[str, Any]:
        session = {} if channel == "/meta/handshake" else {"clientId": self._client_id}
        return {"channel": channel, "id": next(self._ids), **session, **fields}

    def take(self, messages: list[dict[str, Any]]) -> bool:
        """Read what came; False where the session is known no longer."""
        for message in messages:
            if message["channel"] == PATH:
                self.hear(message["data"])
            elif message.get("successful") is False:
                return False
            elif message["channel"] == "/meta/handshake":
                self._client_id = message["clientId"]
                self.lives += 1
            elif message["channel"] == "/meta/subscribe" and "reset" in message["ext"]["live"]:
                self.resets.append(message)
        return True

    def hear(self, data: dict[str, Any]) -> None:
        """One message."""
        if data["method"] == "RESET":
            self.resets.append(data)
        self.seen.append(data)
        self.position = data["seq"]


class Polling(Plain):
    """Over long-polling; it asks for the session that it had before it begins another."""

    kind = "long-polling"

    async def _hear(self) -> None:
        async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as http:

            async def ask(message: dict[str, Any]) -> bool:
                answer = await http.post(self.url, json=[message])
                return self.take(answer.raise_for_status().json())

            if not (self._client_id and await ask(self.connect())):
                await ask(self.begin())
                await ask(self.subscribe())
            while await ask(self.connect()):
                pass
            self._client_id = None


class Socket(Plain):
    """Over WebSocket; each socket is a session of its own."""

    kind = "websocket"

    async def _hear(self) -> None:
        async with open_socket(self.url.replace("http", "ws"), open_timeout=PATIENCE) as socket:
            for make in (self.begin, self.subscribe, self.connect):
                message = make()
                await socket.send(json.dumps([message]))
                while message["id"] not in await self._receive(socket):
                    pass
            while True:
                message = self.connect()
                await socket.send(json.dumps([message]))
                while message["id"] not in await self._receive(socket):
                    pass

    async def _receive(self, socket: Any) -> list[Any]:
        """The ids of what was answered."""
        messages = json.loads(await asyncio.wait_for(socket.recv(), 60))
        if not self.take(messages):
            raise TimeoutError
        return [message.get("id") for message in messages]


class Hesitant(Polling):
    """A planted fault: its position is that of the message before the last."""

    def hear(self, data: dict[str, Any]) -> None:
        before = self.last
        super().hear(data)
        self.position = before or self.position
