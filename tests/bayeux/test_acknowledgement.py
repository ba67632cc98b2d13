"""CometD's acknowledgement extension: what was not acknowledged comes again, first, and within bounds.

The cases are those of CometD's AcknowledgeExtensionTest and BatchArrayQueue, and of CVE-2025-53114.
"""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest

from livecollections.bayeux import Context, Limits, Server
from livecollections.bayeux.message import Message

from ..scale import scaled
from ..serving import wait_until
from .wire import VERSION, Log, Open, Socket, connect, handshake, request, since, subscribe

NOW = {"advice": {"timeout": 0}}


@pytest.fixture
def server() -> Server:
    return Server(timeout=5, policy=Open())


class Client:
    """One that acknowledges, as CometD's does: its next connect bears the last number that it has seen."""

    def __init__(self, server: Server, transport: str = "long-polling") -> None:
        self.server = server
        self.transport = transport
        self.client_id = ""
        self.batch = 0
        self.heard: list[Any] = []
        self.socket = Socket(server)

    async def begin(self, *channels: str, **fields: Any) -> None:
        self.client_id = await handshake(self.server, ext={"ack": True})
        await self.subscribe(*channels, **fields)
        if self.transport == "websocket":
            await self.socket.open()
        await self.connect(**NOW)

    async def subscribe(self, *channels: str, **fields: Any) -> None:
        message = subscribe(self.client_id, channels[0] if len(channels) == 1 else list(channels), **fields)
        assert (await request(self.server, message)).messages[0]["successful"]

    @property
    def session(self) -> Any:
        return self.server._exchange.sessions[self.client_id]

    def message(self, **fields: Any) -> dict[str, Any]:
        return connect(self.client_id, self.transport, **{"ext": {"ack": self.batch}, **fields})

    def take(self, messages: list[Any]) -> list[Any]:
        """Hear what came; returns the data of the messages in it."""
        data = [message["data"] for message in messages if "data" in message]
        self.heard += data
        for message in messages:
            if message.get("channel") == "/meta/connect":
                assert message["successful"], message
                self.batch = message["ext"]["ack"]
        return data

    async def connect(self, **fields: Any) -> list[Any]:
        """Connect, and hear what comes with the answer."""
        return self.take(await self.ask(**fields))

    async def ask(self, **fields: Any) -> list[Any]:
        """Connect; what comes is not acknowledged unless it is taken."""
        if self.transport == "long-polling":
            return (await request(self.server, self.message(**fields))).messages
        self.socket.send(self.message(**fields))
        return await self.socket.receive()

    async def again(self) -> None:
        """The connection breaks, with all that was not taken; a socket is opened anew."""
        await self.socket.cut()
        self.socket = Socket(self.server)
        if self.transport == "websocket":
            await self.socket.open()


TRANSPORTS = pytest.mark.parametrize("transport", ["websocket", "long-polling"])


@pytest.mark.parametrize(
    ("wish", "types", "answer"),
    [
        (True, ["long-polling"], True),
        ({"enabled": True}, ["websocket"], True),
        ({}, ["websocket"], True),
        ({"enabled": False}, ["websocket"], None),
        (False, ["websocket"], None),
        (1, ["websocket"], None),
        (None, ["websocket"], None),
        # What comes on a stream can't come with an answer to a connect.
        (True, ["eventsource", "long-polling"], None),
    ],
)
async def test_it_is_agreed_at_handshake(server: Server, wish: Any, types: list[str], answer: Any) -> None:
    message = {
        "channel": "/meta/handshake",
        **VERSION,
        "supportedConnectionTypes": types,
        "ext": {"ack": wish},
    }
    (reply,) = (await request(server, message)).messages
    assert reply.get("ext", {}).get("ack") == answer
    connected = {"clientId": reply["clientId"], "channel": "/meta/connect", "connectionType": "long-polling"}
    (reply,) = (await request(server, connected)).messages
    assert ("ext" in reply) is (answer is True)


