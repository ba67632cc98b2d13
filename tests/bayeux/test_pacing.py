"""Pacing: the rule by itself, a crowd that obeys it, and what the server tells to whom."""

from __future__ import annotations

import functools
import heapq
import random
import time
from dataclasses import dataclass
from typing import Any

import pytest

from livecollections.bayeux import Limits, Server, arrivals
from livecollections.bayeux.arrivals import LONGEST, LOOK, UNTOLD
from livecollections.bayeux.gate import SLOWLY
from livecollections.bayeux.pacing import AROUND, CREDIT, Admission, Pacing
from livecollections.bayeux.rate import BOUNDS, FEWER, LATE, MORE, Rate

from ..scale import scaled
from ..serving import wait_until
from .wire import VERSION, Open, Socket, connect, connected, handshake, request

FOREIGN = "0123abcd" + "5" * 40
"""A clientId of another process."""


def even() -> float:
    """Chance that takes no side."""
    return 0.5


def test_those_who_come_by_and_by_are_told_nothing() -> None:
    pacing = Pacing(Rate(10), LONGEST, even)
    assert [pacing.wait(number / 10) for number in range(1_000)] == [0.0] * 1_000
    assert pacing.told == 0


def test_a_crowd_is_told_its_turns() -> None:
    pacing = Pacing(Rate(10), LONGEST, even)
    told = [pacing.wait(100.0) for _ in range(60)]
    assert told[: int(10 * CREDIT)] == [0.0] * 10
    assert told[10:] == pytest.approx([number / 10 for number in range(1, 51)])
    assert pacing.told == 50
    assert pacing.wait(101.0) == pytest.approx(4.1)
    assert pacing.wait(107.0) == 0.0


def test_nobody_waits_too_long_and_the_crowd_is_forgotten() -> None:
    pacing = Pacing(Rate(10), LONGEST, random.Random(1).random)
    told = [pacing.wait(0.0) for _ in range(10_000)]
    assert max(told) <= LONGEST * (1 + AROUND)
    assert pacing.wait(LONGEST + 1) == 0.0


def test_those_who_have_no_place_any_more_are_spread_over_the_whole_time() -> None:
    pacing = Pacing(Rate(10), LONGEST, random.Random(1).random)
    with_places = int(10 * (LONGEST + CREDIT))
    told = sorted([pacing.wait(0.0) for _ in range(with_places + 4_000)][with_places:])
    for part in range(1, 10):
        assert told[part * 400] == pytest.approx(LONGEST * part / 10, abs=LONGEST / 20)


def test_a_turn_is_drawn_around_its_place() -> None:
    early, late = Pacing(Rate(10), LONGEST, lambda: 0.0), Pacing(Rate(10), LONGEST, lambda: 0.999)
    for _ in range(10):
        assert early.wait(0.0) == late.wait(0.0) == 0.0
    for number in range(1, 50):
        assert early.wait(0.0) == pytest.approx((1 - AROUND) * number / 10)
        assert late.wait(0.0) == pytest.approx((1 + AROUND) * number / 10, rel=1e-3)


IN_TIME = 0.0, False
SHORT = 0.0, True
TOO_LATE = 2 * LATE, True


@pytest.mark.parametrize(
    ("looks", "times"),
    [
        ([], 1.0),
        ([IN_TIME] * 50, 1.0),
        ([SHORT], MORE),
        ([(LATE, True)], MORE),
        ([SHORT] * 4 + [IN_TIME] * 50, MORE**4),
        ([SHORT] * 100, BOUNDS[1]),
        ([TOO_LATE], FEWER),
        ([(2 * LATE, False)], FEWER),
        ([SHORT, SHORT, TOO_LATE], MORE * MORE * FEWER),
        ([TOO_LATE] * 100, BOUNDS[0]),
        ([TOO_LATE] * 100 + [SHORT], BOUNDS[0] * MORE),
    ],
)
def test_the_rate_follows_the_loop(looks: list[tuple[float, bool]], times: float) -> None:
    rate = Rate(200)
    for late, is_short in looks:
        rate.measured(late, is_short=is_short)
    assert rate.per_second == pytest.approx(200 * times)
    rate.forget()
    assert rate.per_second == 200


@dataclass
class Outcome:
    """What became of a crowd: seconds until all were served, those without work in between, and how many refusals."""

    last: float
    idle: float
    refused: int


COMING = 2.0
"""Seconds in which all of a crowd have come."""
OPENING, REFUSING = 0.4, 0.1
"""The cost of a socket that opens, and of an answer that tells to wait, in parts of that of a session which begins."""


