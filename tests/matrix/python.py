"""Our own Python clients, as the others are driven: the same commands, the same events, in the test's own loop.

``python`` is ``livecollections.bayeux.Client``; ``local`` is what a server gives out in its own process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from livecollections.bayeux import Client as BayeuxClient
from livecollections.bayeux import LocalClient, Reset
from livecollections.errors import BayeuxError

from ..node import Event
from .clients import Client

PATIENCE = 1.5


class Python:
    """Clients over sockets."""

    def client(self, name: str) -> Client:
        return _Driven(name).client


class Local:
    """Clients in the server's process; they are opened with it as an option."""

    def client(self, name: str) -> Client:
        return _Near(name).client


class _Base:
    def __init__(self, name: str) -> None:
        self.client = Client(name, self._do)
        self._tasks: list[asyncio.Task[None]] = []

    async def _do(self, command: Event) -> None:
        fields = {key: value for key, value in command.items() if key not in ("do", "name")}
        await getattr(self, "do_" + command["do"])(**fields)

    def _tell(self, event: str, **fields: Any) -> None:
        self.client.events.append({"event": event, "name": self.client.name, **fields})

    def _begin(self, work: Awaitable[None]) -> None:
        async def watched() -> None:
            try:
                await work
            except Exception as error:
                self._tell("fault", text=repr(error))

        self._tasks.append(asyncio.create_task(watched()))

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tell("disconnected")

    async def do_batch(self, messages: list[dict[str, Any]]) -> None:
        for message in messages:
            await self.do_publish(**message)

    async def do_publish(self, channel: str, data: Any) -> None:
        raise NotImplementedError


class _Driven(_Base):
    _open: BayeuxClient

    def incoming(self, message: dict[str, Any]) -> dict[str, Any]:
        """The client's extension."""
        if message.get("successful") and message["channel"] in ("/meta/handshake", "/meta/connect"):
            self._tell(message["channel"].removeprefix("/meta/"))
        return message

    async def do_open(self, url: str, transport: str, options: dict[str, Any]) -> None:
        ack = bool(options.get("ack", True))
        self._open = BayeuxClient(
            url, transports=[transport], extensions=[self], patience=PATIENCE, timeout=60, ack=ack
        )
        await self._open.__aenter__()

    async def do_subscribe(self, channel: str) -> None:
        async def hear() -> None:
            async with self._open.subscribe(channel, buffer=10_000) as subscription:
                self._tell("subscribed", channel=channel)
                async for message in subscription:
                    if isinstance(message, Reset):
                        self._tell("reset", channel=channel)
                    else:
                        self._tell("message", channel=channel, data=message.data)

        self._begin(hear())

    async def do_publish(self, channel: str, data: Any) -> None:
        async def publish() -> None:
            try:
                await self._open.publish(channel, data)
                self._tell("published", channel=channel)
            except BayeuxError as error:
                self._tell("refused", channel=channel, error=str(error))

        self._begin(publish())

    async def do_call(self, channel: str, data: Any) -> None:
        async def call() -> None:
            self._tell("answered", data=await self._open.call(channel, data))

        self._begin(call())

    async def do_disconnect(self) -> None:
        await self._open.close()
        await self._end()


class _Near(_Base):
    _open: LocalClient

    async def do_open(self, url: str, transport: str, options: dict[str, Any]) -> None:
        self._open = options["server"].local_client()

    async def do_subscribe(self, channel: str) -> None:
        await self._open.subscribe(channel, lambda data: self._tell("message", channel=channel, data=data))
        self._tell("subscribed", channel=channel)

    async def do_publish(self, channel: str, data: Any) -> None:
        await self._open.publish(channel, data)
        self._tell("published", channel=channel)

    async def do_disconnect(self) -> None:
        await self._open.disconnect()
        await self._end()
