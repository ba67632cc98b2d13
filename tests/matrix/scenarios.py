"""What each client must stand: one function per row of the matrix, for any client on any transport.

Three rules. A scenario waits for conditions, never for a time. Every one ends by hearing something new, in
order, with nothing doubled. What may be lost is said in the scenario: nothing that was published while the
server knew that the connection had gone, and, by a client that makes nothing good, at most what was written
before that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from .bench import Bench, datum, numbers, wait_link, wait_lost

CHANNEL = "/room/a"
COUNT = 20
BATCH = 10
"""Few enough for one request: Faye's client sends what is more side by side."""
SILENCE = 60.0
"""Seconds until a client has noticed that a connection is dead: Faye's closes a WebSocket then, and waits 30 s for
the answer to that."""
Scenario = Callable[[Bench], Awaitable[None]]


async def subscribe(bench: Bench) -> None:
    """All that is published is heard, in order and as it was, beside other channels that are not."""
    client = bench.client
    await client.subscribe(CHANNEL)
    for number in range(COUNT):
        await bench.say(CHANNEL, number)
        await bench.say("/room/b", number)
        if number % 5 == 0:
            await client.wait_count("message", number + 1)
    await client.wait_count("message", COUNT)
    await bench.say(CHANNEL, COUNT)
    await client.wait_count("message", COUNT + 1)
    assert client.heard(CHANNEL) == [datum(CHANNEL, number) for number in range(COUNT + 1)]


async def wildcard(bench: Bench) -> None:
    """Each listener hears what its pattern covers, once, though several patterns cover it."""
    client = bench.client
    await client.subscribe("/room/*", "/room/**", CHANNEL)
    for number in range(COUNT):
        for channel in (CHANNEL, "/room/a/b", "/room", "/rooms/a"):
            await bench.say(channel, number)
    await bench.say(CHANNEL, COUNT)
    await client.wait_count("message", 3 * (COUNT + 1) + COUNT)
    every = list(range(COUNT + 1))
    for pattern in ("/room/*", "/room/**", CHANNEL):
        assert numbers(client.heard(pattern), CHANNEL) == every
    assert numbers(client.heard("/room/**"), "/room/a/b") == every[:-1]
    assert len(client.of("message")) == 3 * (COUNT + 1) + COUNT


async def publish(bench: Bench) -> None:
    """What it publishes reaches the server and itself once and in order, and it is told so each time."""
    client = bench.client
    await client.subscribe(CHANNEL)
    heard: list[Any] = []
    local = bench.server.local_client()
    await local.subscribe(CHANNEL, heard.append)
    for number in range(COUNT):
        await client.do("publish", channel=CHANNEL, data=datum(CHANNEL, number))
        await client.wait_count("published", number + 1)
    await client.wait_count("message", COUNT)
    expected = [datum(CHANNEL, number) for number in range(COUNT)]
    assert heard == expected == client.heard(CHANNEL)
    assert not client.of("refused")
    await local.disconnect()


async def batch(bench: Bench) -> None:
    """What it sends in one go arrives in order, and each is answered."""
    client = bench.client
    await client.subscribe("/room/*")
    channels = [f"/room/{letter}" for letter in "abcd"]
    messages = [{"channel": channels[n % 4], "data": datum(channels[n % 4], n)} for n in range(BATCH)]
    await client.do("batch", messages=messages)
    await client.wait_count("message", BATCH)
    await client.wait_count("published", BATCH)
    assert numbers(client.heard("/room/*")) == list(range(BATCH))


async def call(bench: Bench) -> None:
    """Each call of a service is answered to its caller, once and in order, and nobody else hears of it."""
    client, heard = bench.client, list[Any]()
    bench.server.service("/service/double")(lambda session, data: {**data, "n": 2 * data["n"]})
    local = bench.server.local_client()
    await local.subscribe("/**", heard.append)
    for number in range(COUNT):
        await client.do("call", channel="/service/double", data=datum("/service/double", number))
        await client.wait_count("answered", number + 1)
    answers = [one["data"] for one in client.of("answered")]
    assert answers == [datum("/service/double", 2 * number) for number in range(COUNT)]
    assert not client.of("refused")
    assert not heard
    await local.disconnect()


