"""The HTTP side: statuses, headers, origins, limits, held polls; options; the way the server closes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest

from livecollections.bayeux import Limits, Server
from livecollections.errors import ConfigurationError

from ..serving import wait_until
from .wire import (
    VERSION,
    Events,
    Log,
    Open,
    Socket,
    connect,
    connected,
    cookie,
    handshake,
    jsonp,
    request,
    subscribe,
)

HOST = ("host", "shop.example")
HANDSHAKE = [{"channel": "/meta/handshake", **VERSION}]


@pytest.fixture
def server() -> Server:
    return Server(timeout=5, policy=Open())


# Requests.


@pytest.mark.parametrize("path", ["/", "/faye", "/faye/handshake", "/faye/x/y.z", ""])
async def test_any_path_is_served(server: Server, path: str) -> None:
    assert (await request(server, HANDSHAKE, path=path)).messages[0]["successful"]


async def test_a_body_may_come_in_pieces(server: Server) -> None:
    assert (await request(server, HANDSHAKE, chunks=7)).messages[0]["successful"]


async def test_an_oversized_body_is_413_whether_announced_or_not() -> None:
    server = Server(limits=Limits(body=1_000))
    big = b"[" + b" " * 1_000 + b"]"
    assert (await request(server, big)).status == 413
    assert (await request(server, big, chunks=5)).status == 413
    assert (await request(server, b"[]", headers=[("content-length", "1001")])).status == 413
    assert (await request(server, b"[]", headers=[("content-length", "-1")])).status == 400
    assert (await request(server, [{}] * 900)).status == 413


async def test_a_client_that_goes_while_it_sends_is_forgotten(server: Server) -> None:
    gone = asyncio.Event()
    gone.set()

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(event: Any) -> None:
        raise AssertionError("nobody is there")

    await server({"type": "http", "method": "POST", "path": "/faye", "headers": []}, receive, send)


# Origins.


async def test_an_unknown_origin_is_refused_and_never_reflected(server: Server) -> None:
    for origin in ("https://evil.example", "null", "https://shop.example.evil.example", "//[", "x"):
        headers = [HOST, ("origin", origin)]
        answers = [
            await request(server, HANDSHAKE, headers=headers),
            await request(server, method="OPTIONS", headers=headers),
            await request(server, method="GET", headers=headers),
        ]
        assert [answer.status for answer in answers] == [403, 200, 403]
        for answer in answers:
            assert answer.headers["vary"] == "Origin"
            assert not [name for name in answer.headers if name.startswith("access-control")]
        async with Socket(server, headers) as socket:
            assert not socket.is_accepted
            assert socket.closed == 1008
    assert not server._exchange.sessions


async def test_a_page_of_our_own_host_is_welcome(server: Server) -> None:
    for host in (HOST, ("x-forwarded-host", "shop.example")):
        headers = [host, ("origin", "https://shop.example")]
        assert (await request(server, HANDSHAKE, headers=headers)).status == 200
        async with Socket(server, headers) as socket:
            assert socket.is_accepted


async def test_an_allowed_origin_gets_its_name_back() -> None:
    server = Server(allowed_origins=["https://app.example", "null"])
    for origin in ("https://app.example", "null"):
        headers = [HOST, ("origin", origin)]
        answer = await request(server, HANDSHAKE, headers=headers)
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == origin
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["vary"] == "Origin"
        answer = await request(server, method="OPTIONS", headers=headers)
        assert answer.status == 200
        assert answer.body == b""
        assert answer.headers["access-control-allow-methods"] == "POST, GET"
        assert "Content-Type" in answer.headers["access-control-allow-headers"]
        assert answer.headers["access-control-max-age"] == "86400"
        async with Socket(server, headers) as socket:
            assert socket.is_accepted


async def test_any_origin_may_come_without_credentials() -> None:
    server = Server(allowed_origins=["*"])
    answer = await request(server, HANDSHAKE, headers=[HOST, ("origin", "https://any.example")])
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


# Held polls and sessions.


async def test_a_poll_is_held_until_its_time_or_a_message() -> None:
    server = Server(timeout=0.2, policy=Open())
    client_id = await connected(server)
    await request(server, subscribe(client_id, "/chat"))
    clock = asyncio.get_running_loop().time
    begun = clock()
    assert len((await request(server, connect(client_id))).messages) == 1
    assert clock() - begun >= 0.2
    held = asyncio.create_task(request(server, connect(client_id)))
    await wait_until(lambda: server._exchange.sessions[client_id].held)
    await server.publish("/chat", 1)
    assert [message.get("data") for message in (await held).messages] == [None, 1]


async def test_what_one_turn_publishes_comes_in_one_answer(server: Server) -> None:
    client_id = await connected(server)
    await request(server, subscribe(client_id, "/chat"))
    held = asyncio.create_task(request(server, connect(client_id)))
    await wait_until(lambda: server._exchange.sessions[client_id].held)
    for number in range(1_000):
        await server.publish("/chat", f"{number:0100}")
    found = (await held).messages
    while len([message for message in found if "data" in message]) < 1_000:
        found += (await request(server, connect(client_id))).messages
    data = [int(message["data"]) for message in found if "data" in message]
    assert data == list(range(1_000))


async def test_a_second_poll_ends_the_first_which_takes_nothing(server: Server) -> None:
    client_id = await connected(server)
    await request(server, subscribe(client_id, "/chat"))
    first = asyncio.create_task(request(server, connect(client_id)))
    await wait_until(lambda: server._exchange.sessions[client_id].held)
    second = asyncio.create_task(request(server, connect(client_id, id="d")))
    assert len((await first).messages) == 1
    await server.publish("/chat", 1)
    assert [message.get("id") for message in (await second).messages] == ["d", None]


async def test_a_session_moves_from_polling_to_a_socket_and_back_without_loss(server: Server) -> None:
    client_id = await connected(server)
    await request(server, subscribe(client_id, "/chat"))
    await server.publish("/chat", 1)
    async with Socket(server) as socket:
        await socket.reply(connect(client_id, "websocket"))
        assert [message["data"] for message in await socket.receive()] == [1]
        await server.publish("/chat", 2)
        assert [message["data"] for message in await socket.receive()] == [2]
        mine = cookie(server, client_id)
        held = asyncio.create_task(request(server, connect(client_id), headers=mine))
        await wait_until(lambda: server._exchange.sessions[client_id].held)
        await server.publish("/chat", 3)
        assert (await held).messages[1]["data"] == 3
    await server.publish("/chat", 4)
    assert (await request(server, connect(client_id), headers=mine)).messages[1]["data"] == 4


async def test_sessions_expire_by_time_and_a_held_connect_keeps_them() -> None:
    server = Server(timeout=0.2, policy=Open())
    quiet, loud = await connected(server), await connected(server)
    held = asyncio.create_task(request(server, connect(loud)))
    while quiet in server._exchange.sessions:
        assert (await held).messages[0]["successful"]
        held = asyncio.create_task(request(server, connect(loud)))
    assert (await held).messages[0]["successful"]
    (reply,) = (await request(server, connect(quiet))).messages
    assert reply["error"] == f"401:{quiet}:Unknown client"
    await wait_until(lambda: not server._exchange.sessions)
    assert not server._exchange._subscribers
    await wait_until(lambda: not server._exchange._lifetimes)


async def test_a_session_survives_its_socket_and_its_lost_connect(server: Server) -> None:
    client_id = await handshake(server)
    async with Socket(server) as socket:
        await socket.reply(connect(client_id, "websocket"))
        await socket.reply(subscribe(client_id, "/chat"))
        socket.send(connect(client_id, "websocket", id="held"))
        await wait_until(lambda: server._exchange.sessions[client_id].held)
    await server.publish("/chat", 1)
    async with Socket(server) as socket:
        await socket.reply(connect(client_id, "websocket"))
        assert (await socket.receive())[0]["data"] == 1


async def test_disconnect_ends_the_held_connect_after_its_own_reply(server: Server) -> None:
    client_id = await handshake(server)
    async with Socket(server) as socket:
        await socket.reply(connect(client_id, "websocket"))
        socket.send(connect(client_id, "websocket", id="held"))
        await wait_until(lambda: server._exchange.sessions[client_id].held)
        socket.send({"channel": "/meta/disconnect", "clientId": client_id, "id": "bye"})
        replies = await socket.receive()
    assert [reply["id"] for reply in replies] == ["bye", "held"]
    assert replies[1]["successful"]
    assert "advice" not in replies[1], "Halley would never come back, though its user asks it to"


async def test_a_plain_subscriber_that_takes_nothing_is_told_to_begin_anew(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = Server(timeout=5, policy=Open(), limits=Limits(queue_bytes=1_000))
    client_id = await handshake(server)
    async with Socket(server) as socket:
        await socket.reply(connect(client_id, "websocket"))
        await socket.reply(subscribe(client_id, "/chat"))
        socket.send(connect(client_id, "websocket", id="held"))
        await wait_until(lambda: server._exchange.sessions[client_id].held)
        socket.take_nothing()
        for _ in range(20):
            await server.publish("/chat", "x" * 100)
            await asyncio.sleep(0)
        assert not server._exchange.sessions
        socket.take_again()
        reply: dict[str, Any] = {}
        while reply.get("id") != "held":
            reply = (await socket.receive())[-1]
    assert reply["successful"] is False
    assert reply["error"] == f"401:{client_id}:Unknown client"
    assert reply["advice"] == {"reconnect": "handshake", "interval": 0}
    assert "clientId" not in reply
    assert "queue is full" in caplog.text
    assert client_id not in caplog.text


# Who speaks for which session.


async def test_one_request_speaks_for_one_session(server: Server) -> None:
    mine, foreign = await connected(server), await connected(server)
    replies = (await request(server, [subscribe(mine, "/a"), subscribe(foreign, "/b")])).messages
    assert [reply["successful"] for reply in replies] == [True, False]
    assert replies[1]["error"] == f"401:{foreign}:Unknown client"
    assert "/b" not in server._exchange.sessions[foreign].subscriptions


async def test_one_socket_speaks_for_one_session_while_that_lives(server: Server) -> None:
    mine, foreign = await handshake(server), await handshake(server)
    async with Socket(server) as socket:
        await socket.reply(connect(mine, "websocket"))
        reply = await socket.reply(subscribe(foreign, "/b"))
        assert reply["error"] == f"401:{foreign}:Unknown client"
        reply = await socket.reply({"channel": "/meta/disconnect", "clientId": mine, "id": "d"})
        assert reply["successful"]
        assert (await socket.reply(connect(foreign, "websocket")))["successful"]
        reply = await socket.reply(connect(await handshake(server), "websocket", id="other"))
        assert not reply["successful"]
        await socket.wait(lambda: socket.closed == 1008)


async def test_a_socket_without_a_session_is_closed_after_a_time() -> None:
    server = Server(limits=Limits(alone=0.1))
    async with Socket(server) as silent, Socket(server) as busy:
        client_id = await handshake(server)
        await busy.reply(connect(client_id, "websocket"))
        await silent.wait(lambda: silent.closed == 1008)
        assert busy.closed is None
        server._exchange.end(server._exchange.sessions[client_id])
        await busy.wait(lambda: busy.closed == 1008)
    assert not server._sockets


async def test_an_old_clients_ping_is_answered(server: Server) -> None:
    async with Socket(server) as socket:
        socket.send("[]")
        assert await socket.receive() == []


# Closing.


async def test_close_answers_100_held_polls_at_once() -> None:
    server = Server(timeout=45, policy=Open())
    await server.start()
    clients = [await connected(server) for _ in range(100)]
    polls = [asyncio.create_task(request(server, connect(client))) for client in clients]
    sockets = [Socket(server) for _ in range(20)]
    for socket in sockets:
        await socket.open()
        await socket.reply(connect(await handshake(server), "websocket"))
    stuck = Socket(server)
    await stuck.open()
    stuck_id = await handshake(server)
    await stuck.reply(connect(stuck_id, "websocket"))
    await stuck.reply(subscribe(stuck_id, "/chat"))
    stuck.take_nothing()
    await server.publish("/chat", 1)
    await wait_until(lambda: all(server._exchange.sessions[client].held for client in clients))
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await server.close()
    assert loop.time() - begun < 2.0
    for poll in polls:
        (reply,) = (await poll).messages
        assert reply["successful"]
        assert reply["advice"] == {"reconnect": "retry", "interval": 1000, "timeout": 45_000}
    assert {socket.closed for socket in sockets} == {1012}
    assert not server.running
    assert (await request(server, HANDSHAKE)).status == 503
    async with Socket(server) as late:
        assert not late.is_accepted
    await server.start()
    assert server.running
    assert (await request(server, HANDSHAKE)).messages[0]["successful"]
    await stuck.cut()


async def test_close_ends_streams_and_local_clients() -> None:
    server = Server()
    log = Log(server)
    local = server.local_client()
    await local.subscribe("/chat", lambda data: None)
    ended = asyncio.Event()

    async def follow() -> None:
        async with server.stream(log.channel, None) as stream:
            async for _ in stream:
                raise AssertionError("nothing was published")
        ended.set()

    following = asyncio.create_task(follow())
    await wait_until(lambda: len(server._exchange.sessions) == 2)
    await server.close()
    await asyncio.wait_for(following, 2)
    assert ended.is_set()
    assert not server._exchange.sessions


def test_starts_again_on_another_loop() -> None:
    server = Server(timeout=5, policy=Open())
    log = Log(server)

    async def use(key: int) -> None:
        await server.start()
        client_id = await connected(server)
        await request(server, subscribe(client_id, log.channel))
        log.add(key)
        assert (await request(server, connect(client_id))).messages[1]["data"]["body"]["id"] == key
        held = asyncio.create_task(request(server, connect(client_id)))
        await wait_until(lambda: server._exchange.sessions[client_id].held)
        await server.close()
        assert (await held).messages[0]["successful"]

    asyncio.run(use(1))
    asyncio.run(use(2))


async def test_lifespan_starts_and_closes(server: Server) -> None:
    events = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return events.pop(0)

    async def send(event: Any) -> None:
        sent.append((event["type"], server.running))

    await server({"type": "lifespan"}, receive, send)
    assert sent == [("lifespan.startup.complete", True), ("lifespan.shutdown.complete", False)]


# Options.


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout", 0), ("timeout", -1), ("timeout", "45"), ("timeout", True), ("timeout", float("nan")),
        ("timeout", float("inf")), ("timeout", None), ("interval", -1), ("interval", "0"), ("ping", 0), ("ping", "x"),
        ("pong", 0),        ("pong", None),
        ("cookie", ""), ("cookie", "a b"), ("cookie", 5),
        ("policy", object()), ("policy", Open), ("limits", 5), ("limits", {"body": 1}), ("limits", Limits(body=0)),
        ("limits", Limits(depth=-1)), ("limits", Limits(stall=True)), ("allowed_origins", "https://a.example"),
        ("allowed_origins", ["a.example"]), ("allowed_origins", ["https://a.example/x"]), ("allowed_origins", [5]),
        ("allowed_origins", 5), ("transports", ()), ("transports", "websocket"), ("transports", ["flash"]),
        ("transports", [5]), ("transports", None), ("transports", ["eventsource"]), ("subprotocol", "a b"),
        ("subprotocol", ""), ("subprotocol", 5), ("limits", Limits(url=0)), ("limits", Limits(upload=-1)),
        ("limits", Limits(strangers=0)), ("limits", Limits(strangers_address=False)),
    ],
)  # fmt: skip
def test_a_wrong_option_is_an_error_that_names_it(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Server(**{name: value})


ALL = ["long-polling", "cross-origin-long-polling", "callback-polling", "websocket", "eventsource"]


@pytest.mark.parametrize(
    ("transports", "types"),
    [
        (("websocket", "eventsource", "long-polling", "callback-polling"), ALL),
        (["long-polling"], ALL[:2]),
        (["callback-polling"], ALL[2:3]),
        ({"websocket"}, ALL[3:4]),
        (["eventsource", "long-polling"], [*ALL[:2], ALL[4]]),
        (["websocket", "callback-polling"], ALL[2:4]),
    ],
)
async def test_only_the_chosen_transports_are_offered_and_served(transports: Any, types: list[str]) -> None:
    server = Server(timeout=5, policy=Open(), transports=transports)
    asked = {**HANDSHAKE[0], "id": "1", "supportedConnectionTypes": ALL}
    async with Socket(server) as socket:
        assert socket.is_accepted is ("websocket" in transports)
        told = (await socket.reply(asked))["supportedConnectionTypes"] if socket.is_accepted else types
        assert told == types
    posted = await request(server, [asked])
    assert posted.status == (200 if "long-polling" in transports else 405)
    if posted.status == 200:
        assert posted.messages[0]["supportedConnectionTypes"] == types
    script = await jsonp(server, asked)
    no_script = 400 if "eventsource" in transports else 405
    assert script.status == (200 if "callback-polling" in transports else no_script)
    if script.status == 200:
        assert script.messages[0]["supportedConnectionTypes"] == types
    if "eventsource" in transports or posted.status != 200:
        return
    (client_id,) = server._exchange.sessions
    async with Events(server, client_id) as events:
        assert events.status != 200
    (reply,) = (await request(server, connect(client_id, "eventsource"))).messages
    assert reply["error"] == "301:eventsource:Connection types not supported"


async def test_a_client_that_can_do_nothing_of_it_is_refused(server: Server) -> None:
    for offered in (["in-process"], ["iframe", "flash"], [5, None]):
        (reply,) = (await request(server, [{**HANDSHAKE[0], "supportedConnectionTypes": offered}])).messages
        assert reply["successful"] is False
        assert reply["error"].startswith("301:")
        assert reply["supportedConnectionTypes"] == ALL


def test_importing_it_imports_no_framework() -> None:
    program = (
        "import sys, livecollections.bayeux as bayeux; bayeux.Server()\n"
        "print(*{'starlette', 'sqlalchemy', 'uvicorn', 'pydantic'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
