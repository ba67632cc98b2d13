"""The Python client against our own server, over real sockets, through everything that networks do."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from livecollections import errors
from livecollections.bayeux import (
    Client,
    Delivery,
    MemoryHistory,
    Policy,
    Reset,
    Server,
    Session,
    State,
    Subscription,
)
from livecollections.testing.proxy import FaultProxy

from ..bayeux.wire import Log, Open
from ..serving import served, wait_until

TRANSPORTS = ("websocket", "long-polling")
PROCESS = psutil.Process()


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    assert isinstance(request.param, str)
    return request.param


def sockets() -> int:
    """The TCP connections of this process."""
    return len(
        [one for one in PROCESS.net_connections("tcp") if one.status != psutil.CONN_LISTEN and one.fd != -1]
    )


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    """No task and no socket outlives a test."""
    tasks, open_before = asyncio.all_tasks(), sockets()
    yield
    left = {task for task in asyncio.all_tasks() - tasks if not task.done()} - {asyncio.current_task()}
    assert not left
    await wait_until(lambda: sockets() <= open_before)


async def take(subscription: Subscription, count: int, within: float = 10.0) -> list[Any]:
    """The next messages' data; "reset" where one is told."""
    found: list[Any] = []
    async with asyncio.timeout(within):
        while len(found) < count:
            item = await anext(subscription)
            found.append("reset" if isinstance(item, Reset) else item.data)
    return found


def keys(items: list[Any]) -> list[Any]:
    return [item if item == "reset" else item["body"]["id"] for item in items]


async def wait_state(client: Client, state: State) -> None:
    await wait_until(lambda: client.state is state, 10)


async def wait_heard(server: Server, name: str) -> None:
    await wait_until(lambda: name in server._exchange._subscribers, 15)


# All is well.


async def test_subscribe_publish_and_hear(transport: str) -> None:
    async with served(Server(timeout=2, policy=Open())) as url:
        async with Client(f"{url}/faye", transports=[transport]) as client:
            async with client.subscribe("/chat/*") as subscription, client.subscribe("/chat/1") as exact:
                assert subscription.is_confirmed
                for number in range(20):
                    await client.publish("/chat/1", {"text": "héllo", "n": number, "nothing": None})
                wanted = [{"text": "héllo", "n": number, "nothing": None} for number in range(20)]
                assert await take(subscription, 20) == wanted
                assert await take(exact, 20) == wanted
                message = await first_after(client, subscription)
                assert (message.channel, message.data, message.seq) == ("/chat/2", "x", None)
            assert client.transport == transport
            assert client.state is State.CONNECTED
            assert client.error is None
        assert client.state is State.ENDED  # type: ignore[comparison-overlap]


async def first_after(client: Client, subscription: Subscription) -> Delivery:
    await client.publish("/chat/2", "x")
    item = await anext(subscription)
    assert isinstance(item, Delivery)
    return item


async def test_messages_of_a_client_are_heard_by_another_in_order(transport: str) -> None:
    async with (
        served(Server(timeout=2, policy=Open())) as url,
        Client(url, transports=[transport]) as ann,
        Client(url) as bob,
        bob.subscribe("/chat") as subscription,
    ):
        await asyncio.gather(*(ann.publish("/chat", number) for number in range(300)))
        assert await take(subscription, 300) == list(range(300))


async def test_a_resource_is_heard_from_a_position(transport: str) -> None:
    server = Server(timeout=2)
    log = Log(server)
    for key in range(5):
        log.add(key)
    async with served(server) as url, Client(url, transports=[transport]) as client:
        async with client.subscribe(log.channel, since=log.seq(2)) as subscription:
            log.add(5)
            assert keys(await take(subscription, 4)) == [2, 3, 4, 5]
            assert subscription.positions == {log.channel: log.position()}
        log.trimmed = 4
        async with client.subscribe(log.channel, since=log.seq(2)) as subscription:
            log.add(6)
            assert keys(await take(subscription, 2)) == ["reset", 6]


