"""Clients of others, driven by a line of JSON: in Node, and in pages of Chromium.

One rule: all understand the same commands and tell the same events (see ``programs/``), so a scenario knows no
client. Nothing is known here of the server but its address.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from playwright.async_api import Browser

from ..node import Event, Node, running
from ..serving import wait_until

PROGRAMS = Path(__file__).parent / "programs"


class Client:
    """One client: what it was told to do, and the events that it told.

    Args:
        name: tells it from others of its process.
        send: gives a command to where the client runs.
    """

    def __init__(self, name: str, send: Callable[[Event], Awaitable[None] | None]) -> None:
        self.name = name
        self.events: list[Event] = []
        self._send = send

    async def do(self, command: str, **fields: Any) -> None:
        done = self._send({"do": command, "name": self.name, **fields})
        if done is not None:
            await done

    async def open(self, url: str, transport: str, **options: Any) -> None:
        """Make the client; it connects when it first has to."""
        await self.do("open", url=url, transport=transport, options=options)

    async def subscribe(self, *channels: str) -> None:
        """Subscribe, and wait until the server has confirmed."""
        for channel in channels:
            await self.do("subscribe", channel=channel)
            await self.wait(partial(self._is_subscribed, channel))

    def _is_subscribed(self, channel: str) -> bool:
        return any(one["channel"] == channel for one in self.of("subscribed"))

    def of(self, event: str) -> list[Event]:
        return [one for one in self.events if one["event"] == event]

    def heard(self, channel: str) -> list[Any]:
        """The data that the listener of this channel or pattern was called with."""
        return [one["data"] for one in self.of("message") if one["channel"] == channel]

    async def wait_count(self, event: str, count: int, within: float = 20.0) -> None:
        await self.wait(lambda: len(self.of(event)) >= count, within)

    async def wait(self, condition: Callable[[], Any], within: float = 20.0) -> None:
        """Return when it is true; a failure shows what the client told last."""

        def checked() -> bool:
            assert not self.of("fault"), self.of("fault")
            return bool(condition())

        try:
            await wait_until(checked, within)
        except AssertionError as error:
            error.add_note(f"the last events of {self.name}: {self.events[-12:]}")
            raise


class Program(Node):
    """A Node process in which many clients of one kind run."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        super().__init__(process)
        self._clients: dict[str, Client] = {}

    def client(self, name: str) -> Client:
        client = self._clients[name] = Client(name, self.send)
        return client

    def hear(self, event: Event) -> None:
        """Give each event to its client; a fault that none can be blamed for is everybody's."""
        super().hear(event)
        for client in [self._clients[event["name"]]] if "name" in event else self._clients.values():
            client.events.append(event)


@asynccontextmanager
async def program(kind: str) -> AsyncIterator[Program]:
    """Run ``programs/<kind>.mjs`` in Node."""
    async with running(Program, PROGRAMS / "node.mjs", kind) as found:
        await wait_until(lambda: found.told("ready"), 20)
        yield found


@asynccontextmanager
async def page(browser: Browser, kind: str, address: str, name: str) -> AsyncIterator[Client]:
    """Run ``programs/<kind>.mjs`` in a page of its own, which comes from ``address``, with cookies of its own."""
    view = await browser.new_page()
    try:
        client = Client(
            name, lambda command: view.evaluate("json => window.command(json)", json.dumps(command))
        )
        await view.expose_function("told", lambda text: client.events.append(json.loads(text)))
        await view.goto(f"{address}/programs/page.html?client={kind}")
        await client.wait_count("ready", 1)
        yield client
    finally:
        await view.close()
