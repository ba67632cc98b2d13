"""Fuzz: whatever comes by HTTP or on a socket is answered with a documented reply, or the connection ends.

Nothing raises, nothing is logged as not handled, nothing hangs, and nothing stays: when the sessions that were
begun have ended, the server is as it was, and so is a client that was there before.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from livecollections.bayeux import Limits, Server

from ..scale import FULL, scaled
from ..serving import wait_until
from .wire import VERSION, Events, Log, Open, Socket, connect, connected, handshake, request, subscribe

STATUSES = {200, 400, 404, 405, 413, 414}
LIMITS = Limits(
    batch=50, body=4_000, url=4_000, depth=12, subscriptions=20, queue_bytes=4_000, errors=6, arrivals=1e6
)
MINE = "{mine}"
"""Stands for the clientId of the session that the client has."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """An object whose names may be there twice, as JSON allows on the wire."""

    pairs: list[tuple[str, Any]] = field(default_factory=list)


def encode(value: Any) -> str:
    """JSON, and what looks like it: doubled names, lone surrogates, numbers that are none."""
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(name)}:{encode(one)}" for name, one in value.pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(encode, value)) + "]"
    return json.dumps(value)


# What is sent.

names = st.sampled_from(
    [
        "channel", "clientId", "subscription", "data", "ext", "advice", "id", "connectionType", "version",
        "minimumVersion", "supportedConnectionTypes", "successful", "error", "timestamp", "",
    ]
)  # fmt: skip
channels = st.sampled_from(
    [
        "/meta/handshake", "/meta/connect", "/meta/subscribe", "/meta/unsubscribe", "/meta/disconnect", "/meta/x",
        "/meta/*", "/meta/connect/", "/service/x", "/chat", "/chat/*", "/**", "/*", "/api/todos", "/api/*", "/",
        "//", "", "chat", "/a b", "/a\x00", "/\uff4deta/connect", "/" + "x" * 300, "/a" * 120, "__proto__",
    ]
)  # fmt: skip
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=6),
    channels,
    st.sampled_from([MINE, "x" * 1_000, "\ud800", "\u2028", "1" * 400, 1e308, -0.0, "0" * 40]),
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(st.tuples(names | st.text(max_size=4), inner), max_size=4).map(Pairs)
    ),
    max_leaves=8,
)
depths = st.integers(0, 40).map(lambda depth: json.loads("[" * depth + "]" * depth) if depth else 0)
advices = st.tuples(st.sampled_from(["timeout", "interval", "reconnect"]), values).map(
    lambda pair: Pairs([("advice", Pairs([pair]))])
)
exts = st.one_of(
    values,
    st.tuples(st.sampled_from(["since", "at", "version", "last"]), values | depths).map(
        lambda pair: Pairs([("live", Pairs([pair]))])
    ),
    st.tuples(st.sampled_from(["ack", "replay", "timesync", "live"]), values).map(lambda pair: Pairs([pair])),
)
sane: dict[str, list[tuple[str, Any]]] = {
    "handshake": [("channel", "/meta/handshake"), *VERSION.items()],
    "connect": [("channel", "/meta/connect"), ("clientId", MINE), ("connectionType", "long-polling")],
    "push": [("channel", "/meta/connect"), ("clientId", MINE), ("connectionType", "websocket")],
    "beat": [("channel", "/meta/connect"), ("clientId", MINE), ("connectionType", "eventsource")],
    "subscribe": [("channel", "/meta/subscribe"), ("clientId", MINE), ("subscription", "/chat")],
    "history": [("channel", "/meta/subscribe"), ("clientId", MINE), ("subscription", "/api/todos")],
    "unsubscribe": [("channel", "/meta/unsubscribe"), ("clientId", MINE), ("subscription", "/chat")],
    "disconnect": [("channel", "/meta/disconnect"), ("clientId", MINE)],
    "publish": [("channel", "/chat"), ("clientId", MINE), ("data", 1)],
}
nested = exts.map(lambda ext: ("ext", ext)) | advices.map(lambda advice: advice.pairs[0])
changes = st.lists(st.tuples(names, values | depths) | nested, max_size=3)
messages = st.one_of(
    st.tuples(st.sampled_from(sorted(sane)), changes, st.booleans()).map(
        lambda drawn: Pairs([*drawn[1], *sane[drawn[0]]] if drawn[2] else [*sane[drawn[0]], *drawn[1]])
    ),
    st.tuples(st.sampled_from(sorted(sane)), st.integers(0, 4)).map(
        lambda drawn: Pairs([pair for place, pair in enumerate(sane[drawn[0]]) if place != drawn[1]])
    ),
    values,
)
batches = st.one_of(
    messages.map(encode),
    st.lists(messages, max_size=5).map(encode),
    st.sampled_from(
        ["[" + ",".join(["null"] * 10_000) + "]", "[" * 5_000, '{"a":' * 3_000, "[]", "{}", "[{}]" * 2]
    ),
    st.text(max_size=12),
)
CARRIERS = ("json", "form", "jsonp", "text", "bytes", "stream")
scripts = st.lists(st.tuples(st.sampled_from(CARRIERS), batches), min_size=1, max_size=6)


TYPES: list[Any] = [
    None, True, False, 0, -1, 1.5, 1e308, 2**63, 2**70, "", "x",
    "/foo/*", "\u00e9\u2028", "x" * 1_000, [], [[]], [None],
    Pairs([]), Pairs([("a", Pairs([("b", 1)]))]), Pairs([("x", 1), ("x", 2)]),
]  # fmt: skip
PATHS = [
    ("advice",), ("advice", "timeout"), ("advice", "interval"), ("ext",), ("ext", "live"), ("ext", "live", "since"),
    ("ext", "live", "since", "/api/todos"), ("ext", "live", "at"), ("ext", "live", "at", "/api/todos"),
    ("ext", "live", "version"), ("ext", "ack"), ("ext", "replay"), ("ext", "replay", "/api/todos"), ("ext", "timesync"),
    ("subscription",), ("subscription", 0), ("supportedConnectionTypes",), ("supportedConnectionTypes", 0),
    ("channel",), ("clientId",), ("id",), ("data",), ("version",), ("minimumVersion",), ("connectionType",),
    ("successful",),
]  # fmt: skip


def put(path: tuple[Any, ...], value: Any) -> tuple[str, Any]:
    """The field in which the value lies at the end of the path."""
    for step in reversed(path[1:]):
        value = [value] if step == 0 else Pairs([(step, value)])
    return path[0], value


# What comes of it.


def check_reply(reply: Any) -> None:
    """It is one that the documentation knows: a success, or an error in Faye's form."""
    assert isinstance(reply, dict)
    if "data" in reply and "successful" not in reply:
        assert set(reply) <= {"channel", "data", "ext"}
        return
    assert isinstance(reply["successful"], bool)
    assert reply["successful"] is ("error" not in reply)
    if "error" in reply:
        code, _, text = reply["error"].split(":")
        assert code.isdigit()
        assert len(code) == 3
        assert text