async def test_who_does_not_ask_for_a_reset_finds_out() -> None:
    server = Server(timeout=2)
    log = Log(server)
    async with (
        served(server) as url,
        Client(url) as client,
        client.subscribe(log.channel, since="anything") as subscription,
    ):
        message = await anext(subscription)
        with pytest.raises(errors.MessagesMissed, match="isinstance"):
            _ = message.data


async def test_what_was_not_entered_is_not_taken_for_a_quiet_channel() -> None:
    async with served(Server(timeout=2, policy=Open())) as url, Client(url) as client:
        with pytest.raises(errors.ClientClosed, match="not entered"):
            await anext(client.subscribe("/one"))


async def test_iteration_ends_with_the_subscription_or_the_client(transport: str) -> None:
    async with served(Server(timeout=2, policy=Open())) as url:
        client = Client(url, transports=[transport])
        async with (
            client,
            client.subscribe("/one") as one,
            client.subscribe("/two") as two,
        ):
            heard = [asyncio.ensure_future(anext(each, "the end")) for each in (one, two)]
            await one.__aexit__()
            assert await heard[0] == "the end"
            await client.close()
            assert await heard[1] == "the end"
            assert [message async for message in two] == []


# Refusals.


class Closed(Policy):
    async def can_handshake(self, session: Session, message: Mapping[str, Any]) -> bool:
        return bool(message.get("ext", {}).get("token") == "right")


async def test_refusals_are_raised_where_they_were_asked_for(transport: str) -> None:
    server = Server(timeout=2)
    log = Log(server)
    async with served(server) as url, Client(url, transports=[transport]) as client:
        with pytest.raises(errors.BayeuxError, match="403:/chat:Forbidden channel"):
            async with client.subscribe("/chat"):
                raise AssertionError("it must not be entered")
        with pytest.raises(errors.BayeuxError) as refused:
            await client.publish(log.channel, 1)
        assert (refused.value.code, refused.value.arguments) == (403, [log.channel])
        with pytest.raises(errors.BayeuxError, match="405"):
            await client.publish("/chat/*", 1)
        with pytest.raises(TypeError):
            await client.publish("/chat", object())
        async with client.subscribe(log.channel) as subscription:
            log.add(1)
            assert keys(await take(subscription, 1)) == [1]


async def test_what_is_too_large_holds_up_nothing_else(transport: str) -> None:
    async with (
        served(Server(timeout=2, policy=Open())) as url,
        Client(url, transports=[transport]) as client,
        client.subscribe("/chat") as chat,
    ):
        large = asyncio.ensure_future(client.publish("/chat", "x" * 300_000))
        await client.publish("/chat", "after")
        with pytest.raises(errors.BayeuxError, match="413"):
            await large
        assert await take(chat, 1) == ["after"]
        assert client.state is State.CONNECTED
        assert client.error is None


@pytest.mark.parametrize("token", ["right", lambda: "right"])
async def test_a_token_is_shown_at_the_handshake(transport: str, token: Any) -> None:
    async with (
        served(Server(timeout=2, policy=Closed())) as url,
        Client(url, transports=[transport], token=token) as client,
    ):
        await client.wait_connected(5)


async def test_a_refused_handshake_is_told_to_everybody(transport: str) -> None:
    async def wrong() -> str:
        return "wrong"

    async with (
        served(Server(timeout=2, policy=Closed())) as url,
        Client(url, transports=[transport], token=wrong) as client,
    ):
        with pytest.raises(errors.HandshakeRefused, match="403::Handshake denied"):
            await client.wait_connected(5)
        with pytest.raises(errors.HandshakeRefused):
            await client.publish("/chat", 1)
        with pytest.raises(errors.HandshakeRefused):
            await client.subscribe("/chat").__aenter__()
        assert client.state is State.ENDED


async def test_no_server_is_an_error_that_says_so() -> None:
    async with Client("http://127.0.0.1:9/faye", timeout=0.5) as client:
        with pytest.raises(errors.Unreachable, match=r"websocket: .*long-polling: "):
            await client.wait_connected(0.3)
        with pytest.raises(errors.Unconfirmed, match="can't be reached"):
            await client.publish("/chat", 1)
        with pytest.raises(errors.Unconfirmed):
            await client.subscribe("/chat").__aenter__()


