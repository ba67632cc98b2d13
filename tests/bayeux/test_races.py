"""A session that ends while a message of its waits: the message is refused, and leaves nothing behind.

After CometD's ConcurrentConnectDisconnect and ConcurrentDisconnectSubscribePublish tests.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from livecollections.bayeux import Server, Session

from ..serving import wait_until
from .wire import Open, Socket, connect, connected, handshake, request, subscribe


class Slow(Open):
    """Decides when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.decided = asyncio.Event()

    async def _decide(self) -> bool:
        self.asked.set()
        await self.decided.wait()
        return True

    async def can_subscribe(self, session: Session, channel: str) -> bool:
        return await self._decide()

    async def can_publish(self, session: Session | None, channel: str, data: Any) -> bool:
        return await self._decide()


def bye(client_id: str) -> dict[str, Any]:
    return {"channel": "/meta/disconnect", "clientId": client_id, "id": "bye"}


@pytest.mark.parametrize("kind", ["subscribe", "publish"])
async def test_a_message_whose_session_ends_while_the_policy_thinks_is_refused(kind: str) -> None:
    policy = Slow()
    server = Server(timeout=5, policy=policy)
    heard: list[Any] = []
    local = server.local_client()
    await local.subscribe("/chat", heard.append)
    client_id = await connected(server)
    message = {
        "subscribe": subscribe(client_id, "/chat"),
        "publish": {"channel": "/chat", "clientId": client_id, "data": 1, "id": "s"},
    }[kind]
    asking = asyncio.create_task(request(server, message))
    await policy.asked.wait()
    assert (await request(server, bye(client_id))).messages[0]["successful"]
    policy.decided.set()
    (reply,) = (await asking).messages
    assert reply["error"] == f"401:{client_id}:Unknown client"
    assert [*server._exchange._subscribers] == ["/chat"]
    await server.publish("/chat", 2)
    await wait_until(lambda: heard)
    assert heard == [2]
    await local.disconnect()
    await server.close()


async def test_a_held_poll_ends_with_the_disconnect_of_another_request() -> None:
    server = Server(timeout=5, policy=Open())
    client_id = await connected(server)
    held = asyncio.create_task(request(server, connect(client_id, id="held")))
    await wait_until(lambda: server._exchange.sessions[client_id].held)
    both = await asyncio.gather(*(request(server, bye(client_id)) for _ in range(2)))
    assert sorted(answer.messages[0]["successful"] for answer in both) == [False, True]
    assert [message["id"] for message in (await held).messages] == ["held"]
    assert not server._exchange.sessions


async def test_a_newcomer_whose_session_ends_while_it_waits_is_refused() -> None:
    server = Server(timeout=5, policy=Open())
    server._exchange.ping_answered = 600.0
    client_id = await handshake(server)
    async with Socket(server) as first:
        await first.reply(connect(client_id, "websocket"))
        coming = asyncio.create_task(request(server, connect(client_id)))
        await wait_until(lambda: server._exchange._pings)
        first.send(bye(client_id))
        assert (await coming).messages[0]["error"] == f"401:{client_id}:Unknown client"
    assert not server._exchange.sessions
    assert not server._exchange._pings


async def test_a_connect_that_comes_behind_a_disconnect_in_one_batch_is_refused() -> None:
    server = Server(timeout=5, policy=Open())
    client_id = await connected(server)
    replies = (await request(server, [bye(client_id), connect(client_id)])).messages
    assert [reply["successful"] for reply in replies] == [True, False]
    assert not server._exchange.sessions
