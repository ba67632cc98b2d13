"""Lines of ``docs/checklist`` that no other file shows: fields, replies, sockets, and what is told to nobody."""

from __future__ import annotations

import asyncio
import gc
import hmac
import json
import logging
import tracemalloc
from typing import Any

import pytest

from livecollections.bayeux import Context, Server, Session

from ..serving import wait_until
from .wire import VERSION, Log, Open, Socket, connect, connected, cookie, handshake, request, subscribe

HANDSHAKE = {"channel": "/meta/handshake", **VERSION, "id": "h"}
IDLE = 5_120
"""Bytes that an idle session with two subscriptions may cost, as the documentation says."""


@pytest.fixture
def server() -> Server:
    return Server(timeout=5, policy=Open())


def publish(data: Any, **fields: Any) -> dict[str, Any]:
    return {"channel": "/chat", "data": data, "id": "p", **fields}


async def only(server: Server, message: Any) -> Any:
    """The one reply to a message."""
    (reply,) = (await request(server, [message])).messages
    return reply


# Fields.


async def test_a_channel_that_is_named_twice_is_one_channel(server: Server) -> None:
    client_id = await connected(server)
    await request(server, subscribe(client_id, ["/chat", "/other"]))
    body = b'[{"channel":"/other","channel":"/meta/x","channel":"/chat","data":1,"data":2}]'
    (reply,) = (await request(server, body)).messages
    assert (reply["channel"], reply["successful"]) == ("/chat", True)
    answer = await request(server, connect(client_id))
    assert answer.messages[1:] == [{"channel": "/chat", "data": 2}]
    assert answer.body.count(b'"/chat"') == 1


@pytest.mark.parametrize("id_", ["", "1", "é:,\u2028", "0", 0, 7, -1, 1.5, 2**53])
async def test_an_id_comes_back_as_it_was_sent(server: Server, id_: Any) -> None:
    client_id = await connected(server)
    for message in (
        {**HANDSHAKE, "id": id_},
        connect(client_id, id=id_, advice={"timeout": 0}),
        subscribe(client_id, "/chat", id=id_),
        subscribe(client_id, "wrong", id=id_),
        publish(1, id=id_),
        publish(1, id=id_, channel="wrong"),
        {"channel": "/meta/unsubscribe", "clientId": client_id, "subscription": "/chat", "id": id_},
        {"channel": "/meta/disconnect", "clientId": client_id, "id": id_},
    ):
        reply = await only(server, message)
        assert (type(reply["id"]), reply["id"]) == (type(id_), id_), message


@pytest.mark.parametrize("data", [None, False, 0, "", [], {}, {"extra": None}, [[0]], -1.5, 2**53, "é\u2028"])
async def test_data_are_any_json(server: Server, data: Any) -> None:
    polling, sender, on_socket = [await connected(server) for _ in range(3)]
    async with Socket(server) as socket:
        await socket.reply(connect(on_socket, "websocket"))
        await socket.reply(subscribe(on_socket, "/chat"))
        await request(server, subscribe(polling, "/chat"))
        await request(server, publish(data, clientId=sender))
        expected = {"channel": "/chat", "data": data}
        assert (await request(server, connect(polling))).messages[1:] == [expected]
        assert await socket.receive() == [expected]


# Handshakes.


async def test_nothing_travels_with_the_answer_to_a_handshake(server: Server) -> None:
    given: list[asyncio.Task[None]] = []

    @server.on("handshake")
    async def greet(session: Session) -> None:
        await server.deliver(session, "/welcome", 1)

    class Eager:
        """What can be given to a session at the earliest."""

        def outgoing(self, message: dict[str, Any], context: Context) -> dict[str, Any]:
            if message["channel"] == "/meta/handshake":
                task = server.deliver(message["clientId"], "/welcome", 2)
                given.append(asyncio.ensure_future(task))
            return message

    server.add_extension(Eager())
    polling = (await only(server, HANDSHAKE))["clientId"]
    await wait_until(lambda: len(server.sessions[polling].queue) == 2)
    found = (await request(server, connect(polling))).messages
    assert sorted(message["data"] for message in found[1:]) == [1, 2]
    async with Socket(server) as socket:
        socket.send(HANDSHAKE)
        (reply,) = await socket.receive()
        client_id = reply["clientId"]
        await wait_until(lambda: len(server.sessions[client_id].queue) == 2)
        assert not socket.frames
        socket.send(connect(client_id, "websocket"))
        heard: list[Any] = []
        while len(heard) < 3:
            heard += await socket.receive()
        assert (heard[0]["id"], sorted(message["data"] for message in heard[1:])) == ("c", [1, 2])
    await asyncio.gather(*given)