class Errors(logging.Handler):
    """Keeps what is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.kept: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(self.format(record))


class Maltreated:
    """A server with a decent client, and a hostile one."""

    def __init__(self) -> None:
        self.server = Server(timeout=30, policy=Open(), limits=LIMITS)
        self.server._exchange.ping_answered = 0.001
        self.log = Log(self.server)
        self.decent = self.mine = ""
        self.socket: Socket | None = None
        self.errors = Errors()

    async def begin(self) -> None:
        self.decent = await connected(self.server)
        await request(self.server, subscribe(self.decent, ["/decent", self.log.channel]))
        self.mine = await handshake(self.server)
        logging.getLogger("livecollections").addHandler(self.errors)

    async def send(self, carrier: str, text: str) -> None:
        text = text.replace(MINE, self.mine)
        if carrier in ("text", "bytes"):
            await self._socket(text if carrier == "text" else text.encode("utf-8", "surrogatepass"))
        elif carrier == "stream":
            await self._stream(text)
        else:
            await self._http(carrier, text)

    def _holds(self) -> bool:
        session = self.server._exchange.sessions.get(self.mine)
        return session is not None and session.held is not None

    async def _http(self, carrier: str, text: str) -> None:
        raw = text.encode("utf-8", "surrogatepass")
        form = b"message=" + quote_plus(raw).encode()
        gone = asyncio.Event()
        asked = (
            request(self.server, method="GET", query=form.decode(), gone=gone)
            if carrier == "jsonp"
            else request(self.server, form if carrier == "form" else raw, gone=gone)
        )
        answering = asyncio.create_task(asked)
        await asyncio.wait([answering], timeout=0.02)
        # A connect is held, if nothing else is; a busy machine may take longer to come to that.
        await wait_until(lambda: answering.done() or self._holds())
        is_held = not answering.done()
        if is_held:
            gone.set()
        answer = await answering
        assert answer.status in ({0} if is_held else STATUSES), (carrier, text, answer.status)
        if answer.status == 200:
            body = answer.body[len(b"/**/jsonpcallback(") : -2] if carrier == "jsonp" else answer.body
            self._check_replies(text, json.loads(body))

    @staticmethod
    def _check_replies(text: str, replies: list[Any]) -> None:
        for reply in replies:
            check_reply(reply)
        sent = json.loads(text.removeprefix("\ufeff"))
        count = len(sent) if isinstance(sent, list) else 1
        assert len([reply for reply in replies if "successful" in reply]) == count, text

    async def _socket(self, frame: str | bytes) -> None:
        if self.socket is None or self.socket.closed is not None:
            await self.leave_socket()
            self.socket = Socket(self.server)
            await self.socket.open()
        socket = self.socket
        socket.send(frame) if isinstance(frame, bytes) else socket.send_text(frame)
        socket.send_text('{"channel":"/end","id":"end"}')
        is_over = False
        while not is_over:
            await socket.wait(lambda: socket.frames or socket.closed is not None)
            if not socket.frames:
                assert socket.closed in (1008, 1000)
                return
            for reply in await socket.receive():
                check_reply(reply)
                is_over |= reply.get("channel") == "/end"

    async def _stream(self, text: str) -> None:
        client_id = self.mine if len(text) % 2 else text
        async with Events(self.server, client_id) as events:
            assert events.status in (200, 404, 414)
            assert (events.status == 200) is (
                client_id == self.mine and self.mine in self.server._exchange.sessions
            )
            for event in events.events:
                for reply in event:
                    check_reply(reply)

    async def leave_socket(self) -> None:
        if self.socket is not None:
            await self.socket.cut()
            self.socket = None

    async def end(self) -> None:
        """All is as it was: nothing of the hostile client stays, and the decent one has what it had."""
        exchange = self.server._exchange
        await self.leave_socket()
        for id_, session in [*exchange.sessions.items()]:
            assert session.size <= LIMITS.queue_bytes + LIMITS.body
            assert len(session.subscriptions) <= LIMITS.subscriptions
            if id_ != self.decent:
                exchange.end(session)
        decent = exchange.sessions[self.decent]
        assert list(exchange.sessions) == [self.decent]
        assert list(decent.subscriptions) == ["/decent", self.log.channel]
        assert set(exchange._subscribers) == {"/decent", self.log.channel}
        assert not decent.queue
        assert not exchange._pings
        assert not self.server._sockets
        assert not self.server._http.streams
        assert not len(self.server._strangers)
        assert not self.errors.kept, self.errors.kept
        await self.server.publish("/decent", 1)
        (reply, message) = (await request(self.server, connect(self.decent))).messages
        assert reply["successful"]
        assert message == {"channel": "/decent", "data": 1}
        await self.server.close()
        await wait_until(lambda: asyncio.all_tasks() == {asyncio.current_task()})
        logging.getLogger("livecollections").removeHandler(self.errors)


@settings(
    max_examples=scaled(250, 2_500),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@example([("text", encode([Pairs([*sane["push"], ("channel", "/meta/disconnect")])]))])
@example([("json", encode([Pairs([*sane["connect"], ("ext", Pairs([("live", Pairs([("at", [])]))]))])]))])
@example([("stream", "x"), ("text", encode(Pairs(sane["push"]))), ("jsonp", encode(Pairs(sane["connect"])))])
@given(scripts)
async def test_whatever_comes_is_answered_or_ends(script: list[tuple[str, str]]) -> None:
    maltreated = Maltreated()
    await maltreated.begin()
    try:
        async with asyncio.timeout(10):
            for carrier, text in script:
                await maltreated.send(carrier, text)
            await maltreated.end()
    finally:
        logging.getLogger("livecollections").removeHandler(maltreated.errors)


@pytest.mark.parametrize("kind", [kind for kind in sane if kind != "push"])
async def test_each_field_at_each_depth_with_each_json_type(kind: str) -> None:
    maltreated = Maltreated()
    await maltreated.begin()
    exchange = maltreated.server._exchange
    places = [(path, value) for path in PATHS for value in TYPES]
    if not FULL:
        # A third of them, another for each kind.
        places = places[list(sane).index(kind) % 3 :: 3]
    carriers = ("json", "jsonp", "text")
    for number, (path, value) in enumerate(places):
        for carrier in carriers if FULL else [carriers[number % 3]]:
            if maltreated.mine not in exchange.sessions:
                maltreated.mine = await handshake(maltreated.server)
            name, changed = put(path, value)
            message = Pairs([*sane[kind], ("advice", Pairs([("timeout", 0)])), (name, changed)])
            async with asyncio.timeout(5):
                await maltreated.send(carrier, encode([message]))
    await maltreated.end()