@pytest.mark.parametrize("is_trusted", [False, True])
async def test_a_certificate_that_nobody_vouches_for_is_refused(
    transport: str, is_trusted: bool, certified: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certified["ssl_certfile"]))
    async with (
        served(Server(timeout=2), **certified) as url,
        Client(url.replace("http", "https"), transports=[transport]) as client,
    ):
        if is_trusted:
            await client.wait_connected(5)
            return
        with pytest.raises(
            errors.Unreachable, match="its certificate is not trusted, self-signed certificate"
        ):
            await client.wait_connected(1)
        assert client.state is not State.CONNECTED


async def test_a_context_of_ones_own_decides_whom_to_trust(
    transport: str, certified: dict[str, Path]
) -> None:
    trusting = ssl.create_default_context(cafile=certified["ssl_certfile"])
    async with served(Server(timeout=2), **certified) as url:
        async with Client(url.replace("http", "https"), transports=[transport], ssl=trusting) as client:
            await client.wait_connected(5)
        # One that is of no use harms nothing.
        async with (
            served(Server(timeout=2)) as plain,
            Client(plain, transports=[transport], ssl=trusting) as client,
        ):
            await client.wait_connected(5)


async def test_certificates_are_read_once_for_all_polling_and_not_at_all_without_tls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads: list[object] = []
    read = ssl.SSLContext.load_verify_locations

    def counted(context: ssl.SSLContext, *args: Any, **others: Any) -> None:
        reads.append(context)
        read(context, *args, **others)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counted)
    for url, count in (("http://127.0.0.1:1/faye", 0), ("https://127.0.0.1:1/faye", 1)):
        async with Client(url, transports=["long-polling"]) as client:
            with pytest.raises(errors.Unreachable):
                await client.wait_connected(10, tries=2)
        assert len(reads) == count


async def test_something_else_that_answers_is_an_error_that_says_so(transport: str) -> None:
    async def page(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b"nothing here"})

    async with served(page, lifespan="off") as url, Client(url, transports=[transport]) as client:
        with pytest.raises(errors.Unreachable, match=r"HTTP (404|403|500)|Bayeux|handshake"):
            await client.wait_connected(0.5)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"url": "ftp://x/y"}, "url"),
        ({"url": "faye"}, "url"),
        ({"url": "http://x:0/"}, "url"),
        ({"url": 7}, "url"),
        ({"transports": []}, "transports"),
        ({"transports": "websocket"}, "transports"),
        ({"transports": ["smoke"]}, "transports"),
        ({"transports": ["websocket", "websocket"]}, "transports"),
        ({"extensions": [object()]}, "extensions"),
        ({"headers": {"a": 1}}, "headers"),
        ({"headers": {"a": "b\nc: d"}}, "headers"),
        ({"headers": {"a": "\u20ac"}}, "headers"),
        ({"headers": {"Host": "x"}}, "headers"),
        ({"headers": ["a"]}, "headers"),
        ({"timeout": 0}, "timeout"),
        ({"patience": True}, "patience"),
        ({"extensions": 5}, "extensions"),
        ({"ack": "yes"}, "ack"),
        ({"ssl": True}, "ssl"),
    ],
)
def test_a_wrong_option_is_named(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=named):
        Client(**{"url": "http://127.0.0.1/faye", **arguments})


