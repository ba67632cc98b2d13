"""What is malformed or hostile: a clear error, nothing changed, and the server goes on."""

from __future__ import annotations

import itertools
import json
import random
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecollections.bayeux import Limits, Policy, Server, Session

from ..scale import scaled
from ..serving import wait_until
from .wire import VERSION, Log, Open, Socket, connect, connected, handshake, request, subscribe

JSON_TYPES: list[Any] = [
    None, True, False, 0, -1, 1.5, 1e308, 2**63, "", "x", "/foo/*", "é\u2028", [], [[]], [None], {}, {"a": {"b": 1}}
]  # fmt: skip
KINDS: dict[str, dict[str, Any]] = {
    "handshake": {"channel": "/meta/handshake", **VERSION, "minimumVersion": "1.0", "ext": {}, "advice": {}},
    "connect": {"channel": "/meta/connect", "connectionType": "long-polling", "advice": {"timeout": 0}, "ext": {}},
    "subscribe": {"channel": "/meta/subscribe", "subscription": "/mine", "ext": {"live": {"since": "x"}}},
    "unsubscribe": {"channel": "/meta/unsubscribe", "subscription": "/mine"},
    "disconnect": {"channel": "/meta/disconnect"},
    "publish": {"channel": "/chat", "data": {"text": "hi"}, "ext": {}},
}  # fmt: skip


class Watcher:
    """A well-behaved client of a server that is being maltreated."""

    def __init__(self, **options: Any) -> None:
        self.server = Server(timeout=5, policy=Open(), **options)
        self.log = Log(self.server)
        self.client_id = ""

    async def begin(self) -> None:
        self.client_id = await connected(self.server)
        (reply,) = (
            await request(self.server, subscribe(self.client_id, ["/chat", self.log.channel]))
        ).messages
        assert reply["successful"]

    async def check(self) -> None:
        """It still is subscribed as it was, and hears what is published."""
        session = self.server._exchange.sessions[self.client_id]
        assert list(session.subscriptions) == ["/chat", self.log.channel]
        session.queue.clear()
        await self.server.publish("/chat", "still here")
        found = (await request(self.server, connect(self.client_id))).messages
        assert found[0]["successful"]
        assert {"channel": "/chat", "data": "still here"} in found


def replied(messages: list[Any]) -> None:
    """Every message got a reply: success, or an error in Faye's form."""
    for reply in messages:
        if "data" in reply:
            continue
        assert isinstance(reply["successful"], bool)
        assert reply["successful"] is ("error" not in reply)
        if "error" in reply:
            code, _, text = reply["error"].split(":")
            assert len(code) == 3
            assert text


@pytest.mark.parametrize("kind", KINDS)
async def test_each_field_with_each_json_type(kind: str) -> None:
    watcher = Watcher()
    await watcher.begin()
    for field in [*KINDS[kind], "clientId", "id", "error", "successful"]:
        for value in JSON_TYPES:
            # The first connect of a session is answered at once, whatever its advice.
            mine = await handshake(watcher.server)
            await request(watcher.server, subscribe(mine, "/mine"))
            before = len(watcher.server._exchange.sessions)
            message = {"clientId": mine, "id": "1", **KINDS[kind], field: value}
            answer = await request(watcher.server, [message])
            replies = [reply for reply in answer.messages if "data" not in reply]
            assert len(replies) == 1, message
            replied(replies)
            session = watcher.server._exchange.sessions.get(mine)
            if replies[0].get("error"):
                assert session is not None
                assert list(session.subscriptions) == ["/mine"], message
                assert len(watcher.server._exchange.sessions) == before
            if session is not None:
                watcher.server._exchange.end(session)
    await watcher.check()


async def test_elements_that_are_no_messages_are_answered_one_by_one() -> None:
    watcher = Watcher()
    await watcher.begin()
    elements: list[Any] = [None, 1, "x", [], [[]], True, {}, {"channel": "/chat", "data": "heard"}]
    replies = (await request(watcher.server, elements)).messages
    assert len(replies) == len(elements)
    replied(replies)
    assert [reply["successful"] for reply in replies] == [False] * 7 + [True]
    await watcher.check()