@TRANSPORTS
async def test_messages_come_with_answers_to_connects_and_before_them(server: Server, transport: str) -> None:
    client = Client(server, transport)
    await client.begin("/chat")
    number = client.batch
    for data in (1, 2):
        await server.publish("/chat", data)
        await asyncio.sleep(0)
    assert not client.socket.frames
    found = await client.ask()
    assert [message.get("data") for message in found] == [1, 2, None]
    assert found[-1]["ext"] == {"ack": number + 1}
    client.take(found)
    asking = asyncio.create_task(client.ask())
    await wait_until(lambda: client.session.held)
    for data in (3, 4):
        await server.publish("/chat", data)
    assert client.take(await asking) == [3, 4]
    assert client.batch == number + 2
    await client.socket.cut()


@TRANSPORTS
async def test_what_was_not_acknowledged_comes_again_before_newer_and_at_once(
    server: Server, transport: str
) -> None:
    client = Client(server, transport)
    await client.begin("/chat")
    await server.publish("/chat", 1)
    found = await client.ask()
    lost = found[-1]["ext"]["ack"]
    assert client.batch < lost
    await client.again()
    await server.publish("/chat", 2)
    found = await client.ask(id="again")
    assert [message.get("data") for message in found] == [1, 2, None]
    assert found[-1]["ext"]["ack"] > lost
    await client.again()
    # Nothing newer: what it lacks is enough not to hold its connect.
    assert await client.connect() == [1, 2]
    assert client.session.flight.plain
    assert await client.connect(**NOW) == []
    assert not client.session.flight.plain
    assert client.heard == [1, 2]
    await client.socket.cut()


@TRANSPORTS
async def test_what_was_acknowledged_never_comes_again(server: Server, transport: str) -> None:
    client = Client(server, transport)
    await client.begin("/chat")
    await server.publish("/chat", 1)
    assert await client.connect() == [1]
    await client.again()
    assert await client.connect(**NOW) == []
    assert await client.connect(**NOW, ext={"ack": client.batch + 50}) == []
    await client.socket.cut()


@TRANSPORTS
@pytest.mark.parametrize("ext", [{}, {"ack": None}, {"ack": "7"}, {"ack": True}, {"ack": -1}])
async def test_who_says_nothing_that_can_be_read_acknowledges_nothing(
    server: Server, transport: str, ext: dict[str, Any]
) -> None:
    client = Client(server, transport)
    await client.begin("/chat")
    await server.publish("/chat", 1)
    for _ in range(3):
        assert await client.connect(ext=ext) == [1]
    assert await client.connect(**NOW) == []
    await client.socket.cut()


async def test_a_poll_that_a_second_one_ends_takes_nothing(server: Server) -> None:
    client = Client(server)
    await client.begin("/chat")
    first = asyncio.create_task(client.ask(id="first"))
    await wait_until(lambda: client.session.held)
    second = asyncio.create_task(client.ask(id="second"))
    assert [message["id"] for message in await first] == ["first"]
    await server.publish("/chat", 1)
    assert client.take(await second) == [1]


async def test_two_connects_at_once_on_a_socket_lose_nothing(server: Server, way: str) -> None:
    client = Client(server, "websocket")
    await client.begin("/chat")
    client.socket.take_nothing()
    await server.publish("/chat", 1)
    client.socket.send(client.message(id="a"))
    await wait_until(lambda: client.socket.is_waited_for)
    client.socket.send(client.message(id="b"))
    await wait_until(lambda: client.session.flight.number == client.batch + 2)
    await server.publish("/chat", 2)
    client.socket.take_again()
    while client.heard[-1:] != [2]:
        client.take(await client.socket.receive())
    # It asked twice before it had the first answer: what it lacked then comes with both, if the first had been begun.
    assert client.heard == ([1, 1, 2] if way == "asgi" else [1, 2])
    await client.socket.cut()


