"""Faye's own client in Node, unmodified, over real sockets: what any user of Faye has today."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from livecollections.bayeux import Policy, Server, Session
from livecollections.testing.proxy import FaultProxy

from ..node import Node, running
from ..serving import served, wait_until
from .wire import Log, Open

PROGRAM = Path(__file__).parent / "faye_client.js"
TRANSPORTS = ("websocket", "long-polling")
MESSAGES = 50


class Faye(Node):
    """A Node process with Faye clients in it."""

    def do(self, command: str, name: str, **fields: Any) -> None:
        self.send({"do": command, "name": name, **fields})

    def of(self, event: str, name: str) -> list[dict[str, Any]]:
        return self.told(event, name=name)

    def data(self, name: str, channel: str | None = None) -> list[Any]:
        return [one["data"] for one in self.of("message", name) if channel in (None, one["channel"])]

    async def subscribe(self, name: str, channel: str) -> None:
        self.do("subscribe", name, channel=channel)
        await self.wait(lambda: any(one["channel"] == channel for one in self.of("subscribed", name)))

    async def wait_count(self, event: str, name: str, count: int) -> None:
        await self.wait(lambda: len(self.of(event, name)) >= count)

    async def wait(self, condition: Callable[[], Any], within: float = 15.0) -> None:
        try:
            await wait_until(condition, within)
        except AssertionError as error:
            error.add_note(f"the last events: {self.events[-20:]}")
            raise


def node() -> AbstractAsyncContextManager[Faye]:
    return running(Faye, PROGRAM)


async def wait_heard(server: Server, channel: str) -> None:
    """Return when somebody has subscribed."""
    await wait_until(lambda: channel in server._exchange._subscribers, 15)


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    assert isinstance(request.param, str)
    return request.param


async def test_exact_pattern_and_all_hear_every_message_in_order_and_shape(transport: str) -> None:
    server = Server(timeout=2, policy=Open())
    log = Log(server)
    async with served(server) as url, node() as faye:
        channels = {"exact": log.channel, "pattern": "/api/*", "all": "/**"}
        for name, channel in channels.items():
            faye.do("open", name, url=f"{url}/faye", transport=transport)
            await faye.subscribe(name, channel)
        expected = []
        for key in range(MESSAGES):
            previous = log.position()
            seq = log.add(key)
            expected.append(log.data(seq, key, previous))
            if key % 10 == 0:
                await faye.wait_count("message", "exact", key + 1)
        for name in channels:
            await faye.wait_count("message", name, MESSAGES)
            assert faye.data(name, log.channel) == expected
        if transport == "long-polling":
            assert not server._sockets


async def test_client_to_client_on_a_plain_channel(transport: str) -> None:
    server = Server(timeout=2, policy=Open())
    async with served(server) as url, node() as faye:
        for name in ("ann", "bob"):
            faye.do("open", name, url=f"{url}/faye", transport=transport)
        await faye.subscribe("bob", "/chat/*")
        for number in range(MESSAGES):
            faye.do("publish", "ann", channel="/chat/1", data={"text": "héllo", "n": number, "nothing": None})
            await faye.wait_count("published", "ann", number + 1)
        await faye.wait_count("message", "bob", MESSAGES)
        wanted = [{"text": "héllo", "n": number, "nothing": None} for number in range(MESSAGES)]
        assert faye.data("bob") == wanted
        faye.do("cancel", "bob", channel="/chat/*")
        await wait_until(lambda: "/chat/*" not in server._exchange._subscribers)
        faye.do("disconnect", "ann")
        await faye.wait(lambda: faye.of("disconnected", "ann"))
        await wait_until(lambda: len(server._exchange.sessions) == 1)


async def test_refusals_arrive_as_fayes_errors(transport: str) -> None:
    server = Server(timeout=2)
    log = Log(server)
    async with served(server) as url, node() as faye:
        faye.do("open", "ann", url=f"{url}/faye", transport=transport)
        await faye.subscribe("ann", log.channel)
        faye.do("subscribe", "ann", channel="/**")
        await faye.wait_count("refused", "ann", 1)
        faye.do("publish", "ann", channel=log.channel, data={"method": "DELETE"})
        await faye.wait_count("refused", "ann", 2)
        refused = [(one["code"], one["params"], one["message"]) for one in faye.of("refused", "ann")]
        assert refused == [(403, ["/**"], "Forbidden channel"), (403, [log.channel], "Forbidden channel")]
        assert faye.data("ann") == []


async def test_a_restarted_server_is_found_again(transport: str) -> None:
    async with FaultProxy() as proxy, node() as faye:
        faye.do("open", "ann", url=f"{proxy.url}/faye", transport=transport)
        for number in range(3):
            server = Server(timeout=1, policy=Open())
            async with served(server) as url:
                proxy.aim(url)
                if number == 0:
                    await faye.subscribe("ann", "/chat")
                await faye.wait_count("handshake", "ann", number + 1)
                await wait_heard(server, "/chat")
                await server.publish("/chat", number)
                await faye.wait_count("message", "ann", number + 1)
                await server.close()
        assert faye.data("ann") == [0, 1, 2]


async def test_a_cut_connection_keeps_the_session_and_what_waits(transport: str) -> None:
    server = Server(timeout=2, policy=Open())
    async with served(server) as url, FaultProxy() as proxy, node() as faye:
        proxy.aim(url)
        faye.do("open", "ann", url=f"{proxy.url}/faye", transport=transport)
        await faye.subscribe("ann", "/chat")
        (session,) = server._exchange.sessions.values()
        sent, links = 0, [session.link]
        for _ in range(4):
            await faye.wait(lambda: session.link is not None)
            links.append(session.link)
            proxy.cut()
            # It may be back at once, by another.
            await faye.wait(lambda: session.link is not links[-1])
            for _ in range(5):
                await server.publish("/chat", sent)
                sent += 1
            await faye.wait_count("message", "ann", sent)
            assert faye.data("ann") == list(range(sent))
        assert len(faye.of("handshake", "ann")) == 1
        assert list(server._exchange.sessions) == [session.id]


async def test_an_expired_session_handshakes_again(transport: str) -> None:
    server = Server(timeout=2, policy=Open())
    async with served(server) as url, node() as faye:
        faye.do("open", "ann", url=f"{url}/faye", transport=transport)
        await faye.subscribe("ann", "/chat")
        await faye.wait(lambda: faye.of("connect", "ann"))
        (session,) = server._exchange.sessions.values()
        server._exchange.end(session)
        await faye.wait(lambda: len(faye.of("handshake", "ann")) == 2)
        await wait_heard(server, "/chat")
        await server.publish("/chat", "again")
        await faye.wait(lambda: faye.data("ann") == ["again"])


async def test_a_denied_handshake_stops_the_client(transport: str) -> None:
    asked = 0

    class Denied(Policy):
        async def can_handshake(self, session: Session, message: Any) -> bool:
            nonlocal asked
            asked += 1
            return False

    server = Server(timeout=1, policy=Denied())
    async with served(server) as url, node() as faye:
        faye.do("open", "ann", url=f"{url}/faye", transport=transport)
        faye.do("subscribe", "ann", channel="/chat")
        faye.do("open", "bob", url=f"{url}/faye", transport=transport)
        faye.do("subscribe", "bob", channel="/chat")
        await faye.wait(lambda: asked == 2)
        await faye.wait(lambda: len(faye.of("up", "bob")) == 1)
        assert asked == 2
