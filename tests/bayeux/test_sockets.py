"""WebSockets as sockets: frames, the subprotocol, and how many may be without a session."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from typing import Any

import pytest
from websockets.asyncio.client import connect as open_socket
from websockets.typing import Subprotocol

from livecollections.bayeux import Limits, Server
from livecollections.bayeux.strangers import Strangers

from ..serving import served, wait_until
from .wire import VERSION, Open, Socket, connect, handshake, subscribe

HANDSHAKE = {"channel": "/meta/handshake", **VERSION, "id": "1"}


@pytest.fixture
def server() -> Server:
    return Server(timeout=5, policy=Open())


# Frames.


async def test_a_frame_is_an_array_or_an_object_of_text_or_bytes(server: Server) -> None:
    async with Socket(server) as socket:
        for frame in (
            json.dumps([HANDSHAKE]),
            json.dumps(HANDSHAKE),
            json.dumps([HANDSHAKE]).encode(),
            json.dumps(HANDSHAKE).encode(),
            b"\xef\xbb\xbf" + json.dumps([HANDSHAKE]).encode(),
        ):
            socket.send(frame)
            (reply,) = await socket.receive()
            assert reply["successful"], frame


async def test_a_connect_stays_held_while_messages_are_pushed(server: Server) -> None:
    client_id = await handshake(server)
    async with Socket(server) as socket:
        await socket.reply(connect(client_id, "websocket"))
        await socket.reply(subscribe(client_id, "/chat"))
        socket.send(connect(client_id, "websocket", id="held"))
        await wait_until(lambda: server._exchange.sessions[client_id].held)
        for number in range(3):
            await server.publish("/chat", number)
            assert await socket.receive() == [{"channel": "/chat", "data": number}]
        assert server._exchange.sessions[client_id].held


async def test_what_cannot_be_read_is_answered_and_limited() -> None:
    server = Server(limits=Limits(errors=5, body=200, depth=8, batch=3))
    frames: list[Any] = ["", b"\xff", "{", "[[[[[[[[[]]]]]]]]]", "[1,2,3,4]"]
    told = ["400::Bad Request"] * 4 + ["413::Content Too Large"]
    async with Socket(server) as socket:
        for frame, error in zip(frames, told, strict=True):
            socket.send(frame)
            assert await socket.receive() == [{"successful": False, "error": error}]
        await socket.wait(lambda: socket.closed == 1008)


# The subprotocol.


async def test_only_the_configured_subprotocol_is_agreed_to() -> None:
    for configured, offered, chosen in (
        ("bayeux", ["x", "bayeux"], "bayeux"),
        ("bayeux", ["x"], None),
        ("bayeux", [], None),
        (None, ["bayeux"], None),
    ):
        async with Socket(Server(subprotocol=configured), subprotocols=offered) as socket:
            assert socket.is_accepted
            assert socket.subprotocol == chosen


async def test_the_subprotocol_over_a_real_socket() -> None:
    async with served(Server(subprotocol="bayeux")) as url:
        address = url.replace("http", "ws") + "/faye"
        async with open_socket(address, subprotocols=[Subprotocol("bayeux")]) as socket:
            assert socket.subprotocol == "bayeux"
        async with open_socket(address) as socket:
            assert socket.subprotocol is None


# Strangers.


async def opened(stack: AsyncExitStack, server: Server, address: str | None) -> Socket:
    client = None if address is None else (address, 1)
    return await stack.enter_async_context(Socket(server, client=client))


async def test_sockets_without_a_session_are_limited_by_address() -> None:
    server = Server(timeout=5, limits=Limits(strangers_address=2))
    async with AsyncExitStack() as stack:
        mine = [await opened(stack, server, "192.0.2.1") for _ in range(3)]
        assert [socket.is_accepted for socket in mine] == [True, True, False]
        assert mine[2].closed == 1013
        assert (await opened(stack, server, "192.0.2.2")).is_accepted
        await mine[0].reply(HANDSHAKE)
        assert not (await opened(stack, server, "192.0.2.1")).is_accepted
        client_id = await handshake(server)
        await mine[1].reply(connect(client_id, "websocket"))
        assert (await opened(stack, server, "192.0.2.1")).is_accepted
        assert not (await opened(stack, server, "192.0.2.1")).is_accepted
    assert not len(server._strangers)


async def test_sockets_without_a_session_are_limited_in_all() -> None:
    server = Server(timeout=5, limits=Limits(strangers=3))
    async with AsyncExitStack() as stack:
        sockets = [await opened(stack, server, None) for _ in range(2)]
        sockets += [await opened(stack, server, f"192.0.2.{number}") for number in range(2)]
        assert [socket.is_accepted for socket in sockets] == [True, True, True, False]
        await sockets[0].cut()
        assert (await opened(stack, server, None)).is_accepted
    assert not len(server._strangers)


async def test_a_socket_that_loses_its_session_is_a_stranger_again() -> None:
    server = Server(timeout=5, limits=Limits(strangers=1))
    client_id = await handshake(server)
    async with AsyncExitStack() as stack:
        socket = await opened(stack, server, "192.0.2.1")
        await socket.reply(connect(client_id, "websocket"))
        assert not len(server._strangers)
        await socket.reply({"channel": "/meta/disconnect", "clientId": client_id, "id": "bye"})
        assert len(server._strangers) == 1
        assert not (await opened(stack, server, "192.0.2.1")).is_accepted


def test_counts_forget_addresses_that_have_gone() -> None:
    strangers = Strangers(Limits())
    for number in range(100):
        strangers.add(number, f"192.0.2.{number}")
        strangers.add(number, f"192.0.2.{number}")
    assert len(strangers) == 100
    for number in range(100):
        strangers.discard(number)
        strangers.discard(number)
    assert not len(strangers)
    assert not strangers._counts