async def test_10000_elements_are_refused_as_a_whole() -> None:
    watcher = Watcher()
    await watcher.begin()
    many = [{"channel": "/chat", "data": 1}] * 10_000
    answer = await request(watcher.server, many)
    assert answer.status == 413
    assert (await request(watcher.server, [None] * 10_000)).status == 413
    assert (await request(watcher.server, [subscribe(watcher.client_id, "/x")] * 1_001)).status == 413
    async with Socket(watcher.server) as socket:
        socket.send(json.dumps([None] * 10_000))
        (reply,) = await socket.receive()
        assert reply == {"successful": False, "error": "413::Content Too Large"}
    assert not watcher.server._exchange.sessions[watcher.client_id].queue
    await watcher.check()


async def test_10000_subscriptions_are_refused_as_a_whole() -> None:
    watcher = Watcher()
    await watcher.begin()
    message = subscribe(watcher.client_id, [f"/a/{number}" for number in range(10_000)])
    (reply,) = (await request(watcher.server, message)).messages
    assert reply["error"] == "403::Too many subscriptions"
    long = "/" + "a" * 300
    for wrong in (subscribe(watcher.client_id, long), {"channel": long, "data": 1}):
        (reply,) = (await request(watcher.server, wrong)).messages
        assert reply["error"].startswith("405:/aaa")
        assert len(reply["error"]) < 160
    await watcher.check()


@pytest.mark.parametrize("bomb", [b"[" * 100_000, b"[" * 65 + b"]" * 65, b'{"a":' * 500 + b"1" + b"}" * 500])
async def test_deep_nesting_is_refused(bomb: bytes) -> None:
    watcher = Watcher()
    await watcher.begin()
    assert (await request(watcher.server, bomb)).status == 400
    data = b'{"channel":"/chat","data":%b}' % bomb
    assert (await request(watcher.server, data)).status == 400
    assert not watcher.server._exchange.sessions[watcher.client_id].queue
    await watcher.check()


@pytest.mark.parametrize(
    "channel",
    [
        "/meta/subscribe/x", "/meta", "/meta/*", "/meta/**", "//", "/", "/meta//connect", " /meta/connect",
        "/\uff4deta/connect", "/meta/connect ", "/meta/connect\u0000", "/*", "/**", "/chat/../x",
        "__class__", "/meta/__class__", "constructor", "/service/../meta/connect",
    ],
)  # fmt: skip
async def test_hostile_channels_reach_nothing(channel: str) -> None:
    watcher = Watcher()
    await watcher.begin()
    message = {"channel": channel, "clientId": watcher.client_id, "data": 1, "subscription": "/x", "id": "1"}
    (reply,) = (await request(watcher.server, message)).messages
    replied([reply])
    assert not reply["successful"]
    assert reply["error"][:4] in ("403:", "405:")
    await watcher.check()


async def test_a_publisher_can_put_nothing_but_data_into_a_message() -> None:
    """One that sends ``advice`` could else stop every subscriber."""
    watcher = Watcher()
    await watcher.begin()
    poison = {
        "advice": {"reconnect": "none"}, "successful": True, "error": "x", "clientId": "", "id": "1",
        "ext": {"password": "p"}, "subscription": "/x", "version": "9", "connectionType": "x", "timestamp": "t",
    }  # fmt: skip
    replied((await request(watcher.server, {"channel": "/chat", "data": 1, **poison})).messages)
    found = (await request(watcher.server, connect(watcher.client_id))).messages
    assert found[1:] == [{"channel": "/chat", "data": 1}]


async def test_service_messages_reach_no_remote_subscriber() -> None:
    server = Server(timeout=5, policy=Open())
    heard: list[Any] = []
    await server.local_client().subscribe("/service/**", heard.append)
    client_id = await connected(server)
    await request(server, subscribe(client_id, ["/**", "/service/echo", "/service/**", "/chat"]))
    await request(server, [{"channel": "/service/echo", "clientId": client_id, "data": 1, "id": "p"}])
    await server.publish("/chat", 2)
    found = (await request(server, connect(client_id))).messages
    assert [message["data"] for message in found[1:]] == [2]
    await wait_until(lambda: heard == [1])
    await server.close()


