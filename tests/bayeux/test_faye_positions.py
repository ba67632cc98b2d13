"""The extension of the docs for Faye's own client, unmodified: cuts lose nothing, and double nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from livecollections.bayeux import MemoryHistory, Server
from livecollections.testing.proxy import FaultProxy

from ..scale import scaled
from ..serving import served, wait_until
from .test_faye import TRANSPORTS, Faye, node
from .wire import Log, Open

ROOM = "/chat/1"
EXTENSION = Path(__file__).parent / "faye_positions.js"
DOCS = Path(__file__).parent.parent.parent / "docs" / "bayeux.md"


def test_the_docs_show_what_is_tested() -> None:
    text = EXTENSION.read_text("utf-8")
    shown = text[text.index("// Tells") : text.index("module.exports")].strip()
    assert f"```js\n{shown}\n```" in DOCS.read_text("utf-8")


async def storm(
    faye: Faye, proxy: FaultProxy, count: int, publish: Callable[[float], Awaitable[None]]
) -> int:
    """Publish in small bursts while every connection is cut again and again; returns how many were."""
    cuts = 0
    for number in range(count):
        await publish(number)
        if number % 3 == 0:
            await asyncio.sleep(0)
        if number % 25 == 24:
            heard = len(faye.of("message", "ann"))
            await faye.wait_count("message", "ann", heard + 1)
            await faye.wait(lambda: proxy.traffic.open)
            # Written into sockets that are about to be reset, before they are known to be.
            await publish(-number)
            cuts += proxy.cut()
            await publish(-number - 0.5)
    return cuts


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("channel", [ROOM, "/api/todos", "/chat/*"])
async def test_cuts_lose_nothing_and_double_nothing(channel: str, transport: str) -> None:
    server = Server(timeout=2, policy=Open())
    server.channel("/chat/**", history=MemoryHistory(messages=10_000, channel_bytes=10_000_000))
    log = Log(server)
    published: list[Any] = []

    async def publish(number: float) -> None:
        if channel == log.channel:
            published.append(log.add(len(published)))
        else:
            published.append({"n": number})
            await server.publish(ROOM, published[-1])

    async with served(server) as url, FaultProxy(url) as proxy, node() as faye:
        faye.do("open", "ann", url=f"{proxy.url}/faye", transport=transport, resumes=True)
        await faye.subscribe("ann", channel)
        cuts = await storm(faye, proxy, scaled(200, 600), publish)
        await faye.wait(lambda: len(faye.of("message", "ann")) >= len(published), 30)
        heard = faye.data("ann")
        assert [one["seq"] for one in heard] == published if channel == log.channel else heard == published
        assert cuts >= 8
        assert faye.of("lost", "ann") == []


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_session_that_ends_is_gone_on_with(transport: str) -> None:
    server = Server(timeout=2, policy=Open())
    server.channel("/chat/**", history=100)
    async with served(server) as url, node() as faye:
        faye.do("open", "ann", url=f"{url}/faye", transport=transport, resumes=True)
        await faye.subscribe("ann", "/chat/*")
        for number in range(3):
            await server.publish(ROOM, number)
            await server.publish("/chat/2", number)
            await faye.wait_count("message", "ann", 4 * number + 2)
            (session,) = [one for one in server.sessions.values() if not one.is_local]
            server._exchange.end(session)
            # Nobody listens now.
            await server.publish(ROOM, -number)
            await server.publish("/chat/3", -number)
            await faye.wait_count("message", "ann", 4 * number + 4)
        assert sorted(faye.data("ann", ROOM)) == [-2, -1, 0, 0, 1, 2]
        assert faye.data("ann", "/chat/2") == [0, 1, 2]
        assert faye.data("ann", "/chat/3") == [0, -1, -2]
        assert faye.of("lost", "ann") == []


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_what_is_lost_is_told_to_the_application(transport: str) -> None:
    server = Server(timeout=2, policy=Open())
    server.channel("/chat/**", history=3)
    async with served(server) as url, node() as faye:
        faye.do("open", "ann", url=f"{url}/faye", transport=transport, resumes=True)
        await faye.subscribe("ann", ROOM)
        await server.publish(ROOM, "first")
        await faye.wait_count("message", "ann", 1)
        (session,) = [one for one in server.sessions.values() if not one.is_local]
        server._exchange.end(session)
        for number in range(10):
            await server.publish(ROOM, number)
        await faye.wait_count("lost", "ann", 1)
        await wait_until(lambda: server._exchange._subscribers.get(ROOM), 15)
        await server.publish(ROOM, "after")
        await faye.wait(lambda: faye.data("ann") == ["first", "after"])
        assert [one["channel"] for one in faye.of("lost", "ann")] == [ROOM]
