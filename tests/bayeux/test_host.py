"""What a program does with its server: deliver to one, kick one, look at all, count."""

from __future__ import annotations

import asyncio
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from livecollections.bayeux import Limits, Server
from livecollections.errors import BayeuxError

from ..serving import wait_until
from .wire import VERSION, Events, Open, Socket, connect, connected, handshake, request, subscribe


@pytest.fixture
def server() -> Server:
    return Server(timeout=5, policy=Open())


# Deliver.


async def test_one_session_hears_what_it_never_subscribed_to(server: Server) -> None:
    one, other = await connected(server), await connected(server)
    await server.deliver(one, "/private", 1)
    await server.deliver(server.sessions[one], "/service/news", 2)
    (_, *messages) = (await request(server, connect(one))).messages
    assert messages == [{"channel": "/private", "data": 1}, {"channel": "/service/news", "data": 2}]
    assert not server.sessions[other].queue


async def test_a_held_poll_is_answered_with_it(server: Server) -> None:
    client_id = await connected(server)
    poll = asyncio.create_task(request(server, connect(client_id)))
    await wait_until(lambda: server.sessions[client_id].held)
    await server.deliver(client_id, "/private", 1)
    assert [message.get("data") for message in (await poll).messages] == [None, 1]


async def test_nothing_is_delivered_to_nobody_or_nowhere(server: Server) -> None:
    client_id = await connected(server)
    session = server.sessions[client_id]
    for channel in ("/a/*", "private", "/meta/connect"):
        with pytest.raises(BayeuxError, match="405"):
            await server.deliver(client_id, channel, 1)
    with pytest.raises(TypeError):
        await server.deliver(client_id, "/a", object())
    await request(server, {"channel": "/meta/disconnect", "clientId": client_id})
    for gone in (session, client_id, "unknown"):
        with pytest.raises(BayeuxError, match="401"):
            await server.deliver(gone, "/a", 1)


async def test_a_session_that_takes_nothing_is_ended_by_what_it_is_sent() -> None:
    server = Server(timeout=5, limits=Limits(queue_bytes=200))
    client_id = await connected(server)
    for _ in range(2):
        await server.deliver(client_id, "/a", "x" * 100)
    assert client_id not in server.sessions
    assert server.statistics().overflown == 1


async def test_extensions_see_what_is_delivered_with_its_receiver(server: Server) -> None:
    seen: list[Any] = []

    class Extension:
        def outgoing(self, message: Any, context: Any) -> Any:
            seen.append((message["channel"], context.session))
            return None if message.get("data") == 2 else message

    client_id = await connected(server)
    session = server.sessions[client_id]
    extension = Extension()
    server.add_extension(extension)
    await server.deliver(client_id, "/a", 1)
    with pytest.raises(BayeuxError, match="404"):
        await server.deliver(client_id, "/a", 2)
    assert seen == [("/a", session), ("/a", session)]
    delivering = asyncio.create_task(server.deliver(client_id, "/a", 3))
    await asyncio.sleep(0)
    server.kick(session)
    await delivering
    assert not session.queue


# Kick.


async def test_a_kicked_client_on_a_socket_is_told_and_its_socket_is_closed(server: Server) -> None:
    client_id = await handshake(server)
    async with Socket(server) as socket:
        await socket.reply(connect(client_id, "websocket"))
        socket.send(connect(client_id, "websocket", id="held"))
        await wait_until(lambda: server.sessions[client_id].held)
        server.kick(client_id)
        await socket.wait(lambda: socket.closed is not None)
        found = [message for _ in range(len(socket.frames)) for message in await socket.receive()]
    assert {"channel": "/meta/disconnect", "successful": True} in found
    (reply,) = [message for message in found if message.get("id") == "held"]
    assert reply["advice"]["reconnect"] == "none"
    assert client_id not in server.sessions