async def test_rubbish_on_a_socket_is_answered_and_in_the_end_closed() -> None:
    watcher = Watcher(limits=Limits(errors=4, body=1_000))
    await watcher.begin()
    async with Socket(watcher.server) as socket:
        for rubbish in ("{", "1", "x" * 1_001):
            socket.send(rubbish)
            (reply,) = await socket.receive()
            assert reply["error"] in ("400::Bad Request", "413::Content Too Large")
        client_id = await handshake(watcher.server)
        assert (await socket.reply(connect(client_id, "websocket")))["successful"]
        socket.send("\x00")
        await socket.wait(lambda: socket.closed == 1008)
    await watcher.check()


async def test_a_policy_that_fails_is_closed_and_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Policy):
        async def can_subscribe(self, session: Session, channel: str) -> bool:
            raise RuntimeError("secret detail")

    server = Server(timeout=5, policy=Broken())
    client_id = await connected(server)
    (reply,) = (await request(server, subscribe(client_id, "/x"))).messages
    found = re.fullmatch(r"500:([0-9a-f]{8}):Internal server error", reply["error"])
    assert found
    assert found[1] in caplog.text
    assert "secret" not in json.dumps(reply)
    assert "could not be handled" in caplog.text
    assert not server._exchange.sessions[client_id].subscriptions


async def test_a_local_sessions_id_opens_nothing() -> None:
    server = Server(timeout=5, policy=Open())
    local = server.local_client()
    await local.subscribe("/chat", lambda data: None)
    (secret,) = server._exchange.sessions
    (reply,) = (await request(server, connect(secret))).messages
    assert reply["error"].startswith("401:")
    await server.close()


async def test_random_garbage_never_stops_a_socket() -> None:
    watcher = Watcher(limits=Limits(errors=10**6, arrivals=1e6))
    await watcher.begin()
    chance = random.Random(7)
    corpus = [json.dumps([{**message, "clientId": "x", "id": "1"}]) for message in KINDS.values()]
    for _ in range(scaled(20, 400)):
        async with Socket(watcher.server) as socket:
            mine = await handshake(watcher.server)
            for _ in range(30):
                text = list(chance.choice(corpus).replace('"x"', f'"{mine}"'))
                for _ in range(chance.randrange(6)):
                    place = chance.randrange(len(text))
                    text[place] = chance.choice(['"', "{", "]", "\x00", "é", "0", ",", ":", "", "null", "\\"])
                socket.send("".join(text))
            socket.send('{"channel":"/end"}')
            replies: list[Any] = []
            while not any(reply.get("channel") == "/end" for reply in replies):
                found = await socket.receive()
                replied(found)
                replies += found
        if session := watcher.server._exchange.sessions.get(mine):
            watcher.server._exchange.end(session)
    assert not watcher.server._sockets
    await watcher.check()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(
    ["channel", "clientId", "subscription", "data", "ext", "advice", "id", "connectionType"]
)
channels = st.sampled_from([message["channel"] for message in KINDS.values()]) | st.text(max_size=8)


@settings(max_examples=scaled(100, 3_000), deadline=None)
@given(st.lists(st.tuples(channels, st.dictionaries(fields, json_values, max_size=4)), max_size=4))
async def test_any_json_gets_a_documented_reply(messages: list[tuple[str, dict[str, Any]]]) -> None:
    server = Server(timeout=5, policy=Open())
    body = json.dumps([{"channel": channel, **rest} for channel, rest in messages], default=str)
    answer = await request(server, body.encode())
    assert answer.status in (200, 400)
    if answer.status == 200:
        replied(answer.messages)
        assert len(answer.messages) == len(messages)
    await server.close()


@given(st.binary(max_size=200))
async def test_any_bytes_get_an_answer(body: bytes) -> None:
    server = Server(timeout=5)
    assert (await request(server, body)).status in (200, 400)


async def test_every_pair_of_wrong_fields_changes_nothing() -> None:
    watcher = Watcher()
    await watcher.begin()
    pairs = itertools.combinations(["subscription", "clientId", "ext", "id"], 2)
    values: list[Any] = [None, 5, [], {"live": 5}]
    for pair, value in itertools.product(pairs, values):
        message = {**subscribe(watcher.client_id, "/chat"), **dict.fromkeys(pair, value)}
        replied((await request(watcher.server, message)).messages)
    await watcher.check()