async def test_what_comes_with_a_handshake_on_a_socket_is_not_done(server: Server) -> None:
    listener = await connected(server)
    await request(server, subscribe(listener, "/chat"))
    async with Socket(server) as socket:
        for frame in ([HANDSHAKE, publish(1)], [publish(1), HANDSHAKE]):
            socket.send(*frame)
            replies = await socket.receive()
            while len(replies) < 2:
                replies += await socket.receive()
            by_id = {reply["id"]: reply for reply in replies}
            assert by_id["h"]["successful"]
            assert by_id["p"]["error"] == "400::Bad request"
    assert not server.sessions[listener].queue


async def test_a_handshake_on_a_socket_with_a_session_begins_another(server: Server) -> None:
    async with Socket(server) as socket:
        first = (await socket.reply(HANDSHAKE))["clientId"]
        await socket.reply(connect(first, "websocket"))
        second = (await socket.reply({**HANDSHAKE, "id": "again"}))["clientId"]
        assert second != first
        await socket.reply(connect(second, "websocket"))
        await socket.reply(subscribe(second, "/chat"))
        await server.publish("/chat", 1)
        assert await socket.receive() == [{"channel": "/chat", "data": 1}]
        assert server.sessions[first].link is None
    assert (await only(server, connect(first, advice={"timeout": 0})))["successful"]


# Fan-out.


async def test_a_session_hears_a_message_once_however_many_of_its_patterns_cover_it(server: Server) -> None:
    client_id = await connected(server)
    patterns = ["/**", "/chat/**", "/chat/*", "/chat/1"]
    for asked in (*patterns, patterns, "/chat/1"):
        await request(server, subscribe(client_id, asked))
    for channel in ("/chat/1", "/chat/1/2", "/chat"):
        await request(server, publish(channel, channel=channel, clientId=client_id))
    found = (await request(server, connect(client_id))).messages
    assert [message["data"] for message in found[1:]] == ["/chat/1", "/chat/1/2", "/chat"]


# Services.


async def test_a_subscription_to_a_service_is_granted_and_not_recorded(server: Server) -> None:
    told: list[str] = []
    server.on("subscribe")(lambda session, channel: told.append(channel))
    client_id = await connected(server)
    for asked in ("/service/echo", "/service/**", ["/chat", "/service/*"]):
        reply = await only(server, subscribe(client_id, asked))
        assert (reply["successful"], reply["subscription"]) == (True, asked)
    assert [*server.sessions[client_id].subscriptions] == ["/chat"]
    await wait_until(lambda: told)
    assert told == ["/chat"]


# Connects.


async def test_a_connect_that_is_first_or_not_alone_or_wants_no_wait_is_not_held() -> None:
    server = Server(timeout=60, policy=Open())
    client_id = await handshake(server)
    async with asyncio.timeout(2):
        assert (await only(server, connect(client_id)))["successful"]
        assert (await only(server, connect(client_id, advice={"timeout": 0})))["successful"]
        for batch in (
            [subscribe(client_id, "/chat"), connect(client_id)],
            [connect(client_id), subscribe(client_id, "/chat")],
        ):
            replies = (await request(server, batch)).messages
            assert [reply["id"] for reply in replies] == [message["id"] for message in batch]
        async with Socket(server) as socket:
            assert (await socket.reply(connect(client_id, "websocket")))["successful"]
            wanted = connect(client_id, "websocket", advice={"timeout": 0})
            assert (await socket.reply(wanted))["successful"]
    assert not server.sessions[client_id].held


