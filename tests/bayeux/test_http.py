"""Long-polling as HTTP: content, statuses, headers and connections. Origins: CORS, and who is seen without cookies."""

from __future__ import annotations

import asyncio
import http.client
import json
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest

from livecollections.bayeux import Limits, Server
from livecollections.bayeux.connection import Connection
from livecollections.bayeux.server import Engine

from ..serving import served, wait_until
from .wire import VERSION, Answer, Headers, Log, Open, Socket, connect, connected, request, seqs, subscribe

HANDSHAKE = {"channel": "/meta/handshake", **VERSION, "id": "1"}
PUBLISH = {"channel": "/chat", "data": "é", "id": "2"}
HOST = ("host", "shop.example")
APP = ("origin", "https://app.example")
TEXTS = ("text/plain; charset=utf-8", "nosniff")


@pytest.fixture
def server() -> Server:
    return Server(timeout=5, policy=Open())


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Connection]:
    """The connections on which the engine was given messages."""
    found: list[Connection] = []
    receive = Engine.receive

    async def spy(self: Engine, received: list[Any], link: Any) -> None:
        found.append(link.connection)
        await receive(self, received, link)

    monkeypatch.setattr(Engine, "receive", spy)
    return found


# Content.

CONTENT_TYPES = [
    "application/json", "application/json; charset=utf-8", "application/x-www-form-urlencoded", "text/plain",
    "text/plain;charset=UTF-8", "application/xml", "",
]  # fmt: skip
ARRAY = json.dumps([HANDSHAKE, PUBLISH]).encode()
BODIES = [
    ARRAY,
    b"\xef\xbb\xbf" + ARRAY,
    b" \r\n\t" + ARRAY,
    b"message=" + quote(ARRAY).encode(),
    b"\xef\xbb\xbfmessage=" + quote(ARRAY).encode(),
    urlencode({"x": "1", "message": ARRAY, "y": "2"}).encode(),
    urlencode([("message", json.dumps(HANDSHAKE)), ("message", json.dumps(PUBLISH))]).encode(),
    urlencode([("message", json.dumps([HANDSHAKE])), ("message", json.dumps(PUBLISH))]).encode(),
    urlencode([("message", json.dumps([HANDSHAKE, PUBLISH])), ("message", "[]")]).encode(),
]


@pytest.mark.parametrize("kind", CONTENT_TYPES)
@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
async def test_json_and_forms_are_told_apart_by_the_body(server: Server, body: bytes, kind: str) -> None:
    headers = [("content-type", kind)] if kind else []
    replies = (await request(server, body, headers=headers)).messages
    assert [reply["id"] for reply in replies] == ["1", "2"]


async def test_a_single_message_is_accepted_and_answered_with_an_array(server: Server) -> None:
    for body in (json.dumps(PUBLISH).encode(), urlencode({"message": json.dumps(PUBLISH)}).encode()):
        assert [reply["id"] for reply in (await request(server, body)).messages] == ["2"]


async def test_a_forms_text_is_utf8(server: Server) -> None:
    client_id = await connected(server)
    await request(server, subscribe(client_id, "/chat"))
    await request(server, urlencode({"message": json.dumps(PUBLISH, ensure_ascii=False)}).encode())
    assert (await request(server, connect(client_id))).messages[1]["data"] == "é"


# Statuses.


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[", b"{", b"[{]", b"1", b"null", b'"x"', b"true", b"\xff\xfe", b'["\xff"]', b"a=b", b"message=",
        b"message", b"message=1", b"message=%5B", b"message=%FF", b"message=null", b"[NaN]", b"[]x", b"\xef\xbb\xbf",
    ],
)  # fmt: skip
async def test_malformed_primitive_or_missing_messages_are_400(server: Server, body: bytes) -> None:
    for kind in CONTENT_TYPES:
        answer = await request(server, body, headers=[("content-type", kind)])
        assert answer.status == 400
        assert (answer.headers["content-type"], answer.headers["x-content-type-options"]) == TEXTS
        assert answer.headers["content-length"] == str(len(answer.body))
        assert answer.body.startswith(b"Bad Request: ")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "TRACE", "post"])
async def test_other_methods_are_405(server: Server, method: str) -> None:
    answer = await request(server, [HANDSHAKE], method=method)
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, POST, OPTIONS"
    assert not server._exchange.sessions


async def test_an_oversized_body_or_batch_is_413_and_ends_the_connection() -> None:
    server = Server(limits=Limits(body=500, batch=3))
    for body in (
        b"[" + b" " * 500 + b"]",
        b"[{},{},{},{}]",
        b"message=" + b"x" * 500,
        b"message=[{},{}]&" * 2,
    ):
        answer = await request(server, body)
        assert answer.status == 413
        assert answer.headers["connection"] == "close"
        assert (answer.headers["content-type"], answer.headers["x-content-type-options"]) == TEXTS
    assert "connection" not in (await request(server, b"[" * 501, http_version="2")).headers


