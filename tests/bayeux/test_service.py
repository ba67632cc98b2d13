"""Services: who is called, what goes back to whom, and that nobody else hears of it."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from livecollections.bayeux import Policy, Server, Session
from livecollections.bayeux.service import CALLS
from livecollections.errors import BayeuxError, ConfigurationError

from ..serving import wait_until
from .wire import Open, Socket, abandoned, connect, connected, handshake, request, subscribe


@pytest.fixture
def server() -> Server:
    server = Server(timeout=5)

    @server.service("/service/echo")
    async def echo(session: Session, data: Any) -> Any:
        return data

    return server


def call(client_id: str, data: Any, channel: str = "/service/echo", **fields: Any) -> dict[str, Any]:
    return {"channel": channel, "clientId": client_id, "data": data, "id": "7", **fields}


async def answered(server: Server, client_id: str) -> list[Any]:
    """What waits for a session, by its next connect."""
    (reply, *messages) = (await request(server, connect(client_id))).messages
    assert reply["successful"]
    return messages


async def test_a_call_is_answered_to_its_caller_alone(server: Server) -> None:
    caller, other = await connected(server), await connected(server)
    (reply,) = (await request(server, call(caller, {"a": [1]}))).messages
    assert reply == {"id": "7", "clientId": caller, "channel": "/service/echo", "successful": True}
    assert await answered(server, caller) == [
        {"channel": "/service/echo", "data": {"a": [1]}, "id": "7", "successful": True}
    ]
    assert not server.sessions[other].queue


async def test_a_call_on_a_socket_is_answered_on_it(server: Server) -> None:
    async with Socket(server) as socket:
        client_id = await handshake(server)
        await socket.reply(connect(client_id, "websocket"))
        socket.send(call(client_id, 1))
        reply, message = await socket.receive() + (await socket.receive() if not socket.frames else [])
        assert "data" not in reply
        assert message == {"channel": "/service/echo", "data": 1, "id": "7", "successful": True}


async def test_an_answer_is_not_lost_with_the_socket(server: Server) -> None:
    gate = asyncio.Event()

    @server.service("/service/slow")
    async def slow(session: Session, data: Any) -> Any:
        await gate.wait()
        return "done"

    client_id = await handshake(server)
    async with Socket(server) as socket:
        await socket.reply(connect(client_id, "websocket"))
        assert (await socket.reply(call(client_id, None, "/service/slow")))["successful"]
    gate.set()
    async with Socket(server) as socket:
        await socket.reply(connect(client_id, "websocket"))
        (message,) = await socket.receive()
        assert message["data"] == "done"


@pytest.mark.parametrize("value", [False, 0, "", [], {}])
async def test_what_is_returned_is_sent_even_if_it_is_nothing_much(server: Server, value: Any) -> None:
    client_id = await connected(server)
    await request(server, call(client_id, value))
    assert [message["data"] for message in await answered(server, client_id)] == [value]


async def test_none_is_no_answer(server: Server) -> None:
    heard: list[Any] = []

    @server.service("/service/note")
    def note(session: Session, data: Any) -> None:
        heard.append((session.id, data))

    client_id = await connected(server)
    await request(server, call(client_id, 1, "/service/note"))
    await wait_until(lambda: heard)
    assert heard == [(client_id, 1)]
    assert not server.sessions[client_id].queue


async def test_a_call_without_an_id_is_answered_like_any_message(server: Server) -> None:
    client_id = await connected(server)
    message = call(client_id, 1)
    del message["id"]
    await request(server, message)
    assert await answered(server, client_id) == [{"channel": "/service/echo", "data": 1}]


async def test_the_most_exact_service_is_called_and_may_hear_its_channel(server: Server) -> None:
    @server.service("/service/rooms/*")
    async def room(session: Session, data: Any, channel: str) -> Any:
        return ["*", channel]

    @server.service("/service/rooms/1")
    async def one(session: Session, data: Any) -> Any:
        return ["1"]

    @server.service("/service/**")
    def rest(session: Session, data: Any, channel: str, more: int = 0) -> Any:
        return ["**", channel]

    client_id = await connected(server)
    for name in ("rooms/1", "rooms/2", "rooms/2/x", "other", "echo"):
        await request(server, call(client_id, 0, f"/service/{name}", id=name))
    assert [message["data"] for message in await answered(server, client_id)] == [
        ["1"],
        ["*", "/service/rooms/2"],
        ["**", "/service/rooms/2/x"],
        ["**", "/service/other"],
        0,
    ]


async def test_no_other_client_hears_a_call_whatever_it_subscribed_to() -> None:
    server = Server(timeout=5, policy=Open())
    server.service("/service/echo")(lambda session, data: data)
    caller, other = await connected(server), await connected(server)
    for name in ("/**", "/service/**", "/service/echo", "/service/*"):
        (reply,) = (await request(server, subscribe(other, name))).messages
        assert reply["successful"]
    await request(server, call(caller, 1))
    await request(server, call(caller, 1, "/service/without"))
    assert len(await answered(server, caller)) == 1
    assert not server.sessions[other].queue


# Refusals and failures.


async def test_a_call_needs_a_session(server: Server) -> None:
    (reply,) = (await request(server, {"channel": "/service/echo", "data": 1, "id": "7"})).messages
    assert reply["error"] == "402:clientId:Missing required parameter"
    (reply,) = (await request(server, call("x" * 40, 1))).messages
    assert reply["error"].startswith("401:")


async def test_the_policy_may_forbid_a_call() -> None:
    class Members(Policy):
        async def can_call(self, session: Session, channel: str, data: Any) -> bool:
            return session.user is not None and await super().can_call(session, channel, data)

    for policy in (Members(), Policy(deny=["/service/**"])):
        server = Server(timeout=5, policy=policy)
        server.service("/service/echo")(lambda session, data: data)
        client_id = await connected(server)
        (reply,) = (await request(server, call(client_id, 1))).messages
        assert reply["error"] == "403:/service/echo:Forbidden channel"


async def test_what_no_service_hears_is_the_policys_as_before(server: Server) -> None:
    client_id = await connected(server)
    (reply,) = (await request(server, call(client_id, 1, "/service/other"))).messages
    assert reply["error"] == "403:/service/other:Forbidden channel"


async def test_a_refusal_is_told_and_a_failure_is_an_id(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    @server.service("/service/fails")
    async def fails(session: Session, data: Any) -> Any:
        if data == "refuse":
            raise BayeuxError(409, ["seat"], "Taken")
        if data == "strange":
            return object()
        if data == "wait":
            return await abandoned()
        raise RuntimeError("secret detail")

    client_id = await connected(server)
    for data in ("refuse", "wait", "raise", "strange"):
        (reply,) = (await request(server, call(client_id, data, "/service/fails", id=data))).messages
        assert reply["successful"]
    messages = await answered(server, client_id)
    assert [(message["id"], message["successful"]) for message in messages] == [
        ("refuse", False),
        ("wait", False),
        ("raise", False),
        ("strange", False),
    ]
    assert messages[0]["data"] == {"error": "409:seat:Taken"}
    for message in messages[1:]:
        found = re.fullmatch(r"500:([0-9a-f]{8}):Internal server error", message["data"]["error"])
        assert found
        assert found[1] in caplog.text
    assert "secret" not in json.dumps(messages)


# Order and repetition.


async def test_calls_of_one_session_run_in_order_and_hold_up_nobody_else(server: Server) -> None:
    gates = {"a": asyncio.Event(), "b": asyncio.Event()}
    log: list[Any] = []

    @server.service("/service/work")
    async def work(session: Session, data: Any) -> Any:
        log.append(("begin", data))
        await gates[data[0]].wait()
        log.append(("end", data))
        return data

    one, other = await connected(server), await connected(server)
    await request(server, [call(one, f"a{number}", "/service/work", id=str(number)) for number in range(3)])
    await request(server, call(other, "b0", "/service/work"))
    await wait_until(lambda: len(log) == 2)
    gates["b"].set()
    assert [message["data"] for message in await answered(server, other)] == ["b0"]
    gates["a"].set()
    await wait_until(lambda: len(server.sessions[one].queue) == 3)
    assert [message["data"] for message in await answered(server, one)] == ["a0", "a1", "a2"]
    assert [data for what, data in log if data.startswith("a")] == ["a0", "a0", "a1", "a1", "a2", "a2"]


async def test_a_repeated_call_is_made_once_and_answered_alike(server: Server) -> None:
    calls: list[Any] = []

    @server.service("/service/count")
    def count(session: Session, data: Any) -> Any:
        calls.append(data)
        return len(calls)

    client_id = await connected(server)
    replies = [(await request(server, call(client_id, 1, "/service/count"))).messages for _ in range(3)]
    assert replies[0] == replies[1] == replies[2]
    assert [message["data"] for message in await answered(server, client_id)] == [1]
    assert calls == [1]


async def test_too_many_calls_wait_to_be_read(server: Server) -> None:
    gate = asyncio.Event()

    @server.service("/service/slow")
    async def slow(session: Session, data: Any) -> None:
        await gate.wait()

    client_id = await handshake(server)
    async with Socket(server) as socket:
        await socket.reply(connect(client_id, "websocket"))
        for number in range(CALLS + 1):
            socket.send(call(client_id, number, "/service/slow", id=str(number)))
        found: list[Any] = []
        while len(found) < CALLS:
            found += await socket.receive()
        assert [reply["id"] for reply in found] == [str(number) for number in range(CALLS)]
        gate.set()
        assert [reply["id"] for reply in await socket.receive()] == [str(CALLS)]


async def test_what_a_call_returns_after_its_session_is_nobodys(server: Server) -> None:
    gate = asyncio.Event()
    begun: list[Any] = []

    @server.service("/service/slow")
    async def slow(session: Session, data: Any) -> Any:
        begun.append(data)
        await gate.wait()
        return data

    client_id = await connected(server)
    await request(server, [call(client_id, 1, "/service/slow"), call(client_id, 2, "/service/slow", id="8")])
    await wait_until(lambda: begun)
    session = server.sessions[client_id]
    await request(server, {"channel": "/meta/disconnect", "clientId": client_id})
    gate.set()
    await wait_until(lambda: not len(server._exchange.services._strands))
    assert begun == [1]
    assert not session.queue


async def test_a_call_that_hangs_keeps_no_server_open(server: Server) -> None:
    hanging = asyncio.Event()

    @server.service("/service/hang")
    async def hang(session: Session, data: Any) -> None:
        hanging.set()
        await asyncio.Event().wait()

    client_id = await connected(server)
    await request(server, call(client_id, 1, "/service/hang"))
    await hanging.wait()
    await asyncio.wait_for(server.close(), 2)
    assert not len(server._exchange.services._strands)


# Declarations.


@pytest.mark.parametrize(
    "channel", ["/echo", "service/echo", "/service/", "/meta/echo", "/service/*/x", 7, "/**"]
)
def test_only_service_channels_have_services(server: Server, channel: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^service: "):
        server.service(channel)(lambda session, data: data)


@pytest.mark.parametrize(
    "function",
    [lambda: 0, lambda session: 0, lambda session, data, channel, more: 0, 7, lambda session, *, data: 0],
)
def test_a_function_takes_what_it_is_given(server: Server, function: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^service: "):
        server.service("/service/other")(function)


def test_a_channel_has_one_service(server: Server) -> None:
    with pytest.raises(ConfigurationError, match="already"):
        server.service("/service/echo")(lambda session, data: data)
