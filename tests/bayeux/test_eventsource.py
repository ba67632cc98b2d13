"""EventSource: the stream, who may open it, what its connects are told, and what a slow reader costs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from livecollections.bayeux import Limits, Server

from ..serving import wait_until
from .wire import (
    Events,
    Log,
    Open,
    Socket,
    connect,
    connected,
    jsonp,
    request,
    seqs,
    since,
    subscribe,
)

BEAT = {"advice": {"reconnect": "retry", "interval": 5_000, "timeout": 0}}


@pytest.fixture
def server() -> Server:
    return Server(timeout=5, policy=Open())


async def begin(server: Server) -> str:
    """A session that is subscribed to /chat and has connected once."""
    client_id = await connected(server)
    await request(server, subscribe(client_id, "/chat"))
    return client_id


async def beat(server: Server, client_id: str, **fields: Any) -> list[Any]:
    """What a connect of a client that hears by a stream is answered."""
    return (await request(server, connect(client_id, "eventsource", **fields))).messages


async def test_a_stream_begins_with_retry_and_has_fayes_headers(server: Server) -> None:
    client_id = await begin(server)
    async with Events(server, client_id) as events:
        assert events.status == 200
        assert events.headers == {
            "vary": "Origin",
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-cache, no-store",
            "x-content-type-options": "nosniff",
            "x-accel-buffering": "no",
        }
        assert events.text == "retry: 5000\n\n"
        await server.publish("/chat", "é\n\u2028</")
        assert await events.receive() == [{"channel": "/chat", "data": "é\n\u2028</"}]
        assert "\n" not in events.text.split("data: ")[1][:-2]


async def test_eventsource_connects_are_answered_at_once_with_interval_and_timeout_0(server: Server) -> None:
    client_id = await begin(server)
    async with Events(server, client_id) as events:
        for id_ in ("a", "b"):
            assert await beat(server, client_id, id=id_) == [
                {"id": id_, "clientId": client_id, "channel": "/meta/connect", "successful": True, **BEAT}
            ]
        await server.publish("/chat", 1)
        assert (await events.receive())[0]["data"] == 1


async def test_comments_are_sent_in_silence(server: Server) -> None:
    server = Server(timeout=5, policy=Open(), ping=0.02)
    async with Events(server, await begin(server)) as events:
        await events.wait(lambda: events.text.count(":\n\n") >= 3)
    server = Server(timeout=0.1, policy=Open(), ping=None)
    async with Events(server, await begin(server)) as events:
        await events.wait(lambda: events.is_over)
        assert not events.text.startswith(":")
        assert "\n:\n" not in events.text


@pytest.mark.parametrize("client_id", ["", "x", "0" * 40, "faye"])
async def test_an_unknown_client_gets_no_stream_and_makes_no_state(server: Server, client_id: str) -> None:
    other = await begin(server)
    async with Events(server, client_id) as events:
        assert events.status == 404
        assert events.is_over
        assert events.text == "Unknown client"
    assert list(server._exchange.sessions) == [other]
    assert not server._http.streams


async def test_a_local_sessions_id_opens_no_stream(server: Server) -> None:
    await server.local_client().subscribe("/chat", lambda data: None)
    (secret,) = server._exchange.sessions
    async with Events(server, secret) as events:
        assert events.status == 404
    await server.close()


async def test_a_streams_origin_is_checked(server: Server) -> None:
    client_id = await begin(server)
    async with Events(
        server, client_id, [("host", "a.example"), ("origin", "https://evil.example")]
    ) as events:
        assert events.status == 403
    assert server._exchange.sessions[client_id].link is None
    allowed = Server(allowed_origins=["https://app.example"], policy=Open())
    client_id = await begin(allowed)
    async with Events(allowed, client_id, [("origin", "https://app.example")]) as events:
        assert events.headers["access-control-allow-origin"] == "https://app.example"
        assert events.headers["access-control-allow-credentials"] == "true"


async def test_a_stream_is_asked_for_by_its_accept_header_before_jsonp(server: Server) -> None:
    client_id = await begin(server)
    headers = [("accept", "text/html, text/event-stream;q=0.9")]
    async with Events(server, client_id, headers, query_string=b"message=%5B%5D") as events:
        assert events.text.startswith("retry:")
    assert (await jsonp(server, headers=[("accept", "*/*")])).body == b"[]"


async def test_a_lost_stream_loses_nothing_and_the_next_goes_on(server: Server) -> None:
    client_id = await begin(server)
    async with Events(server, client_id) as events:
        events.take_nothing()
        await server.publish("/chat", 1)
        await wait_until(lambda: not server._exchange.sessions[client_id].queue)
    await server.publish("/chat", 2)
    async with Events(server, client_id) as events:
        heard = [message["data"] for message in await events.receive()]
        assert heard == [1, 2]
    assert not server._http.streams


async def test_without_its_stream_a_client_hears_by_its_connects(server: Server) -> None:
    """A proxy may have taken the stream away for good."""
    client_id = await begin(server)
    await server.publish("/chat", 1)
    found = await beat(server, client_id)
    assert [message.get("data") for message in found] == [None, 1]
    assert found[0]["advice"]["timeout"] == 0
    patient = Server(timeout=45)
    client_id = await connected(patient)
    assert (await beat(patient, client_id))[0]["advice"]["interval"] == 5_000
    async with Events(patient, client_id):
        assert (await beat(patient, client_id))[0]["advice"]["interval"] == 45_000


async def test_a_held_poll_is_answered_when_the_stream_comes(server: Server) -> None:
    client_id = await begin(server)
    held = asyncio.create_task(request(server, connect(client_id)))
    await wait_until(lambda: server._exchange.sessions[client_id].held)
    async with Events(server, client_id) as events:
        assert len((await held).messages) == 1
        await server.publish("/chat", 1)
        assert (await events.receive())[0]["data"] == 1


async def test_a_session_that_ends_tells_its_stream_to_begin_anew(server: Server) -> None:
    client_id = await begin(server)
    async with Events(server, client_id) as events:
        server._exchange.end(server._exchange.sessions[client_id])
        (told,) = await events.receive()
        assert told == {
            "channel": "/meta/connect",
            "successful": False,
            "error": f"401:{client_id}:Unknown client",
            "advice": {"reconnect": "handshake", "interval": 1_000},
        }
        await events.wait(lambda: events.is_over)
    assert (await beat(server, client_id))[0]["error"] == f"401:{client_id}:Unknown client"


async def test_a_stream_without_connects_ends_with_its_session() -> None:
    server = Server(timeout=0.1, policy=Open())
    client_id = await begin(server)
    async with Events(server, client_id) as events:
        await events.wait(lambda: events.is_over)
    assert not server._exchange.sessions


async def test_a_stream_whose_session_moves_ends_without_a_word(server: Server) -> None:
    client_id = await begin(server)
    async with Events(server, client_id) as events, Socket(server) as socket:
        await socket.reply(connect(client_id, "websocket"))
        await events.wait(lambda: events.is_over)
        assert events.events == []
        await server.publish("/chat", 1)
        assert (await socket.receive())[0]["data"] == 1


# Positions.


async def test_a_stream_resumes_at_the_positions_of_its_first_connect(server: Server) -> None:
    log = Log(server)
    client_id = await connected(server)
    await request(server, subscribe(client_id, log.channel, ext=since(log.position())))
    written = [log.add(key) for key in range(3)]
    async with Events(server, client_id) as events:
        assert seqs(await events.receive()) == written
        at = {"live": {"at": {log.channel: written[0]}}}
        (reply,) = await beat(server, client_id, ext=at)
        assert reply["ext"] == {"live": {"last": {log.channel: written[2]}}}
        assert seqs(await events.receive()) == written[1:]
        # Only the first tells where the stream before it ended.
        (reply,) = await beat(server, client_id, ext=at)
        assert "ext" not in reply
        written.append(log.add(1))
        assert seqs(await events.receive()) == written[3:]


# Slow readers.


async def test_a_slow_stream_of_a_history_is_only_a_position() -> None:
    server = Server(timeout=5, policy=Open(), limits=Limits(queue_bytes=1_000, stall=0.05))
    log = Log(server)
    client_id = await connected(server)
    await request(server, subscribe(client_id, log.channel))
    session = server._exchange.sessions[client_id]
    async with Events(server, client_id) as events:
        events.take_nothing()
        for key in range(300):
            last = log.add(key % 3)
            await asyncio.sleep(0)
            assert session.size <= 1_000
        begun = server._exchange.clock()
        await wait_until(lambda: server._exchange.clock() - begun > 0.06)
        events.take_again()
        found: list[str] = []
        while not found or found[-1] != last:
            found += seqs(await events.receive())
        assert found == sorted(set(found))
        assert len(found) < 50
        assert any(squash for _, squash in log.reads)


async def test_a_slow_stream_of_a_plain_channel_ends_its_session() -> None:
    server = Server(timeout=5, policy=Open(), limits=Limits(queue_bytes=1_000))
    client_id = await begin(server)
    async with Events(server, client_id) as events:
        events.take_nothing()
        for _ in range(20):
            await server.publish("/chat", "x" * 100)
            await asyncio.sleep(0)
        assert not server._exchange.sessions
        events.take_again()
        await events.wait(lambda: events.is_over)
        assert events.events[-1][0]["advice"]["reconnect"] == "handshake"


async def test_close_ends_streams_also_those_that_take_nothing(server: Server) -> None:
    await server.start()
    streams = [Events(server, await begin(server)) for _ in range(5)]
    for stream in streams:
        await stream.__aenter__()
    streams[0].take_nothing()
    await server.publish("/chat", 1)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await server.close()
    assert loop.time() - begun < 2.0
    assert all(stream.is_over for stream in streams[1:])
    assert not server._http.streams
    async with Events(server, "x") as late:
        assert late.status == 503
    for stream in streams:
        await stream.cut()
