"""Extensions: what they see, what they may change, and what becomes of what they refuse."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from livecollections.bayeux import Context, Limits, Server
from livecollections.bayeux.connection import Connection
from livecollections.bayeux.message import Message
from livecollections.errors import BayeuxError, ConfigurationError

from ..serving import wait_until
from .wire import (
    VERSION,
    Events,
    Log,
    Open,
    Socket,
    abandoned,
    connect,
    connected,
    handshake,
    request,
    since,
    subscribe,
)

Seen = dict[str, Any]


@pytest.fixture
def server() -> Server:
    return Server(timeout=5, policy=Open())


class Incoming:
    """Does what it is told with what comes."""

    def __init__(self, hook: Callable[[Seen, Context], Any]) -> None:
        self.incoming = hook


class Outgoing:
    """Does what it is told with what goes."""

    def __init__(self, hook: Callable[[Seen, Context], Any], *, per_recipient: bool = False) -> None:
        self.outgoing = hook
        self.per_recipient = per_recipient


class Recorder:
    """Notes everything and changes nothing."""

    def __init__(
        self, name: str = "", notes: list[Any] | None = None, *, per_recipient: bool = False
    ) -> None:
        self.name = name
        self.per_recipient = per_recipient
        self.notes: list[Any] = [] if notes is None else notes
        self.contexts: list[Context] = []
        self.hosts: list[Any] = []

    async def incoming(self, message: Seen, context: Context) -> Seen:
        await asyncio.sleep(0)
        self.notes.append((self.name, "in", message["channel"]))
        self.contexts.append(context)
        return message

    async def outgoing(self, message: Seen, context: Context) -> Seen:
        await asyncio.sleep(0)
        self.notes.append((self.name, "out", message["channel"]))
        self.contexts.append(context)
        return message

    def added(self, host: Any) -> None:
        self.hosts.append(("added", host))

    def removed(self, host: Any) -> None:
        self.hosts.append(("removed", host))


def noting(notes: list[Any], what: Callable[[Seen, Context], Any]) -> Callable[[Seen, Context], Seen]:
    """A hook that changes nothing."""

    def hook(message: Seen, context: Context) -> Seen:
        notes.append(what(message, context))
        return message

    return hook


def publish(data: Any, channel: str = "/chat", **fields: Any) -> Seen:
    return {"channel": channel, "data": data, "id": "p", **fields}


async def ask(server: Server, message: Seen) -> Seen:
    (reply,) = (await request(server, message)).messages
    assert isinstance(reply, dict)
    return reply


async def joined(server: Server, channel: str = "/chat") -> str:
    client_id = await connected(server)
    assert (await ask(server, subscribe(client_id, channel)))["successful"]
    return client_id


async def heard(server: Server, client_id: str, count: int) -> list[Any]:
    """The data of the next messages of a session."""
    found: list[Any] = []
    while len(found) < count:
        (reply, *messages) = (await request(server, connect(client_id))).messages
        assert reply["successful"]
        found += [message["data"] for message in messages]
    return found


def faults(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The ids of the faults that were logged."""
    return [record.error_id for record in caplog.records if hasattr(record, "error_id")]


# Installing.


def test_an_extension_hears_where_it_is_and_that_it_was_taken_away(server: Server) -> None:
    extension = Recorder()
    server.add_extension(extension)
    server.remove_extension(extension)
    assert extension.hosts == [("added", server), ("removed", server)]


