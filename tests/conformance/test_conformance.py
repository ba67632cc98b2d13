"""What a Bayeux server does, seen from outside, whatever serves it: the same checks on every host, with the same count.

They know an address and the protocol. Where a check must know that the server has noticed something, it asks by
publishing (see ``apps/bayeux.py``).
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.exceptions import InvalidStatus

from livecollections.testing.proxy import FaultProxy

from .apps.bayeux import LIMIT, ORIGIN
from .client import HANDSHAKE, WITHIN, Client, client, connect, data, publish, subscribe
from .hosts import Host, Running
from .nginx import reachable

BATCH = 50
"""Messages of a flood that are published at once, and then heard."""

# The cycle of connects.


async def test_a_handshake_tells_what_the_server_speaks(speaker: Client) -> None:
    reply = await speaker.one(HANDSHAKE)
    assert reply["successful"] is True
    assert (reply["channel"], reply["id"], reply["version"]) == ("/meta/handshake", "h", "1.0")
    assert {"long-polling", "websocket"} <= set(reply["supportedConnectionTypes"])
    assert reply["advice"] == {"reconnect": "retry", "interval": 0, "timeout": 30_000}
    assert len(reply["clientId"]) >= 20


async def test_a_first_connect_is_answered_at_once_and_the_next_held(speaker: Client) -> None:
    client_id = await speaker.handshake()
    first = await speaker.one(connect(client_id))
    assert (first["channel"], first["id"], first["successful"]) == ("/meta/connect", "c", True)
    await speaker.one(subscribe(client_id, "/chat/a"))
    poll = await speaker.held(client_id)
    await speaker.publish("/chat/a", 1)
    reply, message = await poll
    assert reply["successful"]
    assert message == {"channel": "/chat/a", "data": 1}


async def test_a_held_connect_is_answered_at_its_time(speaker: Client) -> None:
    client_id = await speaker.connected()
    begun = time.monotonic()
    (reply,) = await speaker.post(connect(client_id, advice={"timeout": 300}))
    assert reply["successful"]
    assert 0.29 <= time.monotonic() - begun < WITHIN


async def test_what_is_said_between_two_polls_waits(speaker: Client) -> None:
    client_id = await speaker.connected("/chat/a")
    for number in range(3):
        await speaker.publish("/chat/a", number)
    _, *messages = await speaker.post(connect(client_id))
    assert data(messages) == [0, 1, 2]


async def test_a_goodbye_ends_the_held_connect_and_the_session(speaker: Client) -> None:
    client_id = await speaker.connected()
    poll = await speaker.held(client_id)
    bye = await speaker.one({"channel": "/meta/disconnect", "clientId": client_id, "id": "d"})
    assert (bye["successful"], bye["id"]) == (True, "d")
    (last,) = await poll
    assert (last["channel"], last["id"], last["successful"]) == ("/meta/connect", "c", True)
    (refused,) = await speaker.post(connect(client_id))
    assert refused["error"] == f"401:{client_id}:Unknown client"


async def test_an_unknown_client_is_told_to_handshake(speaker: Client) -> None:
    (refused,) = await speaker.post(connect("nobody"))
    assert (refused["successful"], refused["error"]) == (False, "401:nobody:Unknown client")
    assert refused["advice"]["reconnect"] == "handshake"
    assert (await speaker.one(subscribe("nobody", "/chat/a")))["error"].startswith("401:")


async def test_a_second_poll_ends_the_first_and_takes_what_comes(speaker: Client) -> None:
    client_id = await speaker.connected("/chat/a")
    first = await speaker.held(client_id, id="first")
    second = speaker.poll(client_id, id="second")
    (answer,) = await asyncio.wait_for(first, WITHIN)
    assert answer["id"] == "first"
    await speaker.wait("held", client_id)
    await speaker.publish("/chat/a", 1)
    reply, message = await second
    assert (reply["id"], message["data"]) == ("second", 1)


# Subscriptions and publishes.


async def test_a_subscription_lasts_until_it_is_given_up(speaker: Client) -> None:
    client_id = await speaker.connected("/chat/a", "/chat/b")
    await speaker.publish("/chat/a", "heard")
    reply = await speaker.one(
        {"channel": "/meta/unsubscribe", "clientId": client_id, "subscription": "/chat/a", "id": "u"}
    )
    assert (reply["successful"], reply["subscription"]) == (True, "/chat/a")
    await speaker.publish("/chat/a", "missed")
    await speaker.publish("/chat/b", "heard too")
    assert await speaker.hear(client_id, 2) == ["heard", "heard too"]


async def test_a_closed_channel_is_refused(speaker: Client) -> None:
    client_id = await speaker.connected()
    refused = await speaker.one(subscribe(client_id, "/closed"))
    assert (refused["successful"], refused["error"]) == (False, "403:/closed:Forbidden channel")
    refused = await speaker.one(publish("/closed", 1, clientId=client_id))
    assert refused["error"] == "403:/closed:Forbidden channel"
    assert (await speaker.one(publish("/chat//a", 1)))["error"].startswith("405:")


async def test_patterns_hear_what_they_cover_once(speaker: Client) -> None:
    one = await speaker.connected("/chat/room/*")
    all_ = await speaker.connected("/chat/room/**", "/chat/room/*", "/chat/room/a")
    for number, channel in enumerate(("/chat/room/a", "/chat/room/a/b", "/chat/room", "/chat/room/c")):
        await speaker.publish(channel, number)
    assert await speaker.hear(one, 2) == [0, 3]
    assert await speaker.hear(all_, 3) == [0, 1, 3]


async def test_a_batch_is_answered_whole_and_never_held(speaker: Client) -> None:
    client_id = await speaker.connected()
    begun = time.monotonic()
    messages = await speaker.post(
        subscribe(client_id, "/chat/a"),
        *(publish("/chat/a", number, clientId=client_id, id=f"p{number}") for number in range(3)),
        connect(client_id),
    )
    assert time.monotonic() - begun < WITHIN
    replies = [message["id"] for message in messages if "successful" in message]
    assert replies == ["s", "p0", "p1", "p2", "c"]
    heard = data(messages)
    assert heard + await speaker.hear(client_id, 3 - len(heard)) == [0, 1, 2]


async def test_a_repeated_publish_is_delivered_once(speaker: Client) -> None:
    sender, receiver = await speaker.connected(), await speaker.connected("/chat/a")
    for _ in range(3):
        await speaker.publish("/chat/a", "once", clientId=sender, id="same")
    await speaker.publish("/chat/a", "end", clientId=sender)
    assert await speaker.hear(receiver, 2) == ["once", "end"]


async def test_messages_keep_their_order(speaker: Client) -> None:
    polling = await speaker.connected("/chat/order")
    async with speaker.socket() as socket:
        await socket.connected(await speaker.handshake(), "/chat/order")
        for start in range(0, 500, 50):
            batch = range(start, start + 50)
            await speaker.post(*(publish("/chat/order", n, id=f"p{n}") for n in batch))
            assert await speaker.hear(polling, 50) == list(batch)
        assert await socket.hear(500) == list(range(500))


async def test_any_text_comes_as_it_was_sent(speaker: Client) -> None:
    client_id = await speaker.connected("/chat/a")
    values = ['héllo \u2028 \U0001f600 \\ " </script>', {"nothing": None, "false": False, "zero": 0}, [], ""]
    async with speaker.socket() as socket:
        await socket.connected(await speaker.handshake(), "/chat/a")
        for value in values:
            await speaker.publish("/chat/a", value)
        assert await speaker.hear(client_id, 4) == values
        assert await socket.hear(4) == values


# Connections that end.


async def test_a_poll_whose_client_has_gone_is_noticed_and_loses_nothing(speaker: Client) -> None:
    client_id = await speaker.connected("/chat/a")
    for number in range(3):
        async with speaker.twin() as leaving:
            poll = leaving.poll(client_id)
            await speaker.wait("held", client_id)
            poll.cancel()
            await asyncio.gather(poll, return_exceptions=True)
        await speaker.wait("held", client_id, False)
        await speaker.publish("/chat/a", number)
        assert await speaker.hear(client_id, 1) == [number]


async def test_a_socket_speaks_bayeux(speaker: Client) -> None:
    async with speaker.socket() as socket:
        reply = await socket.ask(HANDSHAKE)
        await socket.connected(reply["clientId"], "/chat/a")
        await speaker.wait("held", reply["clientId"])
        await socket.send(publish("/chat/a", 1, clientId=reply["clientId"]))
        assert await socket.hear(1) == [1]
        assert await speaker.is_("held", reply["clientId"])
        await socket.send()
        while (frame := await socket.receive()) != []:
            assert frame


async def test_a_history_is_told_from_a_position_on_every_transport(speaker: Client) -> None:
    async def told(client_id: str, seq: str | None = None) -> Any:
        wish = {"live": {} if seq is None else {"since": seq}}
        reply = await speaker.one(subscribe(client_id, "/api/todos", ext=wish))
        assert reply["successful"]
        return reply["ext"]["live"]["seq"]

    at = await told(await speaker.connected())
    for number in range(3):
        await speaker.publish(f"/add/{number}", None)
    polling, streaming, speaking = [await speaker.connected() for _ in range(3)]
    for client_id in (polling, streaming, speaking):
        assert await told(client_id, at) == at
    async with speaker.stream(streaming) as events, speaker.socket() as socket:
        await socket.connected(speaking)
        for listening in (await speaker.hear(polling, 3), await events.hear(3), await socket.hear(3)):
            assert [one["body"]["id"] for one in listening] == [0, 1, 2]
            assert listening[0]["prev"] == at


async def test_a_closed_socket_is_noticed_and_its_session_moves(speaker: Client) -> None:
    client_id = await speaker.handshake()
    for number in range(4):
        async with speaker.socket() as socket:
            await socket.connected(client_id, *(["/chat/a"] if number == 0 else []))
            if number:
                assert await socket.hear(1) == [number - 1]
            if number % 2:
                socket.reset()
            else:
                await socket.connection.close()
            await speaker.wait("linked", client_id, False)
        await speaker.publish("/chat/a", number)
    assert await speaker.hear(client_id, 1) == [3]


async def test_a_session_moves_from_polls_to_a_socket(speaker: Client) -> None:
    client_id = await speaker.connected("/chat/a")
    poll = await speaker.held(client_id)
    async with speaker.socket() as socket:
        await socket.connected(client_id)
        await poll
        await speaker.publish("/chat/a", 1)
        assert await socket.hear(1) == [1]


async def test_a_peer_that_falls_silent_is_found(speaker: Client) -> None:
    client_id = await speaker.handshake()
    async with FaultProxy(speaker.url) as proxy, speaker.socket(url=proxy.url) as socket:
        assert (await socket.ask(connect(client_id, "websocket")))["successful"]
        assert (await socket.ask(subscribe(client_id, "/chat/a")))["successful"]
        proxy.half_open()
        await speaker.wait("linked", client_id, False)
        await speaker.publish("/chat/a", 1)
        assert await speaker.hear(client_id, 1) == [1]


async def test_a_stream_brings_messages_and_its_end_is_noticed(speaker: Client) -> None:
    client_id = await speaker.connected("/chat/a")
    for number in range(2):
        async with speaker.stream(client_id) as events:
            assert events.answer.status_code == 200
            assert events.answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert (await events.line()).startswith("retry: ")
            for kept in range(number):
                assert await events.hear(1) == [f"kept {kept}"]
            for one in range(20):
                await speaker.publish("/chat/a", one)
                assert await events.hear(1) == [one]
        await speaker.wait("linked", client_id, False)
        await speaker.publish("/chat/a", f"kept {number}")
    assert await speaker.hear(client_id, 1) == ["kept 1"]
    async with speaker.stream("nobody") as refused:
        assert refused.answer.status_code == 404


async def test_a_script_brings_messages(speaker: Client) -> None:
    (reply,) = await speaker.script({**HANDSHAKE, "supportedConnectionTypes": ["callback-polling"]})
    client_id = reply["clientId"]
    poll = connect(client_id, "callback-polling")
    (reply,) = await speaker.script(poll)
    (reply,) = await speaker.script(subscribe(client_id, "/chat/a"))
    held = asyncio.create_task(speaker.script(poll))
    await speaker.wait("held", client_id)
    await speaker.publish("/chat/a", "</script>\u2028")
    reply, message = await held
    assert (reply["successful"], message["data"]) == (True, "</script>\u2028")


async def test_a_socket_that_reads_nothing_costs_nobody_anything(speaker: Client, served: Running) -> None:
    client_id = await speaker.handshake()
    async with speaker.socket(max_queue=1) as slow:
        await slow.connected(client_id, "/chat/flood")
        slow.pause()
        await flood(speaker, served, client_id)


async def test_a_stream_that_is_not_read_costs_nobody_anything(speaker: Client, served: Running) -> None:
    client_id = await speaker.connected("/chat/flood")
    async with speaker.stream(client_id) as slow:
        await slow.line()
        slow.pause()
        await flood(speaker, served, client_id)


async def flood(speaker: Client, served: Running, client_id: str) -> None:
    """Publish until a session that takes nothing has ended; another hears all, and memory stays.

    Each batch fits into the queue of a session: a host's own thread may take nothing before the last is published.
    """
    async with speaker.socket() as quick:
        reader = await speaker.handshake()
        await quick.connected(reader, "/chat/flood")
        text, sent, before = "x" * 1_000, 0, memory(served)
        while await speaker.is_("alive", client_id):
            assert sent < 40_000
            batch = range(sent, sent + BATCH)
            await quick.send(*(publish("/chat/flood", text, clientId=reader, id=f"p{n}") for n in batch))
            sent += BATCH
            await quick.hear(BATCH)
            # As clients do: one that is asked whether it is there, and does not say so, is no quick one.
            await quick.send(connect(reader, "websocket", id="held"))
        assert memory(served) - before < 16_000_000


def memory(served: Running) -> int:
    """Bytes that the host's processes hold."""
    process = psutil.Process(served.process.process.pid)
    return sum(one.memory_info().rss for one in [process, *process.children(recursive=True)])


