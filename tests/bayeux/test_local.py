"""Clients and streams in the server's own process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from livecollections.bayeux import Limits, Server
from livecollections.errors import BayeuxError

from ..serving import wait_until
from .wire import Log, abandoned, connected, request, subscribe


@pytest.fixture
def server() -> Server:
    return Server(timeout=5)


async def test_callbacks_get_their_own_copies_in_order_and_never_inside_the_publish(server: Server) -> None:
    client = server.local_client()
    heard: list[Any] = []
    both: list[Any] = []

    async def slow(channel: str, data: Any) -> None:
        await asyncio.sleep(0)
        both.append((channel, data["n"]))
        data["n"] = "spoilt"

    await client.subscribe("/chat/1", heard.append)
    await client.subscribe("/chat/*", slow, with_channel=True)
    data = {"n": 0}
    for number in range(5):
        data["n"] = number
        await client.publish("/chat/1", data)
    assert heard == []
    await server.publish("/chat/2", {"n": 9})
    await wait_until(lambda: len(both) == 6)
    assert [one["n"] for one in heard] == ["spoilt"] * 5
    assert both == [*(("/chat/1", number) for number in range(5)), ("/chat/2", 9)]
    await client.disconnect()


async def test_remote_publishes_need_the_policy_and_local_ones_none(server: Server) -> None:
    heard: list[Any] = []
    client = server.local_client()
    await client.subscribe("/**", heard.append)
    (reply,) = (await request(server, {"channel": "/chat", "data": "no"})).messages
    assert not reply["successful"]
    await client.publish("/chat", "yes")
    await wait_until(lambda: heard)
    assert heard == ["yes"]
    await client.disconnect()


async def test_a_cancelled_subscription_hears_no_more(server: Server) -> None:
    client = server.local_client()
    heard: list[Any] = []
    kept: list[Any] = []
    first = await client.subscribe("/chat", heard.append)
    await client.subscribe("/chat", kept.append)
    first.cancel()
    first.cancel()
    await client.publish("/chat", 1)
    await wait_until(lambda: kept)
    assert heard == []
    await client.disconnect()
    assert not server._exchange.sessions
    assert not server._exchange._subscribers
    await client.subscribe("/chat", heard.append)
    await client.publish("/chat", 2)
    await wait_until(lambda: heard == [2])
    await client.disconnect()


def fails(data: Any) -> None:
    raise ValueError("on purpose")


@pytest.mark.parametrize("failing", [fails, abandoned])
async def test_a_callback_that_fails_is_logged_and_the_next_message_comes(
    server: Server, caplog: pytest.LogCaptureFixture, failing: Callable[[Any], Any]
) -> None:
    client = server.local_client()
    heard: list[Any] = []

    def fail(data: Any) -> Any:
        heard.append(data)
        return failing(data)

    await client.subscribe("/chat", fail)
    await client.publish("/chat", 1)
    await client.publish("/chat", 2)
    await wait_until(lambda: heard == [1, 2])
    assert caplog.text.count("a local subscriber of /chat failed") == 2
    await client.disconnect()


async def test_a_callback_may_disconnect_its_client(server: Server) -> None:
    client = server.local_client()
    done = asyncio.Event()

    async def once(data: Any) -> None:
        await client.disconnect()
        done.set()

    await client.subscribe("/chat", once)
    await client.publish("/chat", 1)
    await asyncio.wait_for(done.wait(), 2)
    assert not server._exchange.sessions


@pytest.mark.parametrize("name", ["", "chat", "/chat/", "/a/*/b"])
async def test_wrong_channels_are_refused(server: Server, name: str) -> None:
    client = server.local_client()
    with pytest.raises(BayeuxError, match="405"):
        await client.subscribe(name, print)
    with pytest.raises(BayeuxError, match="405"):
        await client.publish(name, 1)
    with pytest.raises(BayeuxError, match="405"):
        await server.publish(name, 1)


# Streams.


async def take(stream: Any, count: int) -> list[str]:
    return [(await asyncio.wait_for(anext(stream), 2))["data"]["seq"] for _ in range(count)]


async def test_a_stream_tells_the_history_and_then_goes_on_live(server: Server) -> None:
    log = Log(server)
    written = [log.add(key) for key in range(5)]
    async with server.stream(log.channel, written[1]) as stream:
        assert (stream.seq, stream.reset) == (written[1], False)
        assert await take(stream, 3) == written[2:]
        written += [log.add(7), log.add(8)]
        assert await take(stream, 2) == written[5:]
    assert not server._exchange.sessions
    async with server.stream(log.channel, None) as stream:
        assert (stream.seq, stream.reset) == (written[-1], False)
        seq = log.add(9)
        message = await anext(stream)
        assert message == {"channel": log.channel, "data": log.data(seq, 9, written[-1])}
    async with server.stream(log.channel, "nonsense") as stream:
        assert (stream.seq, stream.reset) == (seq, True)


async def test_a_stream_of_a_channel_without_a_history_is_refused(server: Server) -> None:
    with pytest.raises(BayeuxError, match="404:/chat:Unknown channel"):
        async with server.stream("/chat", None):
            raise AssertionError("there is none")


async def test_a_slow_reader_is_a_position_and_is_squashed(server: Server) -> None:
    server = Server(limits=Limits(queue_bytes=1_000, stall=0.02))
    log = Log(server)
    async with server.stream(log.channel, None) as stream:
        log.add(0)
        await take(stream, 1)
        (session,) = server._exchange.sessions.values()
        for number in range(100):
            log.add(number % 3)
            assert session.size <= 1_200
        begun = server._exchange.clock()
        await wait_until(lambda: server._exchange.clock() - begun > 0.03)
        assert await take(stream, 3) == [seq for seq, _ in log.entries[-3:]]
        seq = log.add(5)
        assert await take(stream, 1) == [seq]


async def test_a_reader_that_is_a_little_slow_misses_nothing(server: Server) -> None:
    server = Server(limits=Limits(queue_bytes=1_000, stall=60))
    log = Log(server)
    async with server.stream(log.channel, None) as stream:
        written = [log.add(number % 3) for number in range(100)]
        assert await take(stream, 100) == written


async def test_streams_and_sessions_hear_the_same(server: Server) -> None:
    log = Log(server)
    client_id = await connected(server)
    await request(server, subscribe(client_id, log.channel))
    async with server.stream(log.channel, None) as stream:
        seq = log.add(1)
        assert await take(stream, 1) == [seq]
        assert [message.seq for message in server._exchange.sessions[client_id].queue] == [seq]