async def test_a_client_is_used_inside_its_block_and_once() -> None:
    client = Client("http://127.0.0.1:9/faye")
    with pytest.raises(errors.ClientClosed, match="async with"):
        await client.publish("/chat", 1)
    with pytest.raises(errors.ConfigurationError, match="channel"):
        client.subscribe("chat")
    with pytest.raises(errors.ConfigurationError, match="buffer"):
        client.subscribe("/chat", buffer=0)
    for since in (7, {"/chat": 7}, ["/chat"]):
        with pytest.raises(errors.ConfigurationError, match="since"):
            client.subscribe("/chat", since)  # type: ignore[arg-type]
    # The protocol's own messages are the client's; and nothing but a service ever answers a call.
    with pytest.raises(errors.ConfigurationError, match="the protocol's own"):
        await client.publish("/meta/connect", {})
    with pytest.raises(errors.ConfigurationError, match="/service/"):
        await client.call("/chat", 1)
    await client.close()
    with pytest.raises(errors.ClientClosed, match="once"):
        await client.__aenter__()
    async with Client("http://127.0.0.1:9/faye") as other:
        with pytest.raises(errors.ConfigurationError, match="tries"):
            await other.wait_connected(tries=0)


# What networks do.


async def test_cuts_lose_and_double_nothing_on_a_history(transport: str) -> None:
    server = Server(timeout=2, policy=Open())
    log = Log(server)
    async with (
        served(server) as url,
        FaultProxy(url) as proxy,
        Client(proxy.url, transports=[transport]) as client,
    ):
        async with client.subscribe(log.channel) as subscription:
            for key in range(300):
                log.add(key)
                if key % 60 == 30:
                    proxy.cut(reset=key % 120 == 30)
                await asyncio.sleep(0.001)
            assert keys(await take(subscription, 300)) == list(range(300))
        assert len(server._exchange.sessions) == 1


async def test_publishes_through_cuts_are_each_heard_once_and_in_order(transport: str) -> None:
    server = Server(timeout=2, policy=Open())
    async with (
        served(server) as url,
        FaultProxy(url) as proxy,
        Client(proxy.url, transports=[transport]) as client,
        Client(url) as other,
        other.subscribe("/chat") as subscription,
    ):
        for number in range(60):
            publishing = asyncio.create_task(client.publish("/chat", number))
            if number % 15 == 7:
                await asyncio.sleep(0)
                proxy.cut()
            await publishing
        assert await take(subscription, 60) == list(range(60))
        await other.publish("/chat", "last")
        assert await take(subscription, 1) == ["last"]


async def test_a_cut_is_seen_and_healed(transport: str) -> None:
    states: list[State] = []
    server = Server(timeout=2, policy=Open())
    async with served(server) as url, FaultProxy(url) as proxy:
        async with (
            Client(proxy.url, transports=[transport]) as client,
            client.subscribe("/chat") as subscription,
        ):
            stop = client.watch(states.append)
            proxy.refuse()
            proxy.cut()
            await wait_state(client, State.CONNECTING)
            assert isinstance(client.error, errors.Unreachable)
            assert not subscription.is_confirmed
            proxy.heal()
            await client.wait_connected(10)
            await client.publish("/chat", "again")
            assert await take(subscription, 1) == ["again"]
            stop()
        assert states == [State.CONNECTING, State.CONNECTED]


async def test_a_restarted_server_is_found_again_and_told_everything(transport: str) -> None:
    async with (
        FaultProxy() as proxy,
        Client(proxy.url, transports=[transport]) as client,
    ):
        for number in range(3):
            server = Server(timeout=1, policy=Open())
            async with served(server) as url:
                proxy.aim(url)
                if number == 0:
                    subscription = client.subscribe("/chat/*")
                    await subscription.__aenter__()
                await wait_heard(server, "/chat/*")
                await server.publish("/chat/1", number)
                assert await take(subscription, 1) == [number]
                await server.close()
        await subscription.__aexit__()


async def test_an_expired_session_is_followed_by_another_from_the_position(transport: str) -> None:
    server = Server(timeout=2, policy=Open())
    log = Log(server)
    async with (
        served(server) as url,
        Client(url, transports=[transport]) as client,
        client.subscribe(log.channel) as subscription,
    ):
        log.add(1)
        assert keys(await take(subscription, 1)) == [1]
        (session,) = server._exchange.sessions.values()
        server._exchange.end(session)
        log.add(2)
        log.add(3)
        assert keys(await take(subscription, 2)) == [2, 3]
        assert session.id not in server._exchange.sessions


