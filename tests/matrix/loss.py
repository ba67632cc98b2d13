"""What is lost and doubled while connections are cut: one run of one client, against our server or Faye's.

Two rules. A message is *exposed* by a cut if it was on its way then, published and not heard yet, or published
before the server discovered the cut. What is asserted is said with each run.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from livecollections.bayeux import MemoryHistory, Server
from livecollections.testing.proxy import FaultProxy

from ..bayeux.wire import Log, Open
from ..node import Node, running
from ..serving import served, wait_until
from .clients import PROGRAMS, Client

TIMEOUT = 20.0
SPACING = 0.005
BETWEEN_CUTS = 0.7
CHANNEL = "/loss"
END = "/loss_end"
WITHIN = 30.0

Publish = Callable[[str, int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Run:
    """A client, how it was made, and what it talks to.

    server: "ours" on a plain channel, "kept" on one with a history, "resource" on a fed one, or "faye".
    may_lose: "nothing", "exposed" or "anything".
    """

    kind: str
    transport: str
    server: str
    may_lose: str
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        extra = "".join(f" with {option}" for option in self.options)
        return f"{self.kind}{extra}, {self.transport}, {self.server}"


@dataclass(frozen=True, slots=True)
class Losses:
    """What became of the messages.

    exposed: how many a cut may have taken along.  elsewhere: lost ones that no cut can have taken.
    """

    sent: int
    cuts: int
    lost: int
    doubled: int
    exposed: int
    elsewhere: int
    in_order: bool


class Target:
    """A server behind the proxy."""

    def __init__(self, proxy: FaultProxy, publish: Publish, notices: Callable[[], bool]) -> None:
        self.proxy = proxy
        self.publish = publish
        self.notices = notices
        """Whether the server knows that no connection is there; where it can't be seen, true."""


@asynccontextmanager
async def ours(kind: str) -> AsyncIterator[Target]:
    server = Server(timeout=TIMEOUT, policy=Open())
    if kind == "kept":
        server.channel(CHANNEL, history=MemoryHistory(messages=10_000, channel_bytes=10_000_000))
    log = Log(server, CHANNEL) if kind == "resource" else None

    async def publish(channel: str, number: int) -> None:
        if log is not None and channel == CHANNEL:
            log.add(number)
        else:
            await server.publish(channel, {"n": number})

    def notices() -> bool:
        return all(session.link is None for session in server._exchange.sessions.values())

    async with served(server, ws_ping_interval=None) as url, FaultProxy(url) as proxy:
        yield Target(proxy, publish, notices)
        await server.close()


@asynccontextmanager
async def fayes() -> AsyncIterator[Target]:
    async with running(Node, PROGRAMS / "faye_server.mjs", str(TIMEOUT)) as node:

        async def publish(channel: str, number: int) -> None:
            node.send({"channel": channel, "data": {"n": number}})

        await wait_until(lambda: node.told("ready"), 20)
        async with FaultProxy(f"http://127.0.0.1:{node.told('ready')[0]['port']}") as proxy:
            yield Target(proxy, publish, lambda: True)


async def lose(run: Run, client: Client, count: int) -> Losses:
    """Publish ``count`` messages while every connection is cut again and again; count what arrives."""
    async with AsyncExitStack() as stack:
        target = await stack.enter_async_context(fayes() if run.server == "faye" else ours(run.server))
        options = {"ack": False, **dict.fromkeys(run.options, True)}
        await client.open(f"{target.proxy.url}/faye", run.transport, **options)
        await client.subscribe(CHANNEL, END)
        if run.server != "faye":
            # Faye's own server holds the first one.
            await client.wait_count("connect", 1)
        progress = Progress(client)
        cutting = asyncio.create_task(cut(target, progress))
        begun = time.monotonic()
        for number in range(count):
            await asyncio.sleep(max(0.0, begun + number * SPACING - time.monotonic()))
            await target.publish(CHANNEL, number)
            progress.published = number + 1
        cutting.cancel()
        await finish(target, client, run.may_lose == "nothing", count)
        await client.do("disconnect")
        await client.wait_count("disconnected", 1)
        return progress.losses()


async def cut(target: Target, progress: Progress) -> None:
    while True:
        await asyncio.sleep(BETWEEN_CUTS)
        first = max(numbers(progress.client), default=-1) + 1
        target.proxy.cut()
        while not target.notices():  # noqa: ASYNC110  the very turn of the loop counts
            await asyncio.sleep(0)
        progress.exposures.append(range(first, progress.published))


async def finish(target: Target, client: Client, waits_for_all: bool, count: int) -> None:
    """Return when nothing can come any more: the client hears what is published after all else."""
    ended = 0
    deadline = time.monotonic() + WITHIN
    while not client.heard(END) or (waits_for_all and len(set(numbers(client))) < count):
        await target.publish(END, ended)
        ended += 1
        await asyncio.sleep(0.1)
        if time.monotonic() > deadline:
            return


def numbers(client: Client) -> list[int]:
    return [data["body"]["id"] if "body" in data else data["n"] for data in client.heard(CHANNEL)]


class Progress:
    """How far a run is. published: how many messages.  exposures: by cut, those that it may have taken along."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.published = 0
        self.exposures: list[range] = []

    def losses(self) -> Losses:
        told = numbers(self.client)
        heard = Counter(told)
        lost = {number for number in range(self.published) if number not in heard}
        exposed = {number for exposure in self.exposures for number in exposure}
        return Losses(
            sent=self.published,
            cuts=len(self.exposures),
            lost=len(lost),
            doubled=len(told) - len(heard),
            exposed=len(exposed),
            elsewhere=len(lost - exposed),
            in_order=told == sorted(told),
        )