async def test_what_comes_with_a_connect_on_a_socket_does_not_wait_for_it(server: Server) -> None:
    client_id = await handshake(server)
    async with Socket(server) as socket:
        await socket.reply(connect(client_id, "websocket"))
        socket.send(connect(client_id, "websocket", id="held"), subscribe(client_id, "/chat"), publish(1))
        found: list[Any] = []
        while len(found) < 3:
            found += await socket.receive()
        assert [message.get("id") for message in found] == ["s", "p", None]
        assert server.sessions[client_id].held


async def test_a_second_connect_on_a_socket_answers_the_first(server: Server) -> None:
    client_id = await handshake(server)
    async with Socket(server) as socket:
        await socket.reply(connect(client_id, "websocket"))
        await socket.reply(subscribe(client_id, "/chat"))
        for id_ in ("first", "second", "third"):
            socket.send(connect(client_id, "websocket", id=id_))
        answered = await socket.receive()
        while len(answered) < 2:
            answered += await socket.receive()
        assert [reply["id"] for reply in answered] == ["first", "second"]
        assert all(reply["successful"] for reply in answered)
        await server.publish("/chat", 1)
        assert await socket.receive() == [{"channel": "/chat", "data": 1}]
        held = server.sessions[client_id].held
        assert held
        assert held.reply["id"] == "third"


async def test_a_publish_lets_a_session_live_on() -> None:
    server = Server(timeout=0.2, policy=Open())
    quiet, loud = await connected(server), await connected(server)
    ends = server._exchange.clock() + 2 * server._exchange.pace.expiry
    while server._exchange.clock() < ends:
        assert (await only(server, publish(1, clientId=loud)))["successful"]
        await asyncio.sleep(0)
    assert [*server.sessions] == [loud]
    assert (await only(server, connect(quiet)))["error"] == f"401:{quiet}:Unknown client"


async def test_advice_has_the_servers_times() -> None:
    server = Server(timeout=12.5, interval=0.25)
    advice = {"reconnect": "retry", "interval": 250, "timeout": 12_500}
    reply = await only(server, HANDSHAKE)
    assert reply["advice"] == advice
    client_id = reply["clientId"]
    for _ in range(2):
        asked = connect(client_id, advice={"timeout": 0, "interval": 90_000, "reconnect": "none"})
        assert (await only(server, asked))["advice"] == advice


async def test_advice_to_handshake_is_for_handshakes_and_connects_that_failed() -> None:
    server = Server(timeout=5)
    client_id = await connected(server)
    for of in (client_id, "0" * 48):
        for message in (
            subscribe(of, "/closed"),
            subscribe(of, "wrong"),
            {"channel": "/meta/unsubscribe", "clientId": of, "subscription": "wrong"},
            publish(1, clientId=of),
            {"channel": "/meta/other", "clientId": of},
            {"channel": "/meta/disconnect", "clientId": "x"},
        ):
            reply = await only(server, message)
            assert not reply["successful"]
            assert "advice" not in reply, message
    assert client_id in server.sessions
    assert (await only(server, connect("0" * 48)))["advice"] == {"reconnect": "handshake", "interval": 0}
    (reply, *_) = (await request(server, connect(client_id, advice={"timeout": 0}))).messages
    assert reply["advice"]["reconnect"] == "retry"


# In this process.


async def test_a_client_in_this_process_may_subscribe_to_meta_channels(server: Server) -> None:
    client, heard = server.local_client(), list[Any]()
    await client.subscribe("/meta/*", heard.append)
    await client.subscribe("/service/echo", heard.append)
    client_id = await connected(server)
    await request(server, subscribe(client_id, "/chat"))
    await request(server, publish("heard", channel="/service/echo", clientId=client_id))
    await wait_until(lambda: heard)
    assert heard == ["heard"]
    await client.disconnect()