async def test_a_half_open_connection_is_found_out(transport: str) -> None:
    server = Server(timeout=0.5, policy=Open())
    log = Log(server)
    async with (
        served(server) as url,
        FaultProxy(url) as proxy,
        Client(proxy.url, transports=[transport], patience=0.5) as client,
        client.subscribe(log.channel) as subscription,
    ):
        await client.wait_connected()
        proxy.half_open()
        log.add(1)
        await wait_state(client, State.CONNECTING)
        proxy.heal()
        log.add(2)
        assert keys(await take(subscription, 2)) == [1, 2]


async def test_a_slow_line_is_no_reason_to_give_up(transport: str) -> None:
    server = Server(timeout=1, policy=Open())
    async with served(server) as url, FaultProxy(url) as proxy:
        proxy.delay(0.1)
        async with (
            Client(proxy.url, transports=[transport]) as client,
            client.subscribe("/chat") as subscription,
        ):
            await asyncio.gather(*(client.publish("/chat", number) for number in range(20)))
            assert await take(subscription, 20) == list(range(20))
            assert client.error is None


# From one way to the other.


class NoSockets:
    """A server behind something that lets no WebSocket through, until it does."""

    def __init__(self, app: Server) -> None:
        self.app = app
        self.blocks = True

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket" and self.blocks:
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await self.app(scope, receive, send)


async def test_without_websockets_it_polls_and_moves_when_they_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livecollections.bayeux.preference.REST", (0.2, 0.2))
    server = Server(timeout=0.5, policy=Open())
    log, app = Log(server), NoSockets(server)
    async with (
        served(app) as url,
        Client(url) as client,
        client.subscribe(log.channel) as subscription,
        client.subscribe("/chat") as chat,
    ):
        assert client.transport == "long-polling"
        log.add(0)
        app.blocks = False
        number = 0
        async with asyncio.timeout(10):
            while client.transport != "websocket":
                number += 1
                log.add(number)
                await client.publish("/chat", number)
        assert keys(await take(subscription, number + 1)) == list(range(number + 1))
        assert await take(chat, number) == list(range(1, number + 1))
        assert len(server._exchange.sessions) == 1
        assert client.error is None


class Garbage(NoSockets):
    """A server behind something that opens WebSockets and breaks what runs over them."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket" and self.blocks:
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": "<html>"})
            await receive()
            await send({"type": "websocket.close", "code": 1011})
            return
        await self.app(scope, receive, send)


async def test_a_websocket_that_opens_and_leads_nowhere_is_given_up() -> None:
    server = Server(timeout=2, policy=Open())
    async with (
        served(Garbage(server)) as url,
        Client(url) as client,
        client.subscribe("/chat") as chat,
    ):
        assert client.transport == "long-polling"
        await client.publish("/chat", 1)
        assert await take(chat, 1) == [1]


# Extensions, headers.


class Signed:
    """Adds a field to what goes, and takes one from what comes."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def outgoing(self, message: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {**message, "ext": {**message.get("ext", {}), "token": "right"}}

    def incoming(self, message: dict[str, Any]) -> None:
        self.seen.append(message["channel"])
        if message["channel"] == "/chat" and "data" in message:
            message["data"] = f"<{message['data']}>"


class Choosy:
    def outgoing(self, message: dict[str, Any]) -> None:
        if message.get("data") == "bad":
            raise ValueError("not this")


