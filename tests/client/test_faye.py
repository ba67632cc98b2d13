"""The Python client against npm faye's own server, unmodified, in Node: no positions, no acknowledgements."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from livecollections import errors
from livecollections.bayeux import Client, State
from livecollections.testing.proxy import FaultProxy

from ..node import Node, running
from ..serving import wait_until
from .test_client import nothing_is_left, take, transport

__all__ = ["nothing_is_left", "transport"]

PROGRAM = Path(__file__).parent / "faye_server.js"


class FayeServer(Node):
    """A Node process with Faye's server in it, and what happened there."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.told('listening')[0]['port']}/faye"


@asynccontextmanager
async def faye_server() -> AsyncIterator[FayeServer]:
    async with running(FayeServer, PROGRAM) as server:
        await wait_until(lambda: server.told("listening"), 20)
        yield server


async def test_subscribe_publish_wildcards_and_goodbye(transport: str) -> None:
    async with faye_server() as server:
        async with Client(server.url, transports=[transport]) as client:
            async with client.subscribe("/chat/*") as one, client.subscribe("/**") as everything:
                assert client.is_live is False
                await client.publish("/chat/1", {"text": "héllo", "nothing": None})
                await client.publish("/other", 2)
                assert await take(one, 1) == [{"text": "héllo", "nothing": None}]
                assert await take(everything, 2) == [{"text": "héllo", "nothing": None}, 2]
            await wait_until(lambda: len(server.told("unsubscribe")) == 2)
        await wait_until(lambda: server.told("disconnect"))
        assert len(server.told("handshake")) == 1


async def test_a_burst_is_sent_in_batches_and_in_order(transport: str) -> None:
    async with (
        faye_server() as server,
        Client(server.url, transports=[transport]) as client,
        client.subscribe("/chat") as subscription,
    ):
        await asyncio.gather(*(client.publish("/chat", number) for number in range(250)))
        assert await take(subscription, 250) == list(range(250))
        assert [one["data"] for one in server.told("publish")] == list(range(250))


async def test_refusals_are_fayes(transport: str) -> None:
    async with faye_server() as server, Client(server.url, transports=[transport]) as client:
        with pytest.raises(errors.BayeuxError, match="403:/banned:Not for you"):
            await client.subscribe("/banned").__aenter__()
        with pytest.raises(errors.BayeuxError, match=r"405:/chat/\*:Invalid channel"):
            await client.publish("/chat/*", 1)


async def test_what_a_publisher_forges_moves_nobody(transport: str) -> None:
    """Faye's server passes on all fields of a published message."""

    class Forger:
        def outgoing(self, message: dict[str, Any]) -> None:
            if "data" in message:
                advice = {"reconnect": "none", "interval": 1e9}
                live = {"seq": "ffffffff", "prev": "eeeeeeee", "reset": True}
                message.update(advice=advice, ext={"live": live}, successful=False)

    async with (
        faye_server() as server,
        Client(server.url, transports=[transport]) as victim,
        victim.subscribe("/chat") as subscription,
    ):
        async with Client(server.url, transports=[transport], extensions=[Forger()]) as forger:
            await forger.publish("/chat", 1)
            await forger.publish("/chat", {"method": "PUT", "seq": "ffffffff", "prev": "eeeeeeee"})
        await victim.publish("/chat", 3)
        assert (await take(subscription, 3))[::2] == [1, 3]
        assert victim.state is State.CONNECTED


async def test_a_cut_connection_keeps_the_session_and_repeats_what_was_not_confirmed(transport: str) -> None:
    async with (
        faye_server() as server,
        FaultProxy(server.url) as proxy,
        Client(f"{proxy.url}/faye", transports=[transport]) as client,
        client.subscribe("/chat") as subscription,
    ):
        for number in range(5):
            await client.wait_connected(10)
            proxy.cut()
            await client.publish("/chat", number)
            while await take(subscription, 1) != [number]:
                """Faye's server publishes again what is repeated."""
        assert len(server.told("handshake")) == 1
        assert {one["data"] for one in server.told("publish")} == set(range(5))


async def test_a_restarted_server_is_found_again(transport: str) -> None:
    async with FaultProxy() as proxy, Client(f"{proxy.url}/faye", transports=[transport]) as client:
        subscription = client.subscribe("/chat/*")
        for number in range(3):
            async with faye_server() as server:
                proxy.aim(server.url)
                if number == 0:
                    await subscription.__aenter__()
                await wait_until(lambda server=server: server.told("subscribe"), 20)  # type: ignore[misc]
                await client.publish("/chat/1", number)
                assert await take(subscription, 1) == [number]
        await subscription.__aexit__()


async def test_a_half_open_connection_is_found_out(transport: str) -> None:
    async with (
        faye_server() as server,
        FaultProxy(server.url) as proxy,
        Client(f"{proxy.url}/faye", transports=[transport], patience=0.5) as client,
        client.subscribe("/chat") as subscription,
    ):
        await client.wait_connected(10)
        proxy.half_open()
        publishing = asyncio.create_task(client.publish("/chat", "through"))
        await wait_until(lambda: client.state is not State.CONNECTED, 10)
        proxy.heal()
        await publishing
        assert await take(subscription, 1) == ["through"]