def obey(size: int, capacity: float, seed: int) -> Outcome:
    """All lost their sessions, come and do as they are told; one loop serves them, in their order."""
    chance = random.Random(seed).random
    rate, cost = Rate(200), 1 / capacity
    lost, begun = Pacing(rate, LONGEST, chance), Admission(rate, UNTOLD, LONGEST, chance)
    coming: list[tuple[float, int, Pacing | Admission | None]] = [(LOOK, size, None)]
    coming += [(COMING * chance(), number, lost) for number in range(size)]
    heapq.heapify(coming)
    served, free, told, outcome = 0, 0.0, 0, Outcome(0.0, 0.0, 0)
    while served < size:
        at, number, asks = heapq.heappop(coming)
        now = max(at, free)
        outcome.idle += now - free
        free = now
        if asks is None:
            rate.measured(now - at, is_short=lost.told + begun.told > told)
            told = lost.told + begun.told
            heapq.heappush(coming, (now + LOOK, number, None))
        elif asks is lost:
            free += (OPENING + REFUSING) * cost
            heapq.heappush(coming, (free + lost.wait(now), number, begun))
        elif wait := begun.wait(now):
            free += REFUSING * cost
            heapq.heappush(coming, (free + wait, number, begun))
        else:
            free += cost
            served += 1
    outcome.last, outcome.refused = free, begun.told
    return outcome


@pytest.mark.parametrize("capacity", [100, 400, 700, 1_500, 5_000])
@pytest.mark.parametrize("size", [500, 2_000, 5_000])
def test_a_crowd_that_obeys_is_served_as_fast_as_the_server_can(size: int, capacity: int) -> None:
    """On machines of any speed: it has work all the time but for one wait, and refuses nobody again and again."""
    for seed in range(scaled(2, 20)):
        outcome = obey(size, capacity, seed)
        work = size / capacity * (1 + OPENING + REFUSING)
        assert outcome.idle <= COMING + LONGEST * (1 + AROUND)
        assert outcome.last <= 1.15 * work + COMING + LONGEST * (1 + AROUND)
        assert outcome.refused <= 1.5 * size


def test_the_same_chance_gives_the_same_turns() -> None:
    def turns(seed: int) -> list[float]:
        pacing = Pacing(Rate(10), LONGEST, random.Random(seed).random)
        return [pacing.wait(0.0) for _ in range(100)]

    assert turns(1) == turns(1) != turns(2)


def test_who_is_not_let_in_takes_no_room() -> None:
    admission = Admission(Rate(10), 1, LONGEST, even)
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


async def test_those_who_hear_on_a_socket_take_no_turn_from_those_who_poll() -> None:
    server = Server(timeout=5, policy=Open(), limits=Limits(arrivals=2))
    told = []
    async with server:
        for number in range(4):
            async with Socket(server) as socket:
                told.append(interval(await socket.reply(connect(begun(server), "websocket", id=str(number)))))
        assert told[:2] == [0, 0]
        assert 0 < told[2] < told[3] * 2
        (polled,) = (await request(server, connect(begun(server)))).messages
        assert interval(polled) == 0


async def rush(seed: int) -> None:
    """A crowd comes in one moment: no more of it may go on at once than there is room for in the time that it took."""
    chance = random.Random(seed)
    rate, size = chance.randint(2, 10), chance.randint(60, 100)
    server = Server(timeout=5, policy=Open(), limits=Limits(arrivals=rate))
    async with server:
        ids = [begun(server) if seed % 2 else f"{number:048x}" for number in range(size)]
        start = server._exchange.clock()
        told = [interval((await request(server, connect(one))).messages[0]) for one in ids]
        seconds = server._exchange.clock() - start
    room = rate * MORE ** (seconds / LOOK) * (CREDIT + seconds) + 1
    assert told.count(0) <= room, "more go on at once than there is room for"
    assert max(told) <= LONGEST * (1 + AROUND), "somebody is told to wait too long"


@pytest.mark.parametrize("seed", range(scaled(4, 20)))
async def test_of_a_crowd_no_more_go_on_at_once_than_there_is_room_for(seed: int) -> None:
    await rush(seed)


async def test_the_loop_is_looked_at_from_the_first_who_waits_until_none_did_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(arrivals, "OVER", 10 * LOOK)
    crowd = arrivals.Arrivals(2, time.monotonic, even)
    assert [crowd.lost(), crowd.lost()] == [0.0, 0.0]
    assert crowd._timer is None
    assert crowd.lost() > 0
    await wait_until(lambda: crowd._rate.per_second != 2)
    await wait_until(lambda: crowd._timer is None)
    assert crowd._rate.per_second == 2
    for _ in range(2):
        crowd.lost()
    crowd.close()
    assert crowd._timer is None


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