@pytest.mark.parametrize("wrong", [object(), None, Incoming(7), Outgoing("x")])  # type: ignore[arg-type]
def test_what_is_no_extension_is_refused(server: Server, wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^extension: "):
        server.add_extension(wrong)


def test_one_is_installed_once_and_removed_once(server: Server) -> None:
    extension = Recorder()
    server.add_extension(extension)
    with pytest.raises(ConfigurationError, match="already"):
        server.add_extension(extension)
    server.remove_extension(extension)
    with pytest.raises(ConfigurationError, match="not installed"):
        server.remove_extension(extension)


async def test_a_removed_one_sees_nothing(server: Server) -> None:
    extension = Recorder()
    server.add_extension(extension)
    client_id = await joined(server)
    assert extension.notes
    server.remove_extension(extension)
    extension.notes.clear()
    await ask(server, publish(1))
    assert await heard(server, client_id, 1) == [1]
    assert extension.notes == []


# What they see.


async def test_the_first_sees_first_what_comes_and_last_what_goes(server: Server) -> None:
    notes: list[Any] = []
    for name in "ab":
        server.add_extension(Recorder(name, notes))
    await ask(server, publish(1))
    assert notes == [
        ("a", "in", "/chat"),
        ("b", "in", "/chat"),
        *(("b", "out", "/chat"), ("a", "out", "/chat")) * 2,
    ]


async def test_meta_messages_are_seen_with_their_session(server: Server) -> None:
    extension = Recorder()
    server.add_extension(extension)
    client_id = await connected(server)
    session = server.sessions[client_id]
    await ask(server, subscribe(client_id, "/chat"))
    await ask(server, {"channel": "/meta/unsubscribe", "clientId": client_id, "subscription": "/chat"})
    await ask(server, {"channel": "/meta/disconnect", "clientId": client_id})
    assert extension.notes == [
        ("", way, f"/meta/{name}")
        for name in ("handshake", "connect", "subscribe", "unsubscribe", "disconnect")
        for way in ("in", "out")
    ]
    assert [context.session for context in extension.contexts[:-1]] == [None, *[session] * 8]
    assert {context.connection and context.connection.transport for context in extension.contexts} == {
        "long-polling"
    }


async def test_it_comes_before_every_check(server: Server) -> None:
    extension = Recorder()
    server.add_extension(extension)
    for wrong in (
        {"channel": "wrong"},
        {"channel": "/meta/other"},
        {"channel": "/meta/connect", "clientId": "x"},
    ):
        assert not (await ask(server, wrong))["successful"]
    assert [note for note in extension.notes if note[1] == "in"] == [
        ("", "in", "wrong"),
        ("", "in", "/meta/other"),
        ("", "in", "/meta/connect"),
    ]


async def test_nobody_brings_the_outcome_of_its_own_message(server: Server) -> None:
    seen: list[Seen] = []
    server.add_extension(Incoming(noting(seen, lambda message, context: message)))
    reply = await ask(server, publish(1, error="mine", successful=False))
    assert reply == {"id": "p", "channel": "/chat", "successful": True}
    assert seen == [publish(1)]


async def test_a_stolen_id_shows_no_session_to_an_extension(server: Server) -> None:
    seen: list[Any] = []
    mine, other = await connected(server), await connected(server)
    server.add_extension(Incoming(noting(seen, lambda message, context: context.session)))
    async with Socket(server) as socket:
        await socket.reply(connect(mine, "websocket"))
        reply = await socket.reply(publish(1, clientId=other))
        assert reply["error"] == f"401:{other}:Unknown client"
    assert seen == [server.sessions[mine], None]


async def test_who_cannot_speak_for_a_session_is_shown_without_it() -> None:
    class Named(Open):
        async def identify(self, connection: Connection) -> Any:
            return connection.headers["x-user"]

    server = Server(timeout=5, policy=Named())
    recorder = Recorder()
    server.add_extension(recorder)
    (reply,) = (
        await request(server, {"channel": "/meta/handshake", **VERSION}, headers=[("x-user", "ann")])
    ).messages
    message = subscribe(reply["clientId"], "/chat")
    for user in ("bob", "ann"):
        (reply,) = (await request(server, message, headers=[("x-user", user)])).messages
        assert reply["successful"] is (user == "ann")
    session = server.sessions[message["clientId"]]
    assert [context.session for context in recorder.contexts] == [None, session, None, None, session, session]
    (reply,) = (await request(server, message)).messages
    assert reply["error"].startswith("500:")


async def test_a_message_to_many_passes_once_and_is_encoded_once(server: Server) -> None:
    extension = Recorder()
    clients = [await joined(server) for _ in range(3)]
    server.add_extension(extension)
    await server.publish("/chat", {"n": 1})
    assert extension.notes == [("", "out", "/chat")]
    assert extension.contexts[0].session is None
    assert extension.contexts[0].connection is None
    queued = [server.sessions[client_id].queue[0] for client_id in clients]
    assert queued[0] is queued[1] is queued[2]


async def test_only_one_that_asks_for_it_is_called_for_each_receiver(server: Server) -> None:
    def sign(message: Seen, context: Context) -> Seen:
        if "data" in message:
            assert context.session is not None
            message["data"]["to"] = context.session.attributes["name"]
            message["data"]["over"] = context.connection.transport if context.connection else None
        return message

    clients = {}
    for name in "ab":
        client_id = await joined(server)
        server.sessions[client_id].attributes["name"] = name
        clients[name] = client_id
    server.add_extension(Outgoing(sign, per_recipient=True))
    await server.publish("/chat", {"n": 1})
    for name, client_id in clients.items():
        assert await heard(server, client_id, 1) == [{"n": 1, "to": name, "over": "long-polling"}]


@pytest.mark.parametrize("per_recipient", [False, True])
async def test_it_is_the_same_on_every_transport(server: Server, per_recipient: bool) -> None:
    async def mark(message: Seen, context: Context) -> Seen | None:
        await asyncio.sleep(0)
        if message.get("data") == 1:
            return None
        message["ext"] = {"marked": True}
        return message

    server.add_extension(Outgoing(mark, per_recipient=per_recipient))
    polling, streaming = await joined(server), await joined(server)
    local: list[Any] = []
    client = server.local_client()
    await client.subscribe("/chat", local.append)
    async with Socket(server) as socket, Events(server, streaming) as stream:
        socketing = await handshake(server)
        reply = await socket.reply(connect(socketing, "websocket"))
        assert reply["ext"] == {"marked": True}
        await socket.reply(subscribe(socketing, "/chat"))
        for number in range(3):
            server.publish_nowait("/chat", number)
        expected = [{"channel": "/chat", "data": number, "ext": {"marked": True}} for number in (0, 2)]
        assert await socket_messages(socket, 2) == expected
        assert await stream_messages(stream, 2) == expected
        (reply, *messages) = (await request(server, connect(polling))).messages
        assert reply["ext"] == {"marked": True}
        assert messages == expected
        await wait_until(lambda: local == [0, 2])
        socket.send("[]")
        assert await socket.receive() == []
    await client.disconnect()


async def socket_messages(socket: Socket, count: int) -> list[Any]:
    found: list[Any] = []
    while len(found) < count:
        found += await socket.receive()
    return found


async def stream_messages(stream: Events, count: int) -> list[Any]:
    found: list[Any] = []
    while len(found) < count:
        found += await stream.receive()
    return found


# What they change.


async def test_what_comes_is_changed_and_its_answer_bears_its_id(server: Server) -> None:
    def change(message: Seen, context: Context) -> Seen:
        return {**message, "data": {"was": message["data"]}, "id": "other"}

    client_id = await joined(server)
    server.add_extension(Incoming(change))
    assert (await ask(server, publish(1)))["id"] == "p"
    server.remove_extension(server._exchange.extensions._installed[0])
    assert await heard(server, client_id, 1) == [{"was": 1}]


async def test_only_data_and_what_may_stand_beside_them_is_changed(server: Server) -> None:
    def change(message: Seen, context: Context) -> Seen:
        return {
            **message,
            "channel": "/other",
            "advice": {"reconnect": "none"},
            "clientId": "x",
            "successful": False,
            "timestamp": "2026-01-01T00:00:00.00",
        }

    client_id = await joined(server)
    server.add_extension(Outgoing(change))
    await server.publish("/chat", 1)
    server.remove_extension(server._exchange.extensions._installed[0])
    (_, message) = (await request(server, connect(client_id))).messages
    assert message == {"channel": "/chat", "data": 1, "timestamp": "2026-01-01T00:00:00.00"}


async def test_a_publishers_data_are_its_own(server: Server) -> None:
    def spoil(message: Seen, context: Context) -> Seen:
        message["data"].clear()
        return message

    server.add_extension(Outgoing(spoil))
    data = {"n": 1}
    await server.publish("/chat", data)
    assert data == {"n": 1}


# Order.


async def test_what_is_published_keeps_its_order(server: Server) -> None:
    async def slow(message: Seen, context: Context) -> Seen:
        for _ in range(message["data"] % 3):
            await asyncio.sleep(0)
        return message

    heard: list[Any] = []
    client = server.local_client()
    await client.subscribe("/chat", heard.append)
    extension = Outgoing(slow)
    server.add_extension(extension)
    for number in range(20):
        server.publish_nowait("/chat", number)
    server.remove_extension(extension)
    server.publish_nowait("/chat", 20)
    await server.publish("/chat", 21)
    server.publish_nowait("/chat", 22)
    await wait_until(lambda: len(heard) == 23)
    assert heard == [*range(23)]
    assert not server._exchange.extensions.holds
    await client.disconnect()


async def test_publish_returns_when_it_has_passed(server: Server) -> None:
    gate = asyncio.Event()

    async def wait(message: Seen, context: Context) -> Seen:
        await gate.wait()
        return message

    client_id = await joined(server)
    server.add_extension(Outgoing(wait))
    publishing = asyncio.create_task(server.publish("/chat", 1))
    await wait_until(lambda: server._exchange.extensions.holds)
    assert not publishing.done()
    assert not server.sessions[client_id].queue
    gate.set()
    await publishing
    assert len(server.sessions[client_id].queue) == 1


async def test_a_history_passes_live_and_replayed_and_nothing_is_doubled_or_lost(server: Server) -> None:
    async def mark(message: Seen, context: Context) -> Seen | None:
        await asyncio.sleep(0)
        if message.get("data", {}).get("body", {}).get("id") == 13:
            return None
        if "data" in message:
            message["data"]["marked"] = True
        return message

    log = Log(server)
    server.add_extension(Outgoing(mark))
    written = [log.add(key) for key in (1, 13, 2)]
    client_id = await connected(server)
    await request(server, subscribe(client_id, log.channel, ext=since(log.seq(0))))
    poll = asyncio.create_task(request(server, connect(client_id)))
    written += [log.add(key) for key in range(3, 9)]
    found = [message for message in (await poll).messages if "data" in message]
    while len(found) < len(written) - 1:
        found += [
            message for message in (await request(server, connect(client_id))).messages if "data" in message
        ]
    assert [message["data"]["seq"] for message in found] == [written[0], *written[2:]]
    assert all(message["data"]["marked"] for message in found)


async def test_a_history_that_only_has_what_is_refused_is_read_to_its_end(server: Server) -> None:
    log = Log(server)
    written = [log.add(13) for _ in range(3)]
    server.add_extension(Outgoing(lambda message, context: None if "data" in message else message))
    client_id = await connected(server)
    await request(server, subscribe(client_id, log.channel, ext=since(log.seq(0))))
    poll = asyncio.create_task(request(server, connect(client_id)))
    session = server.sessions[client_id]
    await wait_until(lambda: session.positions[log.channel].queued == written[-1])
    assert not session.is_behind
    assert not session.queue
    await ask(server, {"channel": "/meta/disconnect", "clientId": client_id})
    await poll


async def test_a_plain_channels_history_keeps_what_has_passed(server: Server) -> None:
    async def judge(message: Seen, context: Context) -> Seen | None:
        await asyncio.sleep(0)
        if message.get("data") == 13:
            return None
        if "data" in message:
            message["data"] *= 10
        return message

    server.channel("/chat", history=10)
    early = await connected(server)
    begin = (await ask(server, subscribe(early, "/chat", ext=since(None))))["ext"]["live"]["seq"]
    server.add_extension(Outgoing(judge))
    for number in (1, 13, 2):
        server.publish_nowait("/chat", number)
    await server.publish("/chat", 3)
    late = await connected(server)
    await ask(server, subscribe(late, "/chat", ext=since(begin)))
    for client_id in (early, late):
        messages: list[Any] = []
        while len(messages) < 3:
            messages += (await request(server, connect(client_id))).messages[1:]
        assert [message["data"] for message in messages] == [10, 20, 30]
        places = [message["ext"]["live"] for message in messages]
        assert [place["prev"] for place in places[1:]] == [place["seq"] for place in places[:-1]]


async def test_messages_that_are_taken_over_while_a_hook_runs_go_to_the_new_link(server: Server) -> None:
    gates = [asyncio.Event(), asyncio.Event()]
    gates[1].set()
    calls = iter(gates)

    async def wait(message: Seen, context: Context) -> Seen:
        if "data" in message:
            await next(calls).wait()
        return message

    server._exchange.ping_answered = 0.01
    client_id = await joined(server)
    async with Socket(server) as first, Socket(server) as second:
        await first.reply(connect(client_id, "websocket"))
        server.add_extension(Outgoing(wait, per_recipient=True))
        await server.publish("/chat", "once")
        await wait_until(lambda: server.sessions[client_id].flight.plain)
        await second.reply(connect(client_id, "websocket"))
        gates[0].set()
        assert await second.receive() == [{"channel": "/chat", "data": "once"}]
        assert not any("once" in frame for frame in first.frames)


# Refusing.


class Guard:
    """Wants a token to subscribe."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    async def incoming(self, message: Seen, context: Context) -> Seen:
        if message["channel"] == "/meta/subscribe" and (message.get("ext") or {}).get("token") != "secret":
            context.reject(*self.arguments)
        return message


@pytest.mark.parametrize("error", ["403:/chat:Forbidden channel", "403::No", "Invalid token", "a:b:c:d"])
async def test_a_refusal_is_told_in_its_own_words(server: Server, error: str) -> None:
    server.add_extension(Guard(error))
    client_id = await connected(server)
    reply = await ask(server, subscribe(client_id, "/chat"))
    assert reply == {
        "id": "s",
        "clientId": client_id,
        "channel": "/meta/subscribe",
        "successful": False,
        "error": error,
        "subscription": "/chat",
    }
    assert not server.sessions[client_id].subscriptions
    assert (await ask(server, subscribe(client_id, "/chat", ext={"token": "secret"})))["successful"]


async def test_a_refusal_may_advise(server: Server) -> None:
    server.add_extension(Guard("403::No", {"reconnect": "none"}))
    client_id = await connected(server)
    assert (await ask(server, subscribe(client_id, "/chat")))["advice"] == {"reconnect": "none"}


@pytest.mark.parametrize(
    ("advice", "expected"),
    [
        (None, {"reconnect": "handshake", "interval": 1000}),
        ({"reconnect": "none"}, {"reconnect": "none", "interval": 1000}),
        ({"interval": 60_000}, {"reconnect": "handshake", "interval": 60_000}),
    ],
)
async def test_a_refused_handshake_never_makes_a_client_run_hot(
    server: Server, advice: Any, expected: Seen
) -> None:
    server.add_extension(Incoming(lambda message, context: context.reject("Who are you", advice)))
    reply = await ask(server, {"channel": "/meta/handshake", **VERSION})
    assert reply["error"] == "Who are you"
    assert reply["advice"] == expected
    assert "clientId" not in reply
    assert not server.sessions


async def test_a_refusal_that_is_swallowed_stands(server: Server) -> None:
    def clumsy(message: Seen, context: Context) -> Seen:
        try:
            context.reject("no")
        except Exception:
            return message

    server.add_extension(Incoming(clumsy))
    assert (await ask(server, publish(1)))["error"] == "no"


async def test_an_error_in_the_message_refuses_it_as_with_faye(server: Server) -> None:
    server.add_extension(Incoming(lambda message, context: {**message, "error": "403::As with Faye"}))
    assert (await ask(server, publish(1)))["error"] == "403::As with Faye"


async def test_what_is_dropped_on_its_way_in_is_answered(server: Server) -> None:
    server.add_extension(Incoming(lambda message, context: None))
    async with Socket(server) as socket:
        for message in (publish(1), {"channel": "/meta/handshake", "id": "h", **VERSION}):
            reply = await socket.reply(message)
            assert reply["error"] == "404::Message deleted"
    assert not server.sessions


async def test_what_is_refused_on_its_way_out_is_answered_so_and_may_come_again(server: Server) -> None:
    verdicts = ["no", "no", None]

    async def judge(message: Seen, context: Context) -> Seen:
        await asyncio.sleep(0)
        if "data" in message and (verdict := verdicts.pop(0)) is not None:
            context.reject(verdict)
        return message

    client_id, sender = await joined(server), await connected(server)
    server.add_extension(Outgoing(judge))
    for error in ("no", "no", None):
        reply = await ask(server, publish(1, clientId=sender))
        assert reply.get("error") == error
    assert (await ask(server, publish(1, clientId=sender)))["successful"]
    assert verdicts == []
    assert await heard(server, client_id, 1) == [1]


async def test_a_publish_of_the_server_itself_hears_of_a_refusal(server: Server) -> None:
    server.add_extension(Outgoing(lambda message, context: context.reject("403::No")))
    with pytest.raises(BayeuxError, match="403::No"):
        await server.publish("/chat", 1)
    client = server.local_client()
    with pytest.raises(BayeuxError, match="403::No"):
        await client.publish("/chat", 1)


async def test_local_clients_pass_as_remote_ones_do(server: Server) -> None:
    recorder = Recorder()
    server.add_extension(recorder)
    server.add_extension(Guard("403::No"))
    client = server.local_client()
    with pytest.raises(BayeuxError, match="403::No"):
        await client.subscribe("/chat", print)
    assert recorder.notes == [("", "in", "/meta/subscribe")]
    assert recorder.contexts[0].session is not None
    assert recorder.contexts[0].session.is_local
    assert recorder.contexts[0].connection is None
    server.add_extension(Incoming(lambda message, context: {**message, "data": 2}))
    remote = await connected(server)
    await ask(server, subscribe(remote, "/chat", ext={"token": "secret"}))
    await client.publish("/chat", 1)
    assert await heard(server, remote, 1) == [2]
    await client.disconnect()


async def test_a_dropped_reply_is_an_error_and_no_silence(server: Server) -> None:
    client_id = await connected(server)
    server.add_extension(Outgoing(lambda message, context: None))
    reply = await ask(server, publish(1, clientId=client_id))
    assert reply == {
        "id": "p",
        "clientId": client_id,
        "channel": "/chat",
        "successful": False,
        "error": "404::Message deleted",
    }
    reply = await ask(server, {"channel": "/meta/handshake", "id": "h", **VERSION})
    assert not reply["successful"]
    assert "clientId" not in reply


# Failing.


async def _raises(message: Seen, context: Context) -> Seen:
    raise RuntimeError("secret detail")


async def _hangs(message: Seen, context: Context) -> Seen:
    await asyncio.Event().wait()
    return message


def _wrong(message: Seen, context: Context) -> Any:
    return "no message"


@pytest.mark.parametrize("hook", [_raises, _hangs, _wrong, abandoned])
@pytest.mark.parametrize("kind", [Incoming, Outgoing])
async def test_a_hook_that_fails_is_logged_and_its_client_hears_an_id(
    kind: type[Incoming] | type[Outgoing], hook: Any, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(timeout=5, policy=Open(), hook_timeout=0.05)
    other = await joined(server)
    server.add_extension(kind(hook))
    reply = await ask(server, publish(1))
    found = re.fullmatch(r"500:([0-9a-f]{8}):Internal server error", reply["error"])
    assert found
    assert found[1] in faults(caplog)
    assert hook.__name__ in caplog.text
    assert "secret" not in json.dumps(reply)
    assert not server.sessions[other].queue
    # What is published meanwhile is held up by nobody.
    server.remove_extension(server._exchange.extensions._installed[0])
    assert (await ask(server, publish(2)))["successful"]


async def test_what_is_not_json_is_a_fault(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    client_id = await joined(server)
    server.add_extension(Outgoing(lambda message, context: {**message, "ext": object()}))
    reply = await ask(server, publish(1))
    assert reply["error"].startswith("500:")
    assert len(faults(caplog)) == 2
    with pytest.raises(BayeuxError, match="500:"):
        await server.publish("/chat", 1)
    assert not server.sessions[client_id].queue


async def test_a_fault_for_one_receiver_is_no_fault_for_another(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    def picky(message: Seen, context: Context) -> Seen:
        if "data" in message and context.session is server.sessions[first]:
            raise ValueError("on purpose")
        return message

    first, second = await joined(server), await joined(server)
    server.add_extension(Outgoing(picky, per_recipient=True))
    await server.publish("/chat", 1)
    assert await heard(server, second, 1) == [1]
    (reply,) = (await request(server, connect(first))).messages
    assert reply["successful"]
    assert len(faults(caplog)) == 1


async def test_the_server_closes_in_spite_of_hooks_that_hang() -> None:
    server = Server(timeout=5, policy=Open())
    server.add_extension(Outgoing(_hangs))
    publishing = [asyncio.create_task(server.publish("/chat", number)) for number in range(3)]
    await wait_until(lambda: len(server._exchange.extensions._strand) == 3)
    await asyncio.wait_for(server.close(), 2)
    for one in publishing:
        with pytest.raises(BayeuxError, match="500::"):
            await one
    assert not server._exchange.extensions._outcomes


async def test_a_socket_that_takes_nothing_is_bounded_under_per_recipient_hooks() -> None:
    server = Server(timeout=5, policy=Open(), limits=Limits(queue_bytes=2_000))
    client_id = await joined(server)
    server.add_extension(Outgoing(_hangs, per_recipient=True))
    extension = server._exchange.extensions._installed[0]
    server.remove_extension(extension)
    async with Socket(server) as socket:
        await socket.reply(connect(client_id, "websocket"))
        server.add_extension(extension)
        await server.publish("/chat", "x")
        await wait_until(lambda: server.sessions[client_id].flight.plain)
        for _ in range(100):
            server.publish_nowait("/chat", "x" * 100)
        await wait_until(lambda: client_id not in server.sessions)


# A message by itself.


def test_an_altered_message_keeps_its_place_and_what_was_beside() -> None:
    message = Message("/a", 1, "5e1f03aa0000000000000001abcd")
    other = message.altered({"channel": "/b", "data": 2, "ext": {"x": 1}, "more": 3})
    assert (other.channel, other.seq) == ("/a", message.seq)
    assert json.loads(other.frame) == [{"channel": "/a", "data": 2, "ext": {"x": 1}}]
    assert json.loads(message.frame) == [{"channel": "/a", "data": 1}]