@pytest.mark.parametrize(("header", "left"), [(b"content-length", 0), (b"x-chunked", 0), (b"expect", 4)])
async def test_what_is_left_of_an_oversized_body_is_read_before_it_is_refused(
    header: bytes, left: int
) -> None:
    server = Server(limits=Limits(body=15))
    pieces = [{"type": "http.request", "body": b" " * 10, "more_body": number < 5} for number in range(6)]
    left_when_answered: list[int] = []

    async def receive() -> Any:
        return pieces.pop(0)

    async def send(event: Any) -> None:
        left_when_answered.append(len(pieces))

    headers = [(header, b"60")]
    scope = {"type": "http", "http_version": "1.1", "method": "POST", "path": "/faye", "headers": headers}
    await server(scope, receive, send)
    assert left_when_answered == [left, left]


async def test_a_body_that_does_not_come_in_its_time_is_408() -> None:
    server = Server(limits=Limits(upload=0.05))
    dripping = True
    sent: list[Any] = []

    async def drip() -> Any:
        await asyncio.sleep(0.001)
        return {"type": "http.request", "body": b" ", "more_body": dripping}

    async def send(event: Any) -> None:
        sent.append(event)

    scope = {"type": "http", "http_version": "1.1", "method": "POST", "path": "/faye", "headers": []}
    async with asyncio.timeout(2):
        await server(scope, drip, send)
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]
    assert sent[1]["body"] == b"Request Timeout: a body may take 0.05 seconds"


async def test_problems_of_bayeux_are_200_with_successful_false(server: Server) -> None:
    for message in (
        {},
        {"channel": "/meta/x"},
        connect("x"),
        {"channel": "//", "data": 1},
        {**HANDSHAKE, "version": 1},
    ):
        (reply,) = (await request(server, [message])).messages
        assert reply["successful"] is False


async def test_nothing_but_an_empty_request_is_answered_with_an_empty_array(server: Server) -> None:
    for body in (b"[]", b"message=[]", b"message=[]&message=[]"):
        assert (await request(server, body)).body == b"[]"
    client_id = await connected(server)
    batches: tuple[list[Any], ...] = (
        [None],
        [[]],
        [{}],
        [connect("x")],
        [connect(client_id)],
        [HANDSHAKE] * 3,
        [HANDSHAKE, connect("x")],
    )

    def is_over(asked: asyncio.Task[Any]) -> bool:
        """Whether it is answered, or held."""
        session = server._exchange.sessions.get(client_id)
        return asked.done() or (session is not None and session.held is not None)

    for batch in batches:
        held = asyncio.create_task(request(server, batch))
        await wait_until(partial(is_over, held))
        if not held.done():
            await request(server, [{"channel": "/meta/disconnect", "clientId": client_id}])
        assert len((await held).messages) == len(batch), batch


# Headers and connections.


async def test_an_answer_has_these_headers_and_no_others(server: Server) -> None:
    answer = await request(
        server, [PUBLISH], headers=[("referer", "https://evil.example/x"), ("pragma", "no-cache")]
    )
    assert answer.headers == {
        "vary": "Origin",
        "content-type": "application/json; charset=utf-8",
        "cache-control": "no-cache, no-store",
        "x-content-type-options": "nosniff",
        "content-length": str(len(answer.body)),
    }