# What HTTP and WebSockets ask for.


@pytest.mark.parametrize("path", ["", "/", "/handshake", "/any/deeper"])
async def test_every_path_below_the_mount_is_served(speaker: Client, path: str) -> None:
    assert (await speaker.one(HANDSHAKE, path=path))["successful"]
    async with speaker.socket(path) as socket:
        assert (await socket.ask(HANDSHAKE))["successful"]


async def test_fayes_own_client_is_served(speaker: Client) -> None:
    answer = await speaker.request("GET", "/client.js")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "Faye" in answer.text
    again = await speaker.request("GET", "/client.js", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_a_form_is_read_like_json(speaker: Client) -> None:
    answer = await speaker.request(data={"message": json.dumps([HANDSHAKE])})
    assert answer.json()[0]["successful"]
    answer = await speaker.request(content=json.dumps(HANDSHAKE), headers={"Content-Type": "text/plain"})
    assert answer.json()[0]["successful"]
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache, no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_what_is_no_message_is_refused(speaker: Client) -> None:
    for body in (b"[", b"1", b'"x"', b"\xff", b"x=y"):
        assert (await speaker.request(content=body)).status_code == 400
    assert (await speaker.request("PUT", content=b"[]")).status_code == 405
    assert (await speaker.one(HANDSHAKE))["successful"]


async def test_64_kib_pass_both_ways(speaker: Client) -> None:
    text = "x" * 65_536
    client_id = await speaker.connected("/chat/a")
    async with speaker.socket() as socket:
        await socket.connected(await speaker.handshake(), "/chat/a")
        await speaker.publish("/chat/a", text)
        assert await socket.hear(1) == [text]
        assert await speaker.hear(client_id, 1) == [text]
        await socket.send(publish("/chat/a", text + "y"))
        assert await socket.hear(1) == [text + "y"]
        assert await speaker.hear(client_id, 1) == [text + "y"]


@pytest.mark.parametrize("size", [LIMIT, 16 * LIMIT])
async def test_a_body_over_the_limit_is_answered_413(speaker: Client, size: int) -> None:
    body = json.dumps([publish("/chat/a", "x" * size)]).encode()

    async def pieces() -> Any:
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000]

    for content in (body, pieces()):
        async with speaker.twin() as sender:
            assert (await sender.request(content=content)).status_code == 413
    assert (await speaker.one(HANDSHAKE))["successful"]