async def test_an_answer_that_was_never_written_numbers_nothing(server: Server) -> None:
    client = Client(server, "websocket")
    await client.begin("/chat")
    client.socket.take_nothing()
    client.socket.send(client.message())
    await wait_until(lambda: client.session.held)
    await server.publish("/chat", 1)
    await client.again()
    async with asyncio.timeout(2):
        assert await client.connect() == [1]
    # A socket that has come up, but has not connected yet, gets nothing.
    await client.again()
    await server.publish("/chat", 2)
    client.socket.send(subscribe(client.client_id, "/other"))
    assert [message["channel"] for message in await client.socket.receive()] == ["/meta/subscribe"]
    assert await client.connect() == [2]
    await client.socket.cut()


class Seen:
    """An extension that sees all that goes, and keeps a message while its gate is shut."""

    per_recipient = True

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()

    async def outgoing(self, message: dict[str, Any], context: Context) -> dict[str, Any]:
        if "data" in message:
            await self.gate.wait()
        return message


@TRANSPORTS
async def test_extensions_that_change_nothing_change_nothing(server: Server, transport: str) -> None:
    server.add_extension(Seen())
    client = Client(server, transport)
    if transport == "websocket":
        async with Socket(server) as socket:
            asked = {"channel": "/meta/handshake", **VERSION, "ext": {"ack": True}, "id": "1"}
            assert (await socket.reply(asked))["ext"] == {"ack": True}
    await client.begin("/chat")
    await server.publish("/chat", 1)
    assert await client.connect() == [1]
    await server.publish("/chat", 2)
    assert await client.ask()
    await client.again()
    assert await client.connect() == [2]
    await client.socket.cut()


async def test_an_answer_whose_messages_were_put_back_bears_no_number(server: Server) -> None:
    seen = Seen()
    server.add_extension(seen)
    client = Client(server)
    await client.begin("/chat")
    await server.publish("/chat", 1)
    seen.gate.clear()
    first = asyncio.create_task(client.ask())
    await wait_until(lambda: client.session.flight.plain)
    second = asyncio.create_task(client.ask())
    await wait_until(lambda: client.session.flight.number == client.batch + 2)
    seen.gate.set()
    (answer,) = await first
    assert answer["successful"]
    assert "ack" not in answer.get("ext", {})
    assert client.take(await second) == [1]
    assert await client.connect(**NOW) == []


# Channels with a history.


@TRANSPORTS
async def test_on_a_channel_with_a_history_the_position_goes_back(server: Server, transport: str) -> None:
    log = Log(server)
    client = Client(server, transport)
    await client.begin(log.channel, ext=since(None))
    written = [log.add(key) for key in range(3)]
    found = await client.ask()
    assert [message["data"]["seq"] for message in found[:-1]] == written
    assert client.session.flight.plain == []
    assert client.session.flight.size == 0
    await client.again()
    written.append(log.add(9))
    while len(client.heard) < 4:
        await client.connect()
    assert [data["seq"] for data in client.heard] == written
    assert await client.connect(**NOW) == []
    await client.socket.cut()


# Who never acknowledges.


