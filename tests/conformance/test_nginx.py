"""A proxy that cuts every connection that is idle for a second: clients go on, and lose nothing that has a history.

The host holds polls for 30 s, so each is cut, and each socket between two bursts of messages.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..bayeux.test_faye import node
from .client import Client, client, connect, data, subscribe
from .hosts import HOSTS, running
from .nginx import nginx

CHANNEL = "/api/todos"
ROUNDS = 3


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Of the host itself, and of the impatient nginx in front of it."""
    (host,) = (host for host in HOSTS if host.is_behind)
    with running(host) as served, nginx([served.url], tmp_path_factory.mktemp("nginx"), 1) as url:
        yield served.url, url


@pytest.fixture
async def direct(addresses: tuple[str, str]) -> AsyncIterator[Client]:
    """Speaks to the host itself."""
    async with client(addresses[0]) as speaking:
        yield speaking


@pytest.fixture
async def through(addresses: tuple[str, str]) -> AsyncIterator[Client]:
    """Speaks to it through nginx."""
    async with client(addresses[1]) as speaking:
        yield speaking


class Numbers:
    """Adds to the log of the host, each number once."""

    def __init__(self, direct: Client) -> None:
        self.added: list[int] = []
        self._direct = direct

    async def add(self, count: int) -> None:
        for _ in range(count):
            self.added.append(len(self.added))
            await self._direct.publish(f"/add/{self.added[-1]}", None)


def keys(heard: list[Any]) -> list[int]:
    return [one["body"]["id"] for one in heard]


async def test_a_socket_that_is_cut_goes_on_at_its_position(direct: Client, through: Client) -> None:
    numbers, heard, at = Numbers(direct), list[Any](), dict[str, str]()
    client_id = await through.handshake()
    for number in range(ROUNDS):
        async with through.socket() as socket:
            await socket.send(connect(client_id, "websocket", ext={"live": {"at": at}}))
            if not number:
                reply = await socket.ask(subscribe(client_id, CHANNEL, ext={"live": {}}))
                at[CHANNEL] = reply["ext"]["live"]["seq"]
            await numbers.add(20)
            heard += await socket.hear(len(numbers.added) - len(heard))
            at[CHANNEL] = heard[-1]["seq"]
            await socket.closed()
        # The host may not know yet that the socket has gone.
        await numbers.add(5)
    assert keys(heard) == list(range(len(heard)))


async def test_a_poll_that_is_cut_loses_nothing(direct: Client, through: Client) -> None:
    numbers, heard = Numbers(direct), list[Any]()
    client_id = await through.handshake()
    await through.one(connect(client_id))
    reply = await through.one(subscribe(client_id, CHANNEL, ext={"live": {}}))
    at = {CHANNEL: reply["ext"]["live"]["seq"]}
    for _ in range(ROUNDS):
        cut = await through.request(json=[connect(client_id, ext={"live": {"at": at}})])
        assert cut.status_code == 504
        await numbers.add(5)
        while len(heard) < len(numbers.added):
            heard += data(await through.post(connect(client_id, ext={"live": {"at": at}})))
            at[CHANNEL] = heard[-1]["seq"]
    assert keys(heard) == numbers.added


async def test_a_stream_is_not_buffered_and_goes_on_after_a_cut(direct: Client, through: Client) -> None:
    client_id = await through.connected("/chat/a")
    for number in range(ROUNDS):
        async with through.stream(client_id) as events:
            await events.line()
            await direct.publish("/chat/a", number)
            assert await events.hear(1) == [number]
            await events.end()
        await direct.wait("linked", client_id, False)


@pytest.mark.parametrize("transport", ["websocket", "long-polling"])
async def test_fayes_client_goes_on(direct: Client, through: Client, transport: str) -> None:
    numbers = Numbers(direct)
    async with node() as faye:
        faye.do("open", "ann", url=f"{through.url}/faye", transport=transport, resumes=True)
        await faye.subscribe("ann", CHANNEL)
        client_id = faye.of("handshake", "ann")[0]["clientId"]
        for _ in range(ROUNDS):
            await numbers.add(5)
            await faye.wait_count("message", "ann", len(numbers.added))
            await direct.wait("linked", client_id)
            await direct.wait("linked", client_id, False)
            await numbers.add(5)
            await faye.wait_count("message", "ann", len(numbers.added))
        assert keys(faye.data("ann")) == numbers.added
        assert len(faye.of("handshake", "ann")) == 1


async def test_pages_of_the_proxys_own_address_are_let_in(through: Client) -> None:
    answer = await through.request(json=[], headers={"Origin": through.url})
    assert answer.status_code == 200
    async with through.socket(origin=through.url) as socket:
        await socket.send()
        assert await socket.receive() == []


async def test_clients_stay_with_their_process_where_nginx_chooses_by_address(tmp_path: Path) -> None:
    (host,) = (host for host in HOSTS if host.is_behind)
    with running(host) as one, running(host) as two, nginx([one.url, two.url], tmp_path) as url:
        async with node() as faye:
            for name in ("ann", "bob", "eve"):
                for transport in ("websocket", "long-polling"):
                    faye.do("open", name + transport, url=f"{url}/faye", transport=transport)
                    await faye.subscribe(name + transport, "/chat/a")
                    assert len(faye.of("handshake", name + transport)) == 1
            faye.do("publish", "annwebsocket", channel="/chat/a", data=1)
            for name in ("bobwebsocket", "evelong-polling"):
                await faye.wait_count("message", name, 1)