# What is worded otherwise, and what is told to nobody.


class CometD:
    """Errors in CometD's words."""

    def outgoing(self, message: dict[str, Any], context: Context) -> dict[str, Any]:
        if str(message.get("error", "")).startswith("401:"):
            message["error"] = "402::session_unknown"
            message.setdefault("advice", {})["hosts"] = ["other.example"]
        return message


async def test_an_extension_words_errors_and_advice_as_it_likes(server: Server) -> None:
    server.add_extension(CometD())
    async with Socket(server) as socket:
        for reply in (
            await only(server, connect("unknown")),
            await socket.reply(connect("unknown", "websocket")),
        ):
            assert reply["error"] == "402::session_unknown"
            assert reply["advice"] == {
                "reconnect": "handshake",
                "interval": 0,
                "hosts": ["other.example"],
            }


async def test_whether_a_channel_is_used_is_told_to_nobody() -> None:
    server = Server(timeout=5)
    server.channel("/used", history=5)
    local = server.local_client()
    await local.subscribe("/used", print)
    await server.publish("/used", 1)
    client_id = await connected(server)

    async def told(name: str) -> list[str]:
        asked = (
            subscribe(client_id, name),
            subscribe(client_id, name, ext={"live": {"since": ""}}),
            publish(2, channel=name),
            publish(2, channel=name, clientId=client_id),
        )
        return [json.dumps(await only(server, message)).replace(name, "") for message in asked]

    assert await told("/used") == await told("/absent")
    await local.disconnect()
    await server.close()


async def test_cookies_are_compared_in_constant_time(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, str]] = []
    compare = hmac.compare_digest

    def spy(one: str, other: str) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", spy)
    client_id = await handshake(server)
    ours, wrong = cookie(server, client_id), [("cookie", f"livecollections={'0' * 40}")]
    assert (await request(server, connect(client_id), headers=ours)).messages[0]["successful"]
    compared.clear()
    (reply,) = (await request(server, connect(client_id), headers=wrong)).messages
    assert not reply["successful"]
    assert compared == [(server._exchange.sessions[client_id].cookie, "0" * 40)]


async def test_the_log_has_no_data_and_no_ids(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "livecollections")
    server = Server(timeout=0.1, policy=Open())
    secret = "the-secret-data"

    @server.service("/service/broken")
    def broken(session: Session, data: Any) -> None:
        raise RuntimeError("a fault of the application")

    ids = [await connected(server) for _ in range(4)]
    for client_id in ids:
        await request(server, subscribe(client_id, ["/chat", "/service/broken"]))
        await request(server, publish(secret, clientId=client_id, ext={"token": secret}))
        await request(server, publish(secret, clientId=client_id, channel="/service/broken", id="b"))
        await request(server, publish(secret, clientId=client_id, channel=secret))
    await request(server, secret.encode())
    server.kick(ids[0])
    await request(server, {"channel": "/meta/disconnect", "clientId": ids[1]})
    async with Socket(server) as socket:
        await socket.reply(connect(ids[2], "websocket"))
        socket.send_text(secret)
        await socket.receive()
        socket.take_nothing()
        await server.publish("/chat", secret)
    await wait_until(lambda: not server.sessions)
    await server.close()
    assert "has expired" in caplog.text
    assert "the service /service/broken failed" in caplog.text
    assert secret not in caplog.text
    for client_id in ids:
        assert client_id not in caplog.text


async def test_an_idle_session_costs_less_than_it_is_said_to(server: Server) -> None:
    count = 300
    log = Log(server)

    async def begin() -> None:
        client_id = await connected(server)
        await request(server, subscribe(client_id, [log.channel, "/chat/*"]))

    for _ in range(20):
        await begin()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(count):
            await begin()
        gc.collect()
        cost = (tracemalloc.get_traced_memory()[0] - before) / count
    finally:
        tracemalloc.stop()
    assert len(server.sessions) == count + 20
    assert 500 < cost < IDLE, cost
