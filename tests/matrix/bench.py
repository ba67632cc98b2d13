"""A bench: our server under uvicorn behind the fault proxy, with one client in front of it.

One rule: the address that the client knows never changes, whatever becomes of the server.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from livecollections.bayeux import Server, Session
from livecollections.bayeux.session import Link
from livecollections.testing.proxy import FaultProxy

from ..bayeux.wire import Open
from ..serving import served
from .clients import PROGRAMS, Client

TIMEOUT = 2.0
"""Seconds for which a connect is held: a real one's 45 in small, and the clock of all clients' patience."""
MODULES = Path(__file__).parent.parent.parent / "node_modules"

pages = Starlette(
    routes=[
        Mount("/programs", StaticFiles(directory=PROGRAMS)),
        Mount("/node_modules", StaticFiles(directory=MODULES)),
    ]
)


class WithPages:
    """The pages that clients in a browser run in, and the server for everything else."""

    def __init__(self, server: Server) -> None:
        self.server = server

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        is_page = scope["type"] == "http" and scope["path"].startswith(("/programs", "/node_modules"))
        await (pages if is_page else self.server)(scope, receive, send)


class Bench:
    """What a scenario works with.

    transport: what the client was told to use.  server: the one that runs now.  is_lossless: whether the
    client makes good what a broken connection took.
    """

    def __init__(self, proxy: FaultProxy, transport: str, origins: Sequence[str] = ()) -> None:
        self.proxy = proxy
        self.transport = transport
        self.url = f"{proxy.url}/faye"
        self.server = Server(timeout=TIMEOUT)
        self.is_lossless = False
        self._origins = origins
        self._stack = AsyncExitStack()
        self._client: Client | None = None

    @property
    def client(self) -> Client:
        assert self._client is not None
        return self._client

    @client.setter
    def client(self, client: Client) -> None:
        self._client = client

    async def start(self) -> None:
        """Run a new server behind the proxy."""
        self.server = Server(
            timeout=TIMEOUT, ping=TIMEOUT / 2, pong=TIMEOUT / 2, policy=Open(), allowed_origins=self._origins
        )
        url = await self._stack.enter_async_context(served(WithPages(self.server), ws_ping_interval=None))
        self.proxy.aim(url)

    async def stop(self) -> None:
        """Stop the server as a deploy does."""
        await self.server.close()
        await self._stack.aclose()

    async def say(self, channel: str, *numbers: int) -> None:
        """Publish on the server."""
        for number in numbers:
            await self.server.publish(channel, datum(channel, number))

    @property
    def sessions(self) -> list[Session]:
        return [one for one in self.server._exchange.sessions.values() if not one.is_local]

    async def wait_heard(self, channel: str) -> None:
        """Return when the server has somebody's subscription."""
        await self.client.wait(lambda: channel in self.server._exchange._subscribers)


def datum(channel: str, number: int) -> dict[str, Any]:
    """What is published: some clients do not tell their listeners where it was."""
    return {"n": number, "on": channel, "text": "héllo \u2028 </script>", "nothing": None}


def numbers(heard: list[Any], channel: str | None = None) -> list[int]:
    """The numbers of what was heard, on one channel or all."""
    return [one["n"] for one in heard if channel in (None, one["on"])]


@asynccontextmanager
async def bench(transport: str, origins: Sequence[str] = ()) -> AsyncIterator[Bench]:
    """A proxy with a running server behind it; the caller brings the client."""
    async with FaultProxy() as proxy:
        made = Bench(proxy, transport, origins)
        await made.start()
        try:
            yield made
        finally:
            proxy.cut()
            await made.stop()


async def wait_link(bench: Bench, dead: Sequence[Link | None] = (), within: float = 20.0) -> Link:
    """The transport of the only session, when it has one. dead: those that do not count."""
    found: list[Link] = []

    def is_there() -> bool:
        found[:] = [link for session in bench.sessions if (link := link_of(session, bench.transport))]
        return len(bench.sessions) == len(found) == 1 and found[0] not in dead

    await bench.client.wait(is_there, within)
    return found[0]


def link_of(session: Session, transport: str) -> Link | None:
    """What it hears by: of a client that hears by a stream, answers to its connects do not count."""
    link = session.link
    if link is None or link.connection is None or transport != "eventsource":
        return link
    return link if link.connection.transport == transport else None


async def wait_lost(bench: Bench, link: Link) -> None:
    """Return when the server knows that a transport has gone; another may be there already."""
    await bench.client.wait(lambda: all(session.link is not link for session in bench.sessions))