async def test_a_kicked_client_that_polls_is_told_by_its_poll(server: Server) -> None:
    client_id = await connected(server)
    poll = asyncio.create_task(request(server, connect(client_id)))
    await wait_until(lambda: server.sessions[client_id].held)
    server.kick(server.sessions[client_id])
    found = (await poll).messages
    assert {"channel": "/meta/disconnect", "successful": True} in found
    assert [message["advice"] for message in found if message["channel"] == "/meta/connect"] == [
        {"reconnect": "none"}
    ]


async def test_a_kicked_client_without_a_held_connect_is_told_at_once_not_to_come_back(
    server: Server,
) -> None:
    told = [{"channel": "/meta/disconnect", "successful": True, "advice": {"reconnect": "none"}}]
    socketing, streaming = await handshake(server), await connected(server)
    async with Socket(server) as socket, Events(server, streaming) as events:
        await socket.reply(connect(socketing, "websocket"))
        server.kick(socketing)
        server.kick(streaming)
        assert await socket.receive() == told
        assert await events.receive() == told


async def test_who_is_not_there_cannot_be_kicked(server: Server) -> None:
    client_id = await connected(server)
    session = server.sessions[client_id]
    server.kick(client_id)
    for gone in (client_id, session, "unknown"):
        with pytest.raises(BayeuxError, match="401"):
            server.kick(gone)
    assert server.statistics().kicked == 1


# Sessions and statistics.


async def test_sessions_can_be_looked_at_and_not_be_changed(server: Server) -> None:
    client_id = await connected(server)
    session = server.sessions[client_id]
    session.attributes["name"] = "Ann"
    assert server.sessions[client_id].attributes == {"name": "Ann"}
    with pytest.raises(TypeError):
        server.sessions["x"] = session  # type: ignore[index]
    with pytest.raises(TypeError):
        del server.sessions[client_id]  # type: ignore[attr-defined]


async def test_statistics_say_what_is_and_what_was(server: Server) -> None:
    polling, socketing, streaming = [await connected(server) for _ in range(3)]
    client = server.local_client()
    await client.subscribe("/a", lambda data: None)
    for client_id in (polling, streaming):
        await request(server, subscribe(client_id, ["/a", "/b/*"]))
    async with Socket(server) as socket, Events(server, streaming):
        await socket.reply(connect(socketing, "websocket"))
        await server.publish("/a", 1)
        await server.publish("/b/1", 2)
        await server.publish("/nobody", 3)
        await server.deliver(polling, "/private", 4)
        await request(server, {"channel": "/meta/handshake", **VERSION, "version": ""})
        await wait_until(lambda: not server.sessions[streaming].queue)
        found = server.statistics()
    assert found.sessions == {"long-polling": 1, "websocket": 1, "eventsource": 1, "in-process": 1}
    assert (found.subscriptions, found.channels) == (5, 2)
    assert (found.handshakes, found.refused, found.expired, found.overflown, found.kicked) == (3, 1, 0, 0, 0)
    assert (found.published, found.delivered) == (3, 3 + 2 + 1)
    queue = server.sessions[polling].queue
    assert (found.queued, found.queued_bytes) == (3, sum(len(message.body) for message in queue))
    server.kick(polling)
    later = server.statistics()
    assert (later.kicked, later.queued, later.queued_bytes) == (1, 0, 0)
    assert found.kicked == 0
    await client.disconnect()


async def test_statistics_are_immutable(server: Server) -> None:
    found = server.statistics()
    with pytest.raises(FrozenInstanceError):
        found.published = 7  # type: ignore[misc]
    with pytest.raises(TypeError):
        found.sessions["websocket"] = 7  # type: ignore[index]


@pytest.mark.parametrize("option", ["extension", "time_out", "engine"])
def test_an_unknown_option_is_an_error(option: str) -> None:
    with pytest.raises(TypeError, match=option):
        Server(**{option: 1})  # type: ignore[arg-type]