async def rehandshake(bench: Bench) -> None:
    """Away for longer than its session lives, it comes back with a new one and all its subscriptions."""
    client, proxy = bench.client, bench.proxy
    await client.subscribe(CHANNEL)
    await bench.say(CHANNEL, 0)
    await client.wait_count("message", 1)
    (old,) = bench.sessions
    proxy.refuse()
    proxy.cut()
    await client.wait(lambda: not bench.sessions)
    proxy.heal()
    await client.wait_count("handshake", 2)
    await bench.wait_heard(CHANNEL)
    assert [one.id for one in bench.sessions] != [old.id]
    await bench.say(CHANNEL, 1, 2)
    await client.wait_count("message", 3)
    assert numbers(client.heard(CHANNEL)) == [0, 1, 2]


async def restart(bench: Bench) -> None:
    """It finds a server that was stopped and started, each time, by itself."""
    client = bench.client
    await client.subscribe(CHANNEL)
    for number in range(3):
        await bench.wait_heard(CHANNEL)
        await bench.say(CHANNEL, number)
        await client.wait_count("message", number + 1)
        if number < 2:
            await bench.stop()
            await bench.start()
            await client.wait_count("handshake", number + 2)
    assert numbers(client.heard(CHANNEL)) == [0, 1, 2]


async def cut(bench: Bench) -> None:
    """A reset connection loses nothing that is published until the next, and doubles nothing."""
    client = bench.client
    await client.subscribe(CHANNEL)
    sent = 0
    for _ in range(4):
        link = await wait_link(bench)
        bench.proxy.cut()
        await wait_lost(bench, link)
        for _ in range(5):
            await bench.say(CHANNEL, sent)
            sent += 1
        await client.wait_count("message", sent)
    assert numbers(client.heard(CHANNEL)) == list(range(sent))
    assert len(client.of("handshake")) == 1, "the session outlives its connections"


async def half_open(bench: Bench) -> None:
    """A connection that died silently is given up, and what is published after that is heard."""
    client, proxy = bench.client, bench.proxy
    await client.subscribe(CHANNEL)
    await client.wait_count("connect", 1)
    await bench.say(CHANNEL, 0)
    await client.wait_count("message", 1)
    proxy.half_open()
    dead = [session.link for session in bench.sessions]
    proxy.heal()
    await bench.say(CHANNEL, 1, 2)
    await wait_link(bench, dead, SILENCE)
    await bench.wait_heard(CHANNEL)
    await bench.say(CHANNEL, 3, 4, 5)
    await client.wait(lambda: 5 in numbers(client.heard(CHANNEL)))
    heard = numbers(client.heard(CHANNEL))
    assert heard == sorted(set(heard)), "in order, and nothing twice"
    assert {0, 3, 4, 5} <= set(heard)
    if bench.is_lossless:
        assert heard == list(range(6))


async def slow(bench: Bench) -> None:
    """A server that is late and slow is waited for; nothing is asked twice so that it is heard twice."""
    client, proxy = bench.client, bench.proxy
    proxy.delay(0.15)
    proxy.throttle(30_000)
    await client.subscribe(CHANNEL)
    for number in range(3 * COUNT):
        await bench.say(CHANNEL, number)
    await client.do("publish", channel=CHANNEL, data=datum(CHANNEL, 3 * COUNT))
    await client.wait_count("published", 1)
    await client.wait_count("message", 3 * COUNT + 1)
    proxy.heal()
    await bench.say(CHANNEL, 3 * COUNT + 1)
    await client.wait_count("message", 3 * COUNT + 2)
    assert numbers(client.heard(CHANNEL)) == list(range(3 * COUNT + 2))
    assert len(client.of("handshake")) == 1


SCENARIOS: Mapping[str, Scenario] = {
    "subscribe": subscribe,
    "wildcard": wildcard,
    "publish": publish,
    "batch": batch,
    "service call": call,
    "rehandshake": rehandshake,
    "restart": restart,
    "cut": cut,
    "half-open": half_open,
    "slow": slow,
}