async def test_a_frame_over_the_limit_is_refused(speaker: Client) -> None:
    async with speaker.socket() as socket:
        await socket.connection.send(json.dumps([publish("/chat/a", "x" * LIMIT)]))
        (refused,) = await socket.receive()
        assert (refused["successful"], refused["error"][:5]) == (False, "413::")


async def test_origins_are_asked_for(speaker: Client) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    for path in ("", "/connect"):
        preflight = await speaker.request("OPTIONS", path, headers=asked)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == ORIGIN
        assert preflight.headers["access-control-allow-credentials"] == "true"
        answer = await speaker.request(path=path, json=[HANDSHAKE], headers={"Origin": ORIGIN})
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "Origin" in answer.headers["vary"]
    foreign = await speaker.request(json=[HANDSHAKE], headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert "access-control-allow-origin" not in foreign.headers
    async with speaker.socket(origin=ORIGIN) as socket:
        assert (await socket.ask(HANDSHAKE))["successful"]
    with pytest.raises(InvalidStatus) as refused:
        async with speaker.socket(origin="https://evil.example"):
            pass
    assert refused.value.response.status_code == 403


# The end of the server.


async def test_a_stop_answers_what_is_held_and_takes_two_seconds_at_most(host: Host, tmp_path: Path) -> None:
    with reachable(host, tmp_path) as served:
        async with client(served.url) as speaker:
            client_id = await speaker.connected()
            async with speaker.socket() as socket, speaker.stream(await speaker.connected()) as events:
                await socket.connected(await speaker.handshake())
                poll = await speaker.held(client_id)
                await events.line()
                stopping = asyncio.create_task(asyncio.to_thread(served.process.stop))
                (reply,) = await poll
                assert reply["advice"]["reconnect"] == "retry"
                assert reply["advice"]["interval"] >= 1_000
                # Granian may be gone before the frame that says 1012 is.
                assert await socket.closed() in (1012, 1006)
                await events.end()
                assert await stopping <= 2.0