async def test_extensions_see_and_change_all_messages(
    transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Tokened(Closed, Open):
        pass

    extension = Signed()
    async with (
        served(Server(timeout=2, policy=Tokened())) as url,
        Client(url, transports=[transport], extensions=[extension, Choosy()]) as client,
        client.subscribe("/chat") as chat,
    ):
        await client.publish("/chat", "good")
        assert await take(chat, 1) == ["<good>"]
        with pytest.raises(errors.ClientError, match="not this"):
            await client.publish("/chat", "bad")
        await client.publish("/chat", "good")
    assert {"/meta/handshake", "/meta/connect", "/meta/subscribe", "/chat"} <= set(extension.seen)
    assert "can't be sent" in caplog.text


async def test_headers_go_with_every_request(transport: str) -> None:
    seen: list[str | None] = []

    class Asking(Open):
        async def can_handshake(self, session: Session, message: Mapping[str, Any]) -> bool:
            return True

    server = Server(timeout=2, policy=Asking())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] in ("http", "websocket"):
            headers = dict(scope["headers"])
            seen.append((headers.get(b"authorization") or b"").decode())
        await server(scope, receive, send)

    async def headers() -> dict[str, str]:
        return {"Authorization": "Bearer 7"}

    async with served(app) as url:
        for given in (headers, {"Authorization": "Bearer 7"}):
            async with Client(url, transports=[transport], headers=given) as client:
                await client.wait_connected(5)
    assert seen
    assert set(seen) == {"Bearer 7"}


class Failing:
    """A function that fails at first, then gives what can't be sent, then what can."""

    def __init__(self, *given: Any) -> None:
        self.given = [OSError("not now"), asyncio.CancelledError(), *given]

    async def __call__(self) -> Any:
        found = self.given.pop(0) if len(self.given) > 1 else self.given[0]
        if isinstance(found, BaseException):
            raise found
        return found


async def test_a_function_that_gives_headers_is_asked_again_when_it_fails(transport: str) -> None:
    headers = Failing({"Authorization": "Bearer \u20ac"}, {"Authorization": "Bearer 7"})
    async with (
        served(Server(timeout=2, policy=Open())) as url,
        Client(url, transports=[transport], headers=headers) as client,
    ):
        with pytest.raises(errors.Unreachable, match=r"gives them failed.*(not now|Cancelled)"):
            await client.wait_connected(5, tries=1)
        await wait_until(lambda: "ASCII" in str(client.error), 5)
        await client.wait_connected(5)


async def test_a_function_that_gives_a_token_is_asked_again_when_it_fails(transport: str) -> None:
    async with (
        served(Server(timeout=2, policy=Closed())) as url,
        Client(url, transports=[transport], token=Failing("right")) as client,
    ):
        with pytest.raises(errors.ClientError, match=r"not now|Cancelled"):
            await client.wait_connected(5, tries=1)
        await client.wait_connected(5)


# A slow program.


async def test_a_slow_program_loses_nothing_on_a_history(transport: str) -> None:
    server = Server(timeout=2, policy=Open())
    log = Log(server)
    async with (
        served(server) as url,
        Client(url, transports=[transport]) as client,
        client.subscribe(log.channel, buffer=5) as subscription,
        client.subscribe("/chat") as chat,
    ):
        for key in range(40):
            log.add(key)
        await client.publish("/chat", "mark")
        assert await take(chat, 1) == ["mark"]
        assert keys(await take(subscription, 40)) == list(range(40))


async def test_a_program_that_publishes_while_it_hears_does_not_stand_in_its_own_way(transport: str) -> None:
    async with (
        served(Server(timeout=2, policy=Open())) as url,
        Client(url, transports=[transport]) as client,
        client.subscribe("/ping", buffer=3) as subscription,
    ):
        await client.publish("/ping", 0)
        async for message in subscription:
            if message.data == 30:
                break
            await client.publish("/ping", message.data + 1)


# Services, histories of plain channels, and being sent away.


async def test_a_service_answers_a_call(transport: str) -> None:
    server = Server(timeout=2, policy=Open())

    @server.service("/service/add")
    async def add(session: Session, data: Any) -> Any:
        if data is None:
            raise errors.BayeuxError(400, [], "Nothing to add")
        return {"sum": sum(data)}

    async with served(server) as url, Client(url, transports=[transport]) as client:
        assert await asyncio.gather(*(client.call("/service/add", [number, 1]) for number in range(5))) == [
            {"sum": number + 1} for number in range(5)
        ]
        with pytest.raises(errors.BayeuxError, match="Nothing to add"):
            await client.call("/service/add", None)


