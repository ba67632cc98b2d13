"""Faye's client repeats a connect, id and all, that was not answered: so the answer was lost, and what went with it."""

from __future__ import annotations

from typing import Any

import pytest

from livecollections.bayeux import MemoryHistory, Server

from .wire import Events, Log, Open, Socket, connect, handshake, request, seqs, subscribe


@pytest.fixture
def server() -> Server:
    return Server(timeout=5, policy=Open())


async def poll(server: Server, client_id: str, id_: Any, timeout: int = 0) -> list[Any]:
    """The data that come with the answer to a connect, which is held for so many milliseconds."""
    message = connect(client_id, id=id_, advice={"timeout": timeout})
    return [one["data"] for one in (await request(server, message)).messages if "data" in one]


async def subscribed(server: Server, channel: str = "/chat") -> str:
    client_id = await handshake(server, id="0")
    assert await poll(server, client_id, "1") == []
    assert (await request(server, subscribe(client_id, channel))).messages[0]["successful"]
    return client_id


async def test_what_went_with_the_lost_answer_is_told_again_before_what_is_new(server: Server) -> None:
    client_id = await subscribed(server)
    for number in (1, 2):
        await server.publish("/chat", number)
    assert await poll(server, client_id, "2") == [1, 2]
    await server.publish("/chat", 3)
    assert await poll(server, client_id, "2") == [1, 2, 3]
    assert await poll(server, client_id, "2") == [1, 2, 3]
    await server.publish("/chat", 4)
    assert await poll(server, client_id, "3") == [4]
    assert await poll(server, client_id, "4") == []


@pytest.mark.parametrize(
    ("first", "ids"),
    [
        ("0", ["x", "x", "x", "x"]),
        ("x", ["x", "x", "x", "x"]),
        (None, ["1", "2", "2", "3"]),
        ("1", ["2", None, "3", "3"]),
        ("1", ["2", "3", "1", "1", "2", "2"]),
        ("0", ["c", "C", "C", "held", "held"]),
        (0, [True, True, 1.5, 1.5]),
    ],
)
async def test_of_a_client_that_does_not_count_a_repeated_id_says_nothing(
    server: Server, first: Any, ids: list[Any]
) -> None:
    client_id = await handshake(server, id=first)
    await poll(server, client_id, ids[0])
    await request(server, subscribe(client_id, "/chat"))
    for number, id_ in enumerate(ids[1:]):
        await server.publish("/chat", number)
        assert await poll(server, client_id, id_) == [number]


async def test_numbers_count_too(server: Server) -> None:
    client_id = await handshake(server, id=8)
    await poll(server, client_id, 9)
    await request(server, subscribe(client_id, "/chat"))
    await server.publish("/chat", 1)
    assert await poll(server, client_id, 10) == [1]
    assert await poll(server, client_id, 10) == [1]
    assert await poll(server, client_id, 11) == []


async def test_of_a_history_the_position_goes_back(server: Server) -> None:
    log = Log(server)
    client_id = await subscribed(server, log.channel)
    sent = [log.add(key) for key in range(3)]
    assert seqs([{"data": data} for data in await poll(server, client_id, "2")]) == sent
    sent.append(log.add(3))
    heard = await poll(server, client_id, "2", 5_000)
    heard += await poll(server, client_id, "3")
    assert seqs([{"data": data} for data in heard]) == sent


async def test_of_a_kept_channel_too(server: Server) -> None:
    server.channel("/chat", history=MemoryHistory())
    client_id = await subscribed(server)
    await server.publish("/chat", 1)
    assert await poll(server, client_id, "2") == [1]
    assert await poll(server, client_id, "2", 5_000) == [1]
    assert await poll(server, client_id, "3") == []


async def test_a_session_that_goes_to_a_socket_takes_it_along(server: Server) -> None:
    client_id = await subscribed(server)
    await server.publish("/chat", 1)
    assert await poll(server, client_id, "2") == [1]
    async with Socket(server) as socket:
        socket.send(connect(client_id, "websocket", id="2"))
        await socket.wait(lambda: socket.frames)
        told = await socket.receive()
        while not any("data" in one for one in told):
            told += await socket.receive()
        assert [one["data"] for one in told if "data" in one] == [1]
    assert await poll(server, client_id, "3") == []


@pytest.mark.parametrize("ping", [None, 0.01])
async def test_a_stream_that_opens_meanwhile_brings_it_again(ping: float | None) -> None:
    server = Server(timeout=5, policy=Open(), ping=ping)
    client_id = await subscribed(server)
    await server.publish("/chat", 1)
    assert await poll(server, client_id, "2") == [1]
    async with Events(server, client_id) as events:
        # What the stream itself writes says nothing of the poll's answer.
        await events.wait(lambda: "retry" in events.text and (ping is None or ":\n\n" in events.text))
        (reply,) = (await request(server, connect(client_id, "eventsource", id="2"))).messages
        assert reply["successful"]
        assert [one["data"] for one in await events.receive()] == [1]
        await request(server, connect(client_id, "eventsource", id="3"))
        assert not server._exchange.sessions[client_id].flight.plain


async def test_what_was_answered_is_not_kept_for_longer_than_to_the_next_connect(server: Server) -> None:
    client_id = await subscribed(server)
    session = server._exchange.sessions[client_id]
    await server.publish("/chat", 1)
    assert await poll(server, client_id, "2") == [1]
    assert session.flight.plain
    await poll(server, client_id, "3")
    assert not session.flight.plain
    assert not session.queue
