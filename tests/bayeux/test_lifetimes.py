"""Sessions in time: pings that a connect is, peers that have gone without a word, expiry; one timer for all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.asyncio.client import connect as open_socket

from livecollections.bayeux import Limits, Server
from livecollections.bayeux.exchange import Exchange
from livecollections.bayeux.lifetimes import Lifetimes, Pace
from livecollections.bayeux.session import Held, Link, Session
from livecollections.testing.proxy import FaultProxy

from ..serving import served, wait_until
from .wire import Open, Socket, connect, connected, handshake, request, subscribe

PING, PONG = 0.1, 0.15


@pytest.fixture
def server() -> Server:
    return Server(timeout=5, ping=PING, pong=PONG, policy=Open())


async def keep_asking(socket: Socket, client_id: str, *, until: asyncio.Event) -> list[Any]:
    """What a client hears that connects again and again, as it must."""
    heard: list[Any] = []
    number = 0
    while not until.is_set():
        number += 1
        socket.send(connect(client_id, "websocket", id=f"c{number}"))
        while not any(message.get("id") == f"c{number}" for message in heard):
            heard += await socket.receive()
    return heard


# On sockets.


async def test_a_connect_on_a_socket_is_answered_after_the_ping_and_a_poll_after_the_timeout(
    server: Server,
) -> None:
    clock = asyncio.get_running_loop().time
    client_id, polling = await handshake(server), await connected(server)
    poll = asyncio.create_task(request(server, connect(polling)))
    async with Socket(server) as socket:
        await socket.reply(connect(client_id, "websocket"))
        begun = clock()
        reply = await socket.reply(connect(client_id, "websocket"))
        assert reply["advice"] == {"reconnect": "retry", "interval": 0, "timeout": 5000}
        assert PING <= clock() - begun < 2.0
    assert not poll.done()
    await server.close()
    await poll


async def test_a_peer_that_has_gone_without_a_word_is_found_and_its_session_waits(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    client_id = await handshake(server)
    session = server._exchange.sessions[client_id]
    async with Socket(server) as socket:
        await socket.reply(connect(client_id, "websocket"))
        await socket.reply(subscribe(client_id, "/chat"))
        socket.send(connect(client_id, "websocket", id="held"))
        await wait_until(lambda: session.held)
        # From here on it takes nothing and says nothing.
        socket.take_nothing()
        await server.publish("/chat", 1)
        await wait_until(lambda: session.link is None)
        assert session.socket is None
        assert not session.has_ended
        await server.publish("/chat", 2)
        await wait_until(lambda: not server._sockets)
    assert "has gone without a word" in caplog.text
    assert client_id not in caplog.text
    async with Socket(server) as socket:
        await socket.reply(connect(client_id, "websocket"))
        assert [message["data"] for message in await socket.receive()] == [1, 2]


async def test_a_socket_that_never_asked_again_after_its_first_connect_is_found_too(server: Server) -> None:
    client_id = await handshake(server)
    async with Socket(server) as socket:
        await socket.reply(connect(client_id, "websocket"))
        await socket.wait(lambda: socket.closed == 1008)
        assert client_id in server._exchange.sessions


async def test_any_message_is_a_sign_of_life(server: Server) -> None:
    clock = asyncio.get_running_loop().time
    client_id = await handshake(server)
    async with Socket(server) as socket:
        await socket.reply(connect(client_id, "websocket"))
        begun = clock()
        while clock() - begun < 3 * PONG:
            socket.send("[]")
            assert await socket.receive() == []
        assert socket.closed is None


async def test_a_session_lives_as_long_as_its_socket_answers() -> None:
    server = Server(timeout=0.2, ping=0.05, pong=5, policy=Open())
    client_id = await handshake(server)
    clock, until = asyncio.get_running_loop().time, asyncio.Event()
    begun = clock()
    async with Socket(server) as socket:
        await socket.reply(connect(client_id, "websocket"))
        # Longer than a session without a sign of life would live, its socket says nothing.
        await wait_until(lambda: clock() - begun > 1.0)
        assert client_id in server._exchange.sessions
        asking = asyncio.create_task(keep_asking(socket, client_id, until=until))
        await wait_until(lambda: clock() - begun > 1.5)
        until.set()
        heard = await asking
    assert len(heard) > 3
    assert all(message["successful"] for message in heard)
    await wait_until(lambda: not server._exchange.sessions)


@pytest.mark.parametrize("comes", [True, False])
async def test_more_of_one_turn_than_may_wait_is_not_kept_long_for_a_client_that_polls_no_more(
    comes: bool,
) -> None:
    limits = Limits(queue_bytes=1_000, stall=5.0 if comes else 0.1)
    server = Server(timeout=20, policy=Open(), limits=limits)
    client_id = await connected(server)
    await request(server, subscribe(client_id, "/chat"))
    session = server._exchange.sessions[client_id]
    polling = asyncio.create_task(request(server, connect(client_id, id="held")))
    await wait_until(lambda: session.held is not None)
    for number in range(30):
        server.publish_nowait("/chat", [number, "x" * 100])
    heard = (await polling).messages
    while comes and session.queue:
        heard += (await request(server, connect(client_id, id=f"c{len(heard)}"))).messages
    numbers = [message["data"][0] for message in heard if "data" in message]
    assert numbers == [*range(30 if comes else len(numbers))]
    if not comes:
        await wait_until(lambda: session.has_ended)
    assert session.has_ended is not comes


async def test_without_pings_a_socket_is_not_aborted_and_its_session_expires() -> None:
    server = Server(timeout=0.1, ping=None, pong=0.05, policy=Open(), limits=Limits(alone=5))
    client_id = await handshake(server)
    async with Socket(server) as socket:
        await socket.reply(connect(client_id, "websocket"))
        await wait_until(lambda: not server._exchange.sessions)
        assert socket.closed is None
        assert (await socket.reply(connect(client_id, "websocket", id="x")))["error"].startswith("401:")


async def test_a_half_open_peer_is_found_under_a_real_server(server: Server) -> None:
    async with served(server) as url, FaultProxy(url) as proxy:
        client_id = await handshake(server)
        session = server._exchange.sessions[client_id]
        async with open_socket(
            proxy.url.replace("http", "ws"), ping_interval=None, close_timeout=0.1
        ) as socket:
            for message in (connect(client_id, "websocket"), subscribe(client_id, "/chat")):
                await socket.send(json.dumps([message]))
                assert json.loads(await socket.recv())[0]["successful"]
            await socket.send(json.dumps([connect(client_id, "websocket")]))
            await wait_until(lambda: session.held)
            proxy.half_open()
            await wait_until(lambda: session.link is None)
            await server.publish("/chat", "kept")
            proxy.heal()
            proxy.cut()
        _, message = (await request(server, connect(client_id))).messages
        assert message["data"] == "kept"


# One wheel.


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Silent:
    """A link on which nobody says anything."""

    def __init__(self, *, is_socket: bool) -> None:
        self.is_socket = is_socket


class Looked(Lifetimes):
    """Counts the sessions that are looked at, and does what is due."""

    def __init__(self, pace: Pace, time: Time) -> None:
        super().__init__(pace, time, answer=self.answer, lose=self.lose, expire=self.expire)
        self.time = time
        self.looks = 0
        self.happened: list[tuple[str, float]] = []

    def _wind(self) -> None:
        """It is swept by hand."""

    def _look_at(self, session: Session, now: float) -> None:
        self.looks += 1
        super()._look_at(session, now)

    def answer(self, session: Session) -> None:
        session.release()
        self.touch(session)
        self.happened.append(("answer", self.time.now))

    def lose(self, link: Any) -> None:
        self.session.link = None
        self.touch(self.session)
        self.happened.append(("lose", self.time.now))

    def expire(self, session: Session) -> None:
        session.end()
        self.happened.append(("expire", self.time.now))

    def begin(self) -> Session:
        self.session = Session("s" * 40, 1_000, self.deadline())
        self.watch(self.session)
        return self.session

    def run(self, seconds: float) -> Iterator[str]:
        end = self.time.now + seconds
        while self.time.now < end:
            self.time.now += 0.25
            self._sweep()
        return iter(name for name, _ in self.happened)


def link(*, is_socket: bool) -> Link:
    return Silent(is_socket=is_socket)  # type: ignore[return-value]  # nothing is sent on it


def test_a_silent_socket_is_asked_lost_and_then_its_session_expires() -> None:
    looked = Looked(Pace(timeout=45, interval=5, ping=20, pong=10), Time())
    session = looked.begin()
    session.link = link(is_socket=True)
    session.hold(Held(session.link, {}, looked.time.now + 20))
    looked.watch(session)
    begun = looked.time.now
    looked.run(200)
    assert [name for name, _ in looked.happened] == ["answer", "lose", "expire"]
    # A ping, then the interval that the client was told to wait, and the pong; then twice the timeout.
    expected = [20, 20 + 5 + 10, 20 + 5 + 10 + 2 * 45 + 5]
    assert [when - begun for _, when in looked.happened] == pytest.approx(expected, abs=1)


def test_a_poll_that_is_not_followed_by_another_expires() -> None:
    looked = Looked(Pace(timeout=45, ping=20), Time())
    session = looked.begin()
    session.hold(Held(link(is_socket=False), {}, looked.time.now + 45))
    looked.watch(session)
    begun = looked.time.now
    assert list(looked.run(200)) == ["answer", "expire"]
    assert [when - begun for _, when in looked.happened] == pytest.approx([45, 135], abs=1)


def test_only_those_whose_time_may_have_come_are_looked_at() -> None:
    looked = Looked(Pace(timeout=45, ping=20), Time())
    sessions = [looked.begin() for _ in range(10_000)]
    for session in sessions:
        looked.touch(session)
    list(looked.run(80))
    assert looked.looks == 0
    list(looked.run(15))
    assert looked.looks == 10_000
    assert not looked


async def test_a_thousand_sessions_need_one_timer_and_no_task() -> None:
    loop = asyncio.get_running_loop()
    exchange = Exchange(pace=Pace(timeout=45), limits=Limits())
    tasks = len(asyncio.all_tasks())
    timers = len(loop._scheduled)  # type: ignore[attr-defined]  # asyncio's own list of what waits for its time
    for _ in range(1_000):
        exchange.admit(exchange.begin())
    assert len(asyncio.all_tasks()) == tasks
    assert len(loop._scheduled) == timers + 1  # type: ignore[attr-defined]
    await exchange.close()
    assert not exchange._lifetimes