async def test_cuts_lose_and_double_nothing_on_a_plain_channel(transport: str) -> None:
    server = Server(timeout=2, policy=Open())
    async with (
        served(server) as url,
        FaultProxy(url) as proxy,
        Client(proxy.url, transports=[transport]) as client,
        client.subscribe("/chat") as subscription,
    ):
        for number in range(300):
            await server.publish("/chat", number)
            if number % 40 == 20:
                proxy.cut(reset=number % 80 == 20)
            await asyncio.sleep(0.001)
        assert await take(subscription, 300) == list(range(300))
        await server.publish("/chat", "last")
        assert await take(subscription, 1) == ["last"]


async def test_a_pattern_over_kept_channels_goes_on_after_cuts_and_a_lost_session(transport: str) -> None:
    server = Server(timeout=2, policy=Open())
    server.channel("/chat/**", history=MemoryHistory(messages=1000))
    async with (
        served(server) as url,
        FaultProxy(url) as proxy,
        Client(proxy.url, transports=[transport]) as client,
        client.subscribe("/chat/*") as subscription,
    ):
        for number in range(120):
            await server.publish(f"/chat/{number % 3}", number)
            if number == 30:
                proxy.cut()
            if number == 80:
                for session in [*server._exchange.sessions.values()]:
                    server._exchange.end(session)
            await asyncio.sleep(0.001)
        heard = await take(subscription, 120)
        for channel in range(3):
            assert [number for number in heard if number % 3 == channel] == list(range(channel, 120, 3))
        positions = subscription.positions
        await server.publish("/chat/9", "new")
        assert await take(subscription, 1) == ["new"]
    async with (
        served(server) as url,
        Client(url, transports=[transport]) as client,
        client.subscribe("/chat/*", since=positions) as subscription,
    ):
        assert await take(subscription, 1) == ["new"]


async def test_a_slow_program_loses_nothing_under_a_pattern(transport: str) -> None:
    server = Server(timeout=2, policy=Open())
    server.channel("/chat/**", history=MemoryHistory(messages=1000))
    async with (
        served(server) as url,
        Client(url, transports=[transport]) as client,
        client.subscribe("/chat/*", buffer=5) as subscription,
        client.subscribe("/mark") as mark,
    ):
        for number in range(60):
            await server.publish(f"/chat/{number % 2}", number)
        await server.publish("/mark", "mark")
        assert await take(mark, 1) == ["mark"]
        assert sorted(await take(subscription, 60)) == list(range(60))


async def test_a_server_that_forgot_is_a_reset(transport: str) -> None:
    async with FaultProxy() as proxy, Client(proxy.url, transports=[transport]) as client:
        subscription = client.subscribe("/chat/1")
        for number in range(2):
            server = Server(timeout=1, policy=Open())
            server.channel("/chat/**", history=MemoryHistory())
            async with served(server) as url:
                proxy.aim(url)
                if number == 0:
                    await subscription.__aenter__()
                await wait_heard(server, "/chat/1")
                await server.publish("/chat/1", number)
                assert await take(subscription, 1 + number) == (["reset", 1] if number else [0])
                await server.close()
        await subscription.__aexit__()


async def test_a_client_that_is_kicked_stays_away_and_says_so(transport: str) -> None:
    server = Server(timeout=2, policy=Open())
    async with (
        served(server) as url,
        Client(url, transports=[transport]) as client,
        client.subscribe("/chat") as subscription,
    ):
        (session,) = server._exchange.sessions.values()
        server.kick(session)
        with pytest.raises(errors.SessionEnded):
            await anext(subscription)
        with pytest.raises(errors.SessionEnded):
            await client.publish("/chat", 1)
        with pytest.raises(errors.SessionEnded):
            await client.wait_connected()


async def test_a_subscription_that_is_not_confirmed_says_why() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/faye"
    async with Client(url, timeout=0.5) as client:
        with pytest.raises(
            errors.Unconfirmed, match=r"the subscription to /a is not confirmed: .*can't be reached"
        ):
            async with client.subscribe("/a"):
                pass
