"""Listeners: each real change once, in order, whatever listeners do."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from livecollections.bayeux import Limits, Server, Session
from livecollections.bayeux.listener import BACKLOG, EVENTS
from livecollections.errors import ConfigurationError

from ..serving import wait_until
from .wire import VERSION, Log, Open, Socket, abandoned, connect, connected, handshake, request, subscribe


@pytest.fixture
def server() -> Server:
    return Server(timeout=5, policy=Open())


def record(server: Server) -> list[Any]:
    """All that is told from now on."""
    notes: list[Any] = []
    for event in EVENTS:
        server.on(event)(
            lambda session, *more, event=event: notes.append((event, session and session.id, *more))
        )
    return notes


async def unsubscribe(server: Server, client_id: str, name: str) -> None:
    message = {"channel": "/meta/unsubscribe", "clientId": client_id, "subscription": name}
    assert (await request(server, message)).messages[0]["successful"]


async def test_each_real_change_is_told_once(server: Server) -> None:
    notes = record(server)
    client_id = await connected(server)
    for _ in range(2):
        await request(server, subscribe(client_id, ["/a", "/b/*"]))
    await unsubscribe(server, client_id, "/absent")
    for _ in range(2):
        await unsubscribe(server, client_id, "/a")
    for _ in range(2):
        await request(server, {"channel": "/b/1", "data": {"n": 1}, "clientId": client_id, "id": "p"})
    await request(server, {"channel": "/c", "data": None})
    await request(server, {"channel": "/meta/disconnect", "clientId": client_id})
    await wait_until(lambda: ("disconnect", client_id) in notes)
    assert [note for note in notes if note[1] == client_id] == [
        ("handshake", client_id),
        ("subscribe", client_id, "/a"),
        ("subscribe", client_id, "/b/*"),
        ("unsubscribe", client_id, "/a"),
        ("publish", client_id, "/b/1", {"n": 1}),
        ("unsubscribe", client_id, "/b/*"),
        ("disconnect", client_id),
    ]
    assert [note for note in notes if note[1] is None] == [("publish", None, "/c", None)]


async def test_nothing_is_told_of_what_is_refused() -> None:
    server = Server(timeout=5)
    notes = record(server)
    client_id = await connected(server)
    await request(server, subscribe(client_id, "/a"))
    await request(server, {"channel": "/a", "data": 1, "clientId": client_id})
    await request(server, {"channel": "/meta/handshake", **VERSION, "version": ""})
    await request(server, subscribe(client_id, "/service/x"))
    await request(server, {"channel": "/meta/disconnect", "clientId": client_id})
    await wait_until(lambda: len(notes) == 2)
    assert notes == [("handshake", client_id), ("disconnect", client_id)]


async def test_an_expired_session_leaves_its_channels_first(server: Server) -> None:
    server = Server(timeout=0.05, policy=Open())
    notes = record(server)
    client_id = await connected(server)
    await request(server, subscribe(client_id, ["/a", "/b"]))
    await wait_until(lambda: ("disconnect", client_id) in notes)
    assert notes[-3:] == [
        ("unsubscribe", client_id, "/a"),
        ("unsubscribe", client_id, "/b"),
        ("disconnect", client_id),
    ]
    assert server.statistics().expired == 1


async def test_one_that_takes_too_little_and_one_that_is_there_at_the_end_leave_too() -> None:
    server = Server(timeout=5, policy=Open(), limits=Limits(queue_bytes=200))
    notes = record(server)
    slow, quiet = await connected(server), await connected(server)
    await request(server, subscribe(slow, "/a"))
    for _ in range(3):
        await server.publish("/a", "x" * 100)
    await server.close()
    gone = [note for note in notes if note[0] in ("unsubscribe", "disconnect")]
    assert gone == [("unsubscribe", slow, "/a"), ("disconnect", slow), ("disconnect", quiet)]
    assert server.statistics().overflown == 1


async def test_what_the_server_and_local_clients_publish_is_told_and_their_sessions_are_not(
    server: Server,
) -> None:
    notes = record(server)
    log = Log(server)
    client = server.local_client()
    await client.subscribe("/a", print)
    async with server.stream(log.channel):
        await client.publish("/b", 1)
        await server.publish("/b", 2)
        seq = log.add(7)
    await client.disconnect()
    await wait_until(lambda: len(notes) == 3)
    assert sorted(notes, key=lambda note: str(note[3])) == [
        ("publish", notes[0][1], "/b", 1),
        ("publish", None, "/b", 2),
        ("publish", None, log.channel, log.data(seq, 7, log.seq(0))),
    ]


async def test_listeners_may_be_slow_or_fail_and_order_stays(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    notes: list[Any] = []

    @server.on("subscribe")
    async def slow(session: Session, channel: str) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        notes.append(("+", channel))

    @server.on("unsubscribe")
    def quick(session: Session, channel: str) -> None:
        notes.append(("-", channel))

    @server.on("subscribe")
    def fails(session: Session, channel: str) -> None:
        raise ValueError("on purpose")

    server.on("subscribe")(abandoned)
    client_id = await connected(server)
    for name in ("/a", "/b"):
        await request(server, subscribe(client_id, name))
        await unsubscribe(server, client_id, name)
    await wait_until(lambda: len(notes) == 4)
    assert notes == [("+", "/a"), ("-", "/a"), ("+", "/b"), ("-", "/b")]
    assert caplog.text.count("ValueError: on purpose") == 2
    assert caplog.text.count("the listener abandoned of subscribe failed") == 2


async def test_a_listener_is_never_called_inside_and_may_use_the_server(server: Server) -> None:
    @server.on("subscribe")
    async def welcome(session: Session, channel: str) -> None:
        await server.deliver(session, "/welcome", channel)

    client_id = await handshake(server)
    async with Socket(server) as socket:
        await socket.reply(connect(client_id, "websocket"))
        assert (await socket.reply(subscribe(client_id, "/a")))["successful"]
        assert await socket.receive() == [{"channel": "/welcome", "data": "/a"}]


async def test_a_publisher_waits_for_listeners_that_are_too_slow(server: Server) -> None:
    gate = asyncio.Event()

    @server.on("publish")
    async def wait(session: Session | None, channel: str, data: Any) -> None:
        await gate.wait()

    client_id = await connected(server)
    flood = [
        {"channel": "/a", "data": number, "clientId": client_id, "id": str(number)}
        for number in range(BACKLOG + 10)
    ]
    publishing = asyncio.create_task(request(server, flood))
    await wait_until(lambda: server.statistics().published == BACKLOG)
    assert not publishing.done()
    gate.set()
    assert len((await publishing).messages) == BACKLOG + 10


async def test_a_subscriber_waits_for_listeners_that_are_too_slow(server: Server) -> None:
    gate = asyncio.Event()
    told = []

    @server.on("subscribe")
    @server.on("unsubscribe")
    async def wait(session: Session, channel: str) -> None:
        await gate.wait()
        told.append(channel)

    client_id = await connected(server)
    flood = [
        {"channel": f"/meta/{verb}", "subscription": "/a", "clientId": client_id}
        for verb in ("subscribe", "unsubscribe") * BACKLOG
    ]
    asking = asyncio.create_task(request(server, flood))
    strands = server._exchange.listeners._strands._strands
    await wait_until(lambda: any(len(strand) == BACKLOG for strand in strands.values()))
    await asyncio.sleep(0)
    assert not asking.done()
    assert [len(strand) for strand in strands.values()] == [BACKLOG]
    gate.set()
    assert len((await asking).messages) == len(flood)
    await wait_until(lambda: len(told) == len(flood))


async def test_the_server_closes_in_spite_of_a_listener_that_hangs(server: Server) -> None:
    hanging = asyncio.Event()

    @server.on("handshake")
    async def hang(session: Session) -> None:
        hanging.set()
        await asyncio.Event().wait()

    await connected(server)
    await hanging.wait()
    await asyncio.wait_for(server.close(), 2)
    assert not len(server._exchange.listeners._strands)


@pytest.mark.parametrize(("event", "function"), [("handshakes", print), ("", print), ("publish", None)])
def test_what_is_no_event_or_no_function_is_an_error(server: Server, event: str, function: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^on: "):
        server.on(event)(function)
