"""Pacing: the rule by itself, a crowd that obeys it, and what the server tells to whom."""

from __future__ import annotations

import functools
import heapq
import random
from collections import Counter
from typing import Any

import pytest

from livecollections.bayeux import Limits, Server
from livecollections.bayeux.arrivals import LONGEST, UNTOLD
from livecollections.bayeux.gate import SLOWLY
from livecollections.bayeux.pacing import AROUND, CREDIT, Admission, Pacing

from ..scale import scaled
from ..serving import wait_until
from .wire import VERSION, Open, Socket, connect, connected, handshake, request

FOREIGN = "0123abcd" + "5" * 40
"""A clientId of another process."""


def even() -> float:
    """Chance that takes no side."""
    return 0.5


def test_those_who_come_by_and_by_are_told_nothing() -> None:
    pacing = Pacing(10, LONGEST, even)
    assert [pacing.wait(number / 10) for number in range(1_000)] == [0.0] * 1_000
    assert pacing.told == 0


def test_a_crowd_is_told_its_turns() -> None:
    pacing = Pacing(10, LONGEST, even)
    told = [pacing.wait(100.0) for _ in range(60)]
    assert told[: int(10 * CREDIT)] == [0.0] * 10
    assert told[10:] == pytest.approx([number / 10 for number in range(1, 51)])
    assert pacing.told == 50
    assert pacing.wait(101.0) == pytest.approx(4.1)
    assert pacing.wait(107.0) == 0.0


def test_nobody_waits_too_long_and_the_crowd_is_forgotten() -> None:
    pacing = Pacing(10, LONGEST, even)
    assert max(pacing.wait(0.0) for _ in range(10_000)) == LONGEST
    assert pacing.wait(LONGEST + 1) == 0.0


def test_a_turn_is_drawn_around_its_place() -> None:
    early, late = Pacing(10, LONGEST, lambda: 0.0), Pacing(10, LONGEST, lambda: 0.999)
    for _ in range(10):
        assert early.wait(0.0) == late.wait(0.0) == 0.0
    for number in range(1, 50):
        assert early.wait(0.0) == pytest.approx((1 - AROUND) * number / 10)
        assert late.wait(0.0) == pytest.approx((1 + AROUND) * number / 10, rel=1e-3)


@pytest.mark.parametrize("size", [500, 2_000, 5_000])
def test_a_crowd_that_obeys_comes_spread_out(size: int) -> None:
    """All lose their sessions in one moment; each handshakes when it was told to, and again if it is refused."""
    for seed in range(scaled(3, 30)):
        chance = random.Random(seed).random
        lost, begun = Pacing(200, LONGEST, chance), Admission(UNTOLD * 200, LONGEST, chance)
        coming = [lost.wait(0.0) for _ in range(size)]
        heapq.heapify(coming)
        served: list[float] = []
        while coming:
            now = heapq.heappop(coming)
            if wait := begun.wait(now):
                heapq.heappush(coming, now + wait)
            else:
                served.append(now)
        assert len(served) == size
        assert max(Counter(int(at) for at in served).values()) <= UNTOLD * 200 * (1 + CREDIT)
        assert served[-1] <= 2 * LONGEST


def test_the_same_chance_gives_the_same_turns() -> None:
    def turns(seed: int) -> list[float]:
        pacing = Pacing(10, LONGEST, random.Random(seed).random)
        return [pacing.wait(0.0) for _ in range(100)]

    assert turns(1) == turns(1) != turns(2)


def test_who_is_not_let_in_takes_no_room() -> None:
    admission = Admission(10, LONGEST, even)
    told = [admission.wait(0.0) for _ in range(30)]
    assert told[:10] == [0.0] * 10
    assert told[10:] == pytest.approx([number / 10 for number in range(1, 21)])
    assert [admission.wait(wait) for wait in told[10:]] == [0.0] * 20


# What the server tells.


@pytest.fixture
def server() -> Server:
    return Server(timeout=5, policy=Open(), limits=Limits(arrivals=2))