async def test_one_connection_carries_many_requests_and_ends_after_413(server: Server) -> None:
    body = json.dumps([HANDSHAKE])

    def ask(url: str) -> list[Any]:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
        found: list[Any] = []
        for sent in (body, body, "[" * 300_000, body):
            connection.request("POST", "/faye", sent, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            sock = connection.sock
            found.append((answer.status, sock.getsockname()[1] if sock else None))
        connection.close()
        return found

    async with served(server) as url:
        first, second, large, last = await asyncio.to_thread(ask, url)
    assert first[0] == second[0] == last[0] == 200
    assert first[1] == second[1]
    assert large == (413, None)
    assert last[1] != first[1]


async def test_an_aborted_long_poll_takes_nothing_with_it(server: Server) -> None:
    log = Log(server)
    client_id = await connected(server)
    await request(server, subscribe(client_id, ["/chat", log.channel]))
    gone = asyncio.Event()
    held = asyncio.create_task(request(server, connect(client_id), gone=gone))
    await wait_until(lambda: server._exchange.sessions[client_id].held)
    gone.set()
    assert (await held).status == 0
    session = server._exchange.sessions[client_id]
    assert session.link is None
    assert session.held is None
    await server.publish("/chat", 1)
    seq = log.add(1)
    found = (await request(server, connect(client_id))).messages
    assert [message["data"] for message in found if message["channel"] == "/chat"] == [1]
    assert seqs([message for message in found if message["channel"] == log.channel]) == [seq]


async def test_a_failed_write_puts_its_messages_back(server: Server) -> None:
    client_id = await connected(server)
    await request(server, subscribe(client_id, "/chat"))
    await server.publish("/chat", 1)

    events = [{"type": "http.request", "body": json.dumps([connect(client_id)]).encode()}]

    async def receive() -> Any:
        if not events:
            await asyncio.Event().wait()
        return events.pop()

    async def send(event: Any) -> None:
        if event["type"] == "http.response.body":
            raise OSError("the peer has gone")

    with pytest.raises(OSError, match="the peer has gone"):
        await server({"type": "http", "method": "POST", "path": "/faye", "headers": []}, receive, send)
    assert (await request(server, connect(client_id))).messages[1]["data"] == 1


# Origins.


async def preflight(
    server: Server, origin: tuple[str, str], path: str = "/faye", *others: tuple[str, str]
) -> Answer:
    headers: Headers = [HOST, origin, ("access-control-request-method", "POST"), *others]
    return await request(server, method="OPTIONS", path=path, headers=headers)


@pytest.mark.parametrize(
    "path", ["/faye", "/faye/", "/faye/handshake", "/faye/connect", "/faye/disconnect", "/"]
)
async def test_preflights_are_answered_on_every_sub_path(path: str) -> None:
    server = Server(allowed_origins=["https://app.example"])
    answer = await preflight(server, APP, path)
    assert answer.status == 200
    assert answer.body == b""
    cors = {
        name: value
        for name, value in answer.headers.items()
        if name.startswith("access-control") or name == "vary"
    }
    assert cors == {
        "vary": "Origin",
        "access-control-allow-origin": "https://app.example",
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": "POST, GET",
        "access-control-allow-headers": "Accept, Authorization, Content-Type, Pragma, X-Requested-With, Last-Event-ID",
        "access-control-max-age": "86400",
    }
    assert (await request(server, [HANDSHAKE], path=path, headers=[HOST, APP])).messages[0]["successful"]


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://app.example",
        "https://app.example.evil",
        "https://app.example:444",
        "null",
        "file://",
        "app.example",
        "][",
    ],
)
async def test_what_is_not_listed_is_refused_and_told_nothing(server: Server, origin: str) -> None:
    server = Server(allowed_origins=["https://app.example"], policy=Open())
    headers = [HOST, ("origin", origin), ("referer", "https://app.example/page")]
    answer = await request(server, [HANDSHAKE], headers=headers)
    assert answer.status == 403
    for one in (
        answer,
        await preflight(server, ("origin", origin), "/faye", ("referer", "https://app.example/")),
    ):
        assert one.headers["vary"] == "Origin"
        assert not [name for name in one.headers if name.startswith("access-control")]
    async with Socket(server, headers) as socket:
        assert (socket.is_accepted, socket.closed) == (False, 1008)
    assert not server._exchange.sessions


async def test_a_referer_is_no_origin(server: Server) -> None:
    headers = [HOST, ("referer", "https://evil.example/")]
    for answer in (
        await request(server, [HANDSHAKE], headers=headers),
        await request(server, method="OPTIONS", headers=headers),
    ):
        assert answer.status == 200
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_a_request_that_is_only_called_a_preflight_is_none(server: Server) -> None:
    answer = await request(server, [HANDSHAKE], headers=[("access-control-request-method", "POST")])
    assert answer.messages[0]["successful"]


async def test_refusals_of_allowed_origins_can_be_read_by_them() -> None:
    server = Server(allowed_origins=["https://app.example"], limits=Limits(body=100))
    for body, method in ((b"[", "POST"), (b" " * 101, "POST"), (b"", "GET"), (b"", "PUT")):
        answer = await request(server, body, method=method, headers=[HOST, APP])
        assert answer.status >= 400
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
    await server.close()
    answer = await request(server, [HANDSHAKE], headers=[HOST, APP])
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (503, "https://app.example")


async def test_whom_only_the_star_lets_in_is_seen_without_cookies(seen: list[Connection]) -> None:
    server = Server(allowed_origins=["*", "https://app.example"], policy=Open())
    cookie = ("cookie", "user=ann")
    for origin, cookies in (
        ("https://any.example", {}),
        ("null", {}),
        ("https://app.example", {"user": "ann"}),
        ("https://shop.example", {"user": "ann"}),
    ):
        headers = [HOST, ("origin", origin), cookie]
        answer = await request(server, [HANDSHAKE], headers=headers)
        has_credentials = "access-control-allow-credentials" in answer.headers
        assert has_credentials is (origin == "https://app.example")
        async with Socket(server, headers) as socket:
            await socket.reply(HANDSHAKE)
        assert [connection.cookies for connection in seen[-2:]] == [cookies, cookies], origin
    await request(server, [HANDSHAKE], headers=[HOST, cookie])
    assert seen[-1].cookies == {"user": "ann"}
