"""What is declared for channels: which declaration wins, lazy messages, and whether publishers hear themselves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from livecollections.bayeux import Server
from livecollections.bayeux.message import Message
from livecollections.bayeux.settings import KEPT, PLAIN, Declarations, Settings
from livecollections.errors import ConfigurationError

from ..serving import wait_until
from .wire import Log, Open, Socket, connect, connected, request, subscribe


@pytest.fixture
def server() -> Server:
    return Server(timeout=5, policy=Open())


# Declarations.


def test_the_most_exact_declaration_wins_for_each_setting() -> None:
    declarations = Declarations()
    assert not declarations
    declarations.declare("/chat/1", echo=True)
    declarations.declare("/**", lazy=9, echo=False)
    declarations.declare("/chat/**", lazy=5)
    declarations.declare("/chat/*", history=3)
    declarations.declare("/chat/staff/**", lazy=0, history=0)
    assert declarations.of("/chat/1") == Settings(history=3, lazy=5, echo=True)
    assert declarations.of("/chat/2") == Settings(history=3, lazy=5, echo=False)
    assert declarations.of("/chat/staff/1") == Settings(history=0, lazy=0, echo=False)
    assert declarations.of("/news") == Settings(history=0, lazy=9, echo=False)


def test_a_later_declaration_says_only_what_it_names() -> None:
    declarations = Declarations()
    declarations.declare("/chat", lazy=1, echo=False)
    assert declarations.of("/chat") == Settings(lazy=1, echo=False)
    declarations.declare("/chat", lazy=2, echo=None)
    assert declarations.of("/chat") == Settings(lazy=2, echo=False)
    assert declarations.of("/other") == PLAIN


def test_only_so_many_channels_are_remembered() -> None:
    declarations = Declarations()
    declarations.declare("/*", lazy=1)
    for number in range(2 * KEPT + 1):
        assert declarations.of(f"/{number}").lazy == 1
    assert len(declarations._found) <= KEPT


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"name": "chat"}, "channel: .*'chat'"),
        ({"name": "/chat/"}, "channel: "),
        ({"name": "/meta/connect"}, "channel: "),
        ({"name": 7}, "channel: "),
        ({"lazy": -1}, "lazy: .*-1"),
        ({"lazy": "soon"}, "lazy: "),
        ({"lazy": float("nan")}, "lazy: "),
        ({"lazy": True}, "lazy: "),
        ({"echo": 1}, "echo: "),
        ({"history": -1}, "history: "),
        ({"history": True}, "history: "),
        ({"history": object()}, "history: "),
    ],
)
def test_a_wrong_setting_is_named(server: Server, wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        server.channel(**{"name": "/chat", **wrong})


def test_an_unknown_setting_is_an_error(server: Server) -> None:
    with pytest.raises(TypeError, match="lasy"):
        server.channel("/chat", lasy=1)  # type: ignore[call-arg]


# Echo.


async def test_who_hears_its_own_messages_is_a_setting_of_the_channel(server: Server) -> None:
    server.channel("/chat/**", echo=False)
    server.channel("/chat/echo", echo=True)
    one, other = await connected(server), await connected(server)
    for client_id in (one, other):
        await request(server, subscribe(client_id, ["/chat/*", "/chat/quiet", "/loud"]))
    for name in ("/chat/quiet", "/chat/echo", "/loud"):
        await request(server, {"channel": name, "data": name, "clientId": one})
    sessions = server.sessions
    assert [message.channel for message in sessions[one].queue] == ["/chat/echo", "/loud"]
    assert [message.channel for message in sessions[other].queue] == ["/chat/quiet", "/chat/echo", "/loud"]


async def test_a_local_client_does_not_hear_itself_either(server: Server) -> None:
    server.channel("/quiet", echo=False)
    client, heard = server.local_client(), list[Any]()
    await client.publish("/quiet", 0)
    await client.subscribe("/quiet", heard.append)
    await client.publish("/quiet", 1)
    await server.publish("/quiet", 2)
    await wait_until(lambda: heard)
    assert heard == [2]
    await client.disconnect()


async def test_a_publisher_that_is_passed_over_is_not_behind(server: Server) -> None:
    log = Log(server)
    server.channel(log.channel, echo=False)
    client_id = await connected(server)
    await request(server, subscribe(client_id, log.channel))
    session = server.sessions[client_id]
    position = session.positions[log.channel]
    heard = log.add(1)
    for _ in range(2):
        seq = log.write(2)
        log.published += 1
        server._exchange.publish(_message(log, seq), session)
        assert (position.sent, position.queued, position.is_behind) == (log.seq(0), seq, False)
    session.take(9_999)
    seq = log.write(3)
    log.published += 1
    server._exchange.publish(_message(log, seq), session)
    assert position.queued == seq
    assert not session.queue
    assert position.sent == heard


def _message(log: Log, seq: str) -> Message:
    return Message(log.channel, {"seq": seq}, seq)


# Lazy.


async def test_a_lazy_message_waits_for_its_time() -> None:
    server = Server(timeout=30, policy=Open())
    server.channel("/lazy/**", lazy=0.15)
    clock = asyncio.get_running_loop().time
    async with Socket(server) as socket:
        await _join(server, socket, "/**")
        begun = clock()
        for number in range(3):
            await server.publish("/lazy/a", number)
        frame = await socket.receive()
        assert clock() - begun >= 0.14
        assert [message["data"] for message in frame] == [0, 1, 2]


async def test_a_message_that_is_not_lazy_takes_those_that_wait_along() -> None:
    server = Server(timeout=30, policy=Open())
    server.channel("/lazy", lazy=60)
    async with Socket(server) as socket:
        await _join(server, socket, "/**")
        await server.publish("/lazy", 1)
        await server.publish("/prompt", 2)
        await server.publish("/lazy", 3)
        assert [message["data"] for message in await socket.receive()] == [1, 2, 3]


async def test_any_reply_takes_them_along() -> None:
    server = Server(timeout=30, policy=Open())
    server.channel("/lazy", lazy=60)
    async with Socket(server) as socket:
        client_id = await _join(server, socket, "/lazy")
        await server.publish("/lazy", 1)
        socket.send({"channel": "/other", "data": 0, "id": "p", "clientId": client_id})
        reply, message = await socket.receive()
        assert (reply["id"], message["data"]) == ("p", 1)


async def test_a_poll_is_held_over_lazy_messages_and_its_reply_brings_them() -> None:
    server = Server(timeout=0.3, policy=Open())
    server.channel("/lazy", lazy=60)
    client_id = await connected(server)
    await request(server, subscribe(client_id, "/lazy"))
    await server.publish("/lazy", 1)
    clock = asyncio.get_running_loop().time
    begun = clock()
    poll = asyncio.create_task(request(server, connect(client_id)))
    await wait_until(lambda: server.sessions[client_id].held)
    await server.publish("/lazy", 2)
    found = (await poll).messages
    assert clock() - begun >= 0.3
    assert [message.get("data") for message in found] == [None, 1, 2]


async def test_a_poll_is_answered_when_the_lazy_time_is_over() -> None:
    server = Server(timeout=30, policy=Open())
    server.channel("/lazy", lazy=0.1)
    client_id = await connected(server)
    await request(server, subscribe(client_id, "/lazy"))
    await server.publish("/lazy", 1)
    found = (await asyncio.wait_for(request(server, connect(client_id)), 5)).messages
    assert [message.get("data") for message in found] == [None, 1]
    await server.publish("/lazy", 2)
    await wait_until(lambda: not server.sessions[client_id].may_wait)
    # Its time came between two polls, so the next one is not held.
    found = (await asyncio.wait_for(request(server, connect(client_id)), 5)).messages
    assert [message.get("data") for message in found] == [None, 2]


async def test_a_lazy_message_does_not_wait_behind_one_that_could_not_be_sent(server: Server) -> None:
    server.channel("/lazy", lazy=60)
    client_id = await connected(server)
    await request(server, subscribe(client_id, "/**"))
    session = server.sessions[client_id]
    await server.publish("/prompt", 1)
    session.take(9_999)
    await server.publish("/lazy", 2)
    assert session.may_wait
    session.put_back()
    found = (await asyncio.wait_for(request(server, connect(client_id)), 5)).messages
    assert [message.get("data") for message in found] == [None, 1, 2]


async def test_nothing_is_left_of_lazy_sessions(server: Server) -> None:
    server.channel("/lazy", lazy=60)
    client, heard = server.local_client(), list[Any]()
    await client.subscribe("/lazy", heard.append)
    client_id = await connected(server)
    await request(server, subscribe(client_id, "/lazy"))
    await server.publish("/lazy", 1)
    await wait_until(lambda: heard)
    await server.close()
    assert not server._exchange._lazy._waiting
    assert not server._exchange._lazy._timers


async def _join(server: Server, socket: Socket, channel: str) -> str:
    """A session on a socket, subscribed, whose next connect is held."""
    client_id = await connected(server)
    await socket.reply(connect(client_id, "websocket"))
    await socket.reply(subscribe(client_id, channel))
    socket.send(connect(client_id, "websocket"))
    await wait_until(lambda: server.sessions[client_id].held)
    return client_id