def interval(reply: dict[str, Any]) -> float:
    """The seconds that it advises."""
    found: float = reply["advice"]["interval"] / 1000
    return found


async def test_those_who_lost_their_sessions_are_told_when_to_handshake(server: Server) -> None:
    told = [interval((await request(server, connect(f"{number:048x}"))).messages[0]) for number in range(12)]
    assert told[:2] == [0, 0]
    assert all(0 < wait <= LONGEST * (1 + AROUND) for wait in told[2:])
    assert told[-1] > told[2]
    assert server.statistics().paced == len(told) - 2


async def test_a_first_connect_is_answered_at_once_and_tells_when_the_next_is_due(server: Server) -> None:
    server = Server(timeout=5, policy=Open(), limits=Limits(arrivals=3))
    told = []
    for _ in range(6):
        client_id = await handshake(server)
        (reply,) = (await request(server, connect(client_id))).messages
        assert reply["successful"]
        told.append(interval(reply))
    assert told[:3] == [0, 0, 0]
    assert 0 < told[3] < told[5] * 2
    session = server._exchange.sessions[client_id]
    assert session.pause == pytest.approx(told[5], abs=0.001)
    # It lives as long as if the pause had not been.
    assert session.deadline - server._exchange.clock() > 2 * 5 + session.pause - 1


async def test_a_socket_is_not_lost_while_its_client_waits_as_told() -> None:
    server = Server(timeout=5, ping=0.2, pong=0.2, policy=Open(), limits=Limits(arrivals=0.5))
    async with server, Socket(server) as first, Socket(server) as second:
        await first.reply(connect(begun(server), "websocket"))
        client_id = begun(server)
        assert interval(await second.reply(connect(client_id, "websocket"))) > 0.5
        start = server._exchange.clock()
        await wait_until(lambda: server._exchange.clock() - start > 0.5)
        assert second.closed is None
        assert server._exchange.sessions[client_id].link is not None


def begun(server: Server) -> str:
    """Another session, without a handshake that would be counted."""
    session = server._exchange.begin()
    server._exchange.admit(session)
    return session.id


async def test_a_handshake_is_refused_where_far_too_many_come(server: Server) -> None:
    for _ in range(int(UNTOLD * 2)):
        await handshake(server)
    ask = {"channel": "/meta/handshake", **VERSION}
    (reply,) = (await request(server, ask)).messages
    assert reply["error"] == "503::Too many clients come at once"
    assert reply["advice"]["reconnect"] == "handshake"
    assert interval(reply) >= 1
    assert server.statistics().refused == 1


async def test_a_server_that_closes_spreads_those_who_come_back() -> None:
    server = Server(timeout=5, policy=Open(), limits=Limits(arrivals=4))
    await server.start()
    sockets = [Socket(server) for _ in range(4)]
    for number, socket in enumerate(sockets):
        await socket.open()
        client_id = begun(server)
        await socket.reply(connect(client_id, "websocket", id=f"first{number}"))
        socket.send(connect(client_id, "websocket", id="held"))
        session = server._exchange.sessions[client_id]
        await wait_until(functools.partial(getattr, session, "held"))
    for _ in range(4):
        server._exchange.arrivals.lost()
    await server.close()
    told = [interval((await socket.receive())[0]) for socket in sockets]
    assert told[0] > 1
    assert told == sorted(set(told)) or max(told) - min(told) > 0.3
    for socket in sockets:
        await socket.cut()


async def test_a_client_that_goes_round_between_two_workers_is_slowed() -> None:
    """Faye's handshakes by HTTP with one worker, and connects on the socket that it has with another."""
    server = Server(timeout=5, policy=Open())
    async with Socket(server) as socket:
        told = [interval(await socket.reply(connect(FOREIGN, "websocket", id=str(n)))) for n in range(3)]
    assert told == [0, SLOWLY, SLOWLY]
    async with Socket(server) as socket:
        assert interval(await socket.reply(connect(FOREIGN, "websocket"))) == 0
    assert await connected(server)
