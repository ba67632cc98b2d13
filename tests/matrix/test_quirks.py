"""What real clients do that the matrix does not show: what they obey, and what stops them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import httpx
import pytest

from livecollections.bayeux import Policy, Server, Session

from ..serving import served
from .bench import Bench, bench
from .clients import Client, program

KINDS = ("faye", "cometd", "halley")
TRANSPORTS = ("websocket", "long-polling")
POISON = {
    "advice": {"reconnect": "none", "interval": 60_000},
    "successful": False,
    "error": "401::Unknown client",
    "clientId": "",
    "id": "1",
    "ext": {"ack": 99},
    "subscription": "/**",
    "version": "9.9",
}
"""Fields that clients obey on whatever message bears them."""


@asynccontextmanager
async def subscribers(transport: str) -> AsyncIterator[tuple[Bench, list[Client]]]:
    """One client of each kind on one server, all subscribed."""
    async with AsyncExitStack() as stack:
        made = await stack.enter_async_context(bench(transport))
        clients = []
        for kind in KINDS:
            client = made.client = (await stack.enter_async_context(program(kind))).client(kind)
            await client.open(made.url, transport)
            await client.subscribe("/**")
            clients.append(client)
        yield made, clients


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_no_publisher_can_command_other_peoples_clients(transport: str) -> None:
    async with subscribers(transport) as (made, clients), httpx.AsyncClient() as http:
        for number in range(3):
            message = {"channel": "/chat", "data": {"n": number}, **POISON}
            (reply,) = (await http.post(made.url, json=[message])).json()
            assert reply["successful"], reply
        for client in clients:
            await client.wait_count("message", 3)
            connects = len(client.of("connect"))
            await client.wait_count("connect", connects + 2)
        await made.say("/chat", 3)
        for client in clients:
            await client.wait_count("message", 4)
            assert [data["n"] for data in client.heard("/**")] == [0, 1, 2, 3]
            assert len(client.of("handshake")) == 1


async def test_a_call_of_a_service_is_nobody_elses_to_hear() -> None:
    async with subscribers("websocket") as (made, clients):
        made.server.service("/service/secret")(lambda session, data: None)
        for client in clients:
            await client.do("publish", channel="/service/secret", data={"n": 1})
            await client.wait_count("published", 1)
        await made.say("/chat", 2)
        for client in clients:
            await client.wait_count("message", 1)
            assert [data["n"] for data in client.heard("/**")] == [2]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_denied_handshake_stops_a_client(kind: str, transport: str) -> None:
    asked = 0

    class Denied(Policy):
        async def can_handshake(self, session: Session, message: Mapping[str, Any]) -> bool:
            nonlocal asked
            asked += 1
            return False

    def reached(count: int) -> bool:
        return asked >= count

    server = Server(timeout=1, policy=Denied())
    async with served(server) as url, program(kind) as running:
        clients = [running.client(name) for name in ("first", "second")]
        for number, client in enumerate(clients, 1):
            await client.open(f"{url}/faye", transport)
            await client.do("subscribe", channel="/chat")
            await client.wait(partial(reached, number))
        # The second has been refused after the first, which has had all that time to ask again.
        assert asked == 2
        assert not server._exchange.sessions


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_halleys_reset_says_goodbye_and_comes_back(transport: str) -> None:
    async with bench(transport) as made, program("halley") as running:
        client = made.client = running.client("halley")
        await client.open(made.url, transport)
        await client.subscribe("/chat")
        for number in range(3):
            await made.say("/chat", number)
            await client.wait_count("message", number + 1)
            (old,) = made.sessions
            await client.do("reset")
            await client.wait(partial(getattr, old, "has_ended"))
            await client.wait_count("handshake", number + 2)
            await made.wait_heard("/chat")
        assert [data["n"] for data in client.heard("/chat")] == [0, 1, 2]
