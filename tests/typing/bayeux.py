"""The types of the Bayeux server and client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, NoReturn, assert_type

from livecollections import LiveError
from livecollections.bayeux import (
    Client,
    Context,
    Delivery,
    Hearing,
    History,
    Limits,
    Listener,
    LocalClient,
    LocalSubscription,
    MemoryHistory,
    Message,
    Page,
    Policy,
    Reset,
    Server,
    Session,
    State,
    Statistics,
    Stream,
    Subscription,
)

server = Server(timeout=45, policy=Policy(subscribe=["/chat/**"]), limits=Limits(body=1_000))


@server.on("subscribe")
def subscribed(session: Session, channel: str) -> int:
    return len(channel)


@server.service("/service/sum")
async def added(data: Any) -> int:
    return sum(data)


async def served(session: Session) -> None:
    async with server as started:
        assert_type(started, Server)
    assert_type(subscribed(session, "/a"), int)
    assert_type(await added([1]), int)
    assert_type(await server.publish("/chat/1", {"text": "hi"}), None)
    assert_type(server.publish_nowait("/chat/1", 1), None)
    assert_type(await server.deliver(session, "/chat/1", 1), None)
    assert_type(server.kick("id"), None)
    assert_type(server.channel("/chat/**", history=100, lazy=0.1), None)
    assert_type(server.add_history("/chat/1", MemoryHistory()), None)
    assert_type(server.remove_history("/chat/1"), None)
    assert_type(server.add_extension(object()), None)
    assert_type(server.remove_extension(object()), None)
    assert_type(server.sessions, Mapping[str, Session])
    assert_type(server.statistics(), Statistics)
    assert_type(server.statistics().subscriptions, int)
    assert_type(server.running, bool)
    assert_type(await server.start(), None)
    assert_type(await server.close(), None)
    assert_type(await server.wait_room(), None)
    assert_type(server.stream("/chat/1", since=None), AbstractAsyncContextManager[Stream])
    async with server.stream("/chat/1") as stream:
        assert_type(stream.is_revoked, bool)
        async for message in stream:
            assert_type(message, dict[str, Any])
    local = server.local_client()
    assert_type(local, LocalClient)
    subscription = await local.subscribe("/chat/1", print)
    assert_type(subscription, LocalSubscription)
    assert_type(subscription.cancel(), None)
    assert_type(await local.publish("/chat/1", 1), None)
    assert_type(await local.disconnect(), None)


def of_sessions(session: Session, context: Context, limits: Limits) -> None:
    assert_type(session.id, str)
    assert_type(session.user, Any)
    assert_type(session.attributes, dict[str, Any])
    assert_type(session.is_local, bool)
    assert_type(context.session, Session | None)
    assert_type(limits.body, int)
    refuse: Callable[[str], NoReturn] = context.reject
    assert_type(refuse("no"), NoReturn)


class Own(Policy):
    async def can_subscribe(self, session: Session, channel: str) -> bool:
        return await super().can_subscribe(session, channel)


async def of_histories(history: History, kept: MemoryHistory, message: Message) -> None:
    assert_type(await history.read("/a", "", 1, False), Page)
    assert_type(history.position(), str)
    assert_type(kept.keep(message), Message)
    page = Page([message], "")
    assert_type(page.messages, list[Message])
    assert_type(page.upto, str)
    assert_type(message.channel, str)
    assert_type(message.seq, str | None)
    assert_type(message.body, bytes)
    history = kept


async def connected(listener: Listener) -> None:
    async with Client("http://127.0.0.1:8000/faye", token=lambda: "secret") as client:
        assert_type(client, Client)
        assert_type(client.subscribe("/chat/1", since=None), Subscription)
        async with client.subscribe("/chat/*") as heard:
            async for message in heard:
                assert_type(message, Delivery | Reset)
                if isinstance(message, Reset):
                    assert_type(message.reason, str)
                else:
                    assert_type(message, Delivery)
                    assert_type(message.channel, str)
                    assert_type(message.data, Any)
                    assert_type(message.seq, str | None)
            assert_type(heard.positions, dict[str, str])
            assert_type(heard.is_confirmed, bool)
        assert_type(await client.publish("/chat/1", 1), None)
        assert_type(await client.call("/service/sum", [1]), Any)
        hearing = client.listen("/chat/1", listener)
        assert_type(hearing, Hearing)
        assert_type(hearing.cancel(), None)
        assert_type(client.state, State)
        assert_type(client.error, LiveError | None)
        assert_type(client.failures, int)
        assert_type(client.is_live, bool | None)
        assert_type(client.stale, str | None)
        assert_type(client.transport, str | None)
        assert_type(client.url, str)
        assert_type(client.watch(print), Callable[[], None])
        assert_type(await client.wait_connected(5), None)
        assert_type(await client.close(), None)