@TRANSPORTS
async def test_one_that_acknowledges_the_same_batch_for_ever_is_ended(
    transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    limits = Limits(unacknowledged_bytes=2_000, queue_bytes=500)
    server = Server(timeout=5, policy=Open(), limits=limits)
    client = Client(server, transport)
    await client.begin("/chat")
    session = client.session
    cost = len(Message("/chat", "x" * 100).body)
    sent = 0
    while not session.has_ended:
        await server.publish("/chat", "x" * 100)
        sent += 1
        assert session.size + session.flight.size <= 2_000 + cost
        if not session.has_ended:
            found = await client.ask(ext={"ack": 0})
            assert len(found) <= 2_000 // cost + 2
        assert sent < 100
    assert sent == 2_000 // cost + 1
    assert "acknowledges nothing" in caplog.text
    assert client.client_id not in caplog.text
    assert not server._exchange.sessions
    await client.socket.cut()


@TRANSPORTS
async def test_as_shipped_it_costs_no_more_than_any_other_that_reads_nothing(transport: str) -> None:
    server = Server(timeout=5, policy=Open())
    client = Client(server, transport)
    await client.begin("/chat")
    await server.publish("/chat", "x" * 900)
    assert await client.ask()
    session, most = client.session, 0
    for _ in range(100):
        await server.publish("/chat", "x" * 900)
        await asyncio.sleep(0)
        most = max(most, session.size + session.flight.size)
    assert 60_000 < most <= 65_536
    assert session.has_ended
    await client.socket.cut()


@TRANSPORTS
@pytest.mark.parametrize("is_more", [False, True])
async def test_what_comes_in_one_turn_is_bounded_too_while_a_connect_is_held(
    transport: str, is_more: bool
) -> None:
    server = Server(timeout=5, policy=Open(), limits=Limits(unacknowledged_bytes=2_000))
    client = Client(server, transport)
    await client.begin("/chat")
    session = client.session
    holding = asyncio.create_task(client.ask())
    await wait_until(lambda: session.held is not None)
    count = 2_000 // len(Message("/chat", "x" * 100).body)
    for _ in range(count + is_more):
        server.publish_nowait("/chat", "x" * 100)
        assert session.size + session.flight.size <= 2_000
    assert session.has_ended is is_more
    *heard, _ = await holding
    assert len(heard) == (0 if is_more else count)
    assert not is_more or (await client.ask())[-1]["error"].startswith("401:")
    await client.socket.cut()


async def test_where_a_history_tells_it_again_who_never_acknowledges_costs_nothing() -> None:
    server = Server(timeout=5, policy=Open(), limits=Limits(unacknowledged_bytes=2_000))
    log = Log(server)
    client = Client(server)
    await client.begin(log.channel, ext=since(None))
    for key in range(200):
        log.add(key)
        await client.ask(ext={"ack": 0})
        assert client.session.size + client.session.flight.size <= 2_000 + 300
    while not client.heard or client.heard[-1]["seq"] != log.position():
        await client.connect()
    assert [data["seq"] for data in client.heard] == [seq for seq, _ in log.entries]


# Any order of things.


async def run(seed: int, transport: str) -> None:
    chance = random.Random(seed)
    server = Server(timeout=2, policy=Open())
    server._exchange.ping_answered = 0.0
    log = Log(server)
    client = Client(server, transport)
    await client.begin("/chat", log.channel)
    count = 0
    for _ in range(chance.randint(5, 40)):
        step = chance.choice(["publish", "publish", "write", "connect", "lose", "again", "turn"])
        if step == "publish":
            for _ in range(chance.randint(1, 3)):
                await server.publish("/chat", count)
                count += 1
        elif step == "write":
            for key in range(chance.randint(1, 3)):
                log.add(key)
        elif step == "turn":
            await asyncio.sleep(0)
        elif step == "again":
            await client.again()
        elif step == "connect":
            await client.connect(**NOW)
        else:
            await client.ask(**NOW)
            await client.again()
    while len(client.heard) < count + len(log.entries):
        await client.connect(**NOW)
        # This wire takes no time, in which histories could be read.
        await asyncio.sleep(0)
    assert [data for data in client.heard if isinstance(data, int)] == list(range(count))
    assert [data["seq"] for data in client.heard if isinstance(data, dict)] == [seq for seq, _ in log.entries]
    assert await client.connect(**NOW) == []
    await client.socket.cut()
    await server.close()


@TRANSPORTS
async def test_each_message_comes_once_and_in_order_whatever_is_lost(transport: str) -> None:
    for seed in range(scaled(60, 2_000)):
        try:
            await run(seed, transport)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


async def test_a_frame_that_was_cut_in_the_middle_of_its_write_comes_again(server: Server) -> None:
    client = Client(server, "websocket")
    await client.begin("/chat")
    await server.publish("/chat", "x" * 1_000)
    client.socket.take_nothing()
    client.socket.send(client.message())
    await wait_until(lambda: client.socket.is_waited_for)
    await client.again()
    assert await client.connect() == ["x" * 1_000]
    assert json.dumps(client.heard)
    await client.socket.cut()
