"""Plain channels that keep what is published on them: positions, resets, policies, and what they cost."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from livecollections.bayeux import Limits, MemoryHistory, Policy, Server, Session

from ..serving import wait_until
from .wire import Log, Open, Socket, connect, connected, handshake, request, since, subscribe

ROOM = "/chat/1"
TODOS = "/api/todos"


class Time:
    """A clock that is set by hand."""

    now = 1_750_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def kept() -> MemoryHistory:
    return MemoryHistory(messages=5, clock=Time())


@pytest.fixture
def server(kept: MemoryHistory) -> Server:
    server = Server(timeout=5, policy=Open())
    server.channel("/chat/**", history=kept)
    return server


async def poll(server: Server, client_id: str, **fields: Any) -> list[Any]:
    return (await request(server, connect(client_id, **fields))).messages


async def poll_now(server: Server, client_id: str, **fields: Any) -> list[Any]:
    return await poll(server, client_id, advice={"timeout": 0}, **fields)


async def ask(server: Server, client_id: str, subscription: Any, **live: Any) -> Any:
    """The reply's ``ext.live`` to a subscribe."""
    (reply,) = (await request(server, subscribe(client_id, subscription, ext={"live": live}))).messages
    assert reply["successful"], reply
    return reply["ext"]["live"]


def data(messages: list[Any]) -> list[Any]:
    """What subscribers hear: data, and "reset" for what says so."""
    heard = []
    for message in messages:
        if "successful" not in message:
            is_reset = message["ext"]["live"].get("reset", False)
            assert is_reset != ("data" in message)
            heard.append("reset" if is_reset else message["data"])
    return heard


async def say(server: Server, *values: Any, channel: str = ROOM) -> None:
    for value in values:
        await server.publish(channel, value)


async def test_a_subscriber_hears_data_as_published_and_places_beside_it(
    server: Server, kept: MemoryHistory
) -> None:
    client_id = await connected(server)
    start = kept.position()
    assert await ask(server, client_id, ROOM) == {"seq": start}
    await say(server, {"text": "hi", "seq": "mine"}, "two")
    _, first, second = await poll(server, client_id)
    seq = first["ext"]["live"]["seq"]
    assert first == {"channel": ROOM, "data": {"text": "hi", "seq": "mine"}, "ext": {"live": {"seq": seq}}}
    assert second["ext"]["live"] == {"seq": kept.position(), "prev": seq}


async def test_a_client_that_knows_nothing_of_positions_hears_as_before(server: Server) -> None:
    client_id = await connected(server)
    (reply,) = (await request(server, subscribe(client_id, [ROOM, "/chat/*"]))).messages
    assert "ext" not in reply
    await say(server, 1, 2)
    assert data(await poll(server, client_id)) == [1, 2]


async def test_a_late_joiner_is_told_what_is_kept_and_then_live(server: Server, kept: MemoryHistory) -> None:
    start = kept.position()
    await say(server, 1, 2, 3)
    client_id = await connected(server)
    assert await ask(server, client_id, ROOM, since=start) == {"seq": start}
    await say(server, 4)
    assert data(await poll(server, client_id)) == [1, 2, 3, 4]
    await say(server, 5)
    assert data(await poll(server, client_id)) == [5]


async def test_what_is_kept_no_longer_is_answered_with_reset(server: Server, kept: MemoryHistory) -> None:
    start = kept.position()
    await say(server, *range(6))
    client_id = await connected(server)
    assert await ask(server, client_id, ROOM, since=start) == {"seq": kept.position(), "reset": True}
    await say(server, "new")
    assert data(await poll(server, client_id)) == ["new"]


async def test_a_lost_history_is_answered_with_reset(server: Server) -> None:
    lost = MemoryHistory().position()
    client_id = await connected(server)
    assert (await ask(server, client_id, ROOM, since=lost))["reset"] is True
    answer = await ask(server, client_id, "/chat/**", since={"/chat/**": lost})
    assert answer["reset"] == ["/chat/**"]


async def test_only_what_is_declared_is_kept() -> None:
    server = Server(timeout=5, policy=Open())
    server.channel("/chat/**", history=3)
    server.channel("/chat/staff/*", history=0)
    client_id = await connected(server)
    await request(server, subscribe(client_id, "/**"))
    for channel in ("/chat", "/chat/1", "/chat/staff/1", "/chat/staff/1/2", "/service/chat"):
        await say(server, "x", channel=channel)
    heard = (await poll(server, client_id))[1:]
    assert [(one["channel"], "ext" in one) for one in heard] == [
        ("/chat", False),
        ("/chat/1", True),
        ("/chat/staff/1", False),
        ("/chat/staff/1/2", True),
    ]


async def test_clients_publish_on_kept_channels_if_the_policy_lets_them(
    server: Server, kept: MemoryHistory
) -> None:
    start = kept.position()
    client_id = await connected(server)
    publish = {"channel": ROOM, "clientId": client_id, "id": "p1", "data": {"text": "hi"}, "ext": {"live": 1}}
    for _ in range(2):
        # A repeated one is told and kept once.
        (reply,) = (await request(server, publish)).messages
        assert reply == {"id": "p1", "clientId": client_id, "channel": ROOM, "successful": True}
    await ask(server, client_id, ROOM, since=start)
    assert data(await poll(server, client_id)) == [{"text": "hi"}]
    closed = Server(timeout=5)
    closed.channel("/chat/**", history=3)
    client_id = await connected(closed)
    (reply,) = (await request(closed, {**publish, "clientId": client_id})).messages
    assert reply["error"] == f"403:{ROOM}:Forbidden channel"
    (reply,) = (await request(closed, subscribe(client_id, ROOM))).messages
    assert reply["error"] == f"403:{ROOM}:Forbidden channel"


async def test_a_resource_below_the_pattern_stays_closed_and_its_own(server: Server) -> None:
    log = Log(server, "/chat/log")
    client_id = await connected(server)
    (reply,) = (await request(server, {"channel": log.channel, "clientId": client_id, "data": 1})).messages
    assert reply["error"] == f"403:{log.channel}:Forbidden channel"
    await ask(server, client_id, log.channel)
    seq = log.add(1)
    _, message = await poll(server, client_id)
    assert message == {"channel": log.channel, "data": log.data(seq, 1, log.seq(0))}


async def test_a_pattern_covers_channels_that_come_into_being_later(
    server: Server, kept: MemoryHistory
) -> None:
    """The first message of a new channel is lost with its answer; the client says so by the pattern."""
    client_id = await connected(server)
    start = kept.position()
    assert await ask(server, client_id, "/chat/**", since={}) == {"seq": {"/chat/**": start}}
    await say(server, "a", channel="/chat/new")
    await say(server, "b", channel="/chat/other")
    assert data(await poll(server, client_id)) == ["a", "b"]
    at = {"/chat/**": start, "/chat/other": kept.position()}
    reply, *messages = await poll(server, client_id, ext={"live": {"at": at}})
    assert data(messages) == ["a"]
    assert reply["ext"]["live"] == {"last": {"/chat/new": messages[0]["ext"]["live"]["seq"]}}
    assert "ext" not in (await poll_now(server, client_id))[0]


async def test_at_finds_a_channel_whose_position_was_dropped() -> None:
    """A session that hears more channels than it may have positions drops those that say nothing."""
    server = Server(timeout=5, policy=Open(), limits=Limits(positions=3))
    kept = MemoryHistory()
    server.channel("/chat/**", history=kept)
    client_id = await connected(server)
    start = kept.position()
    await ask(server, client_id, "/chat/**", since={})
    session = server._exchange.sessions[client_id]
    for room in range(20):
        await say(server, room, channel=f"/chat/{room}")
        assert data(await poll(server, client_id)) == [room]
        assert len(session.positions) <= 4
    reply, *messages = await poll(server, client_id, ext={"live": {"at": {"/chat/2": start}}})
    assert data(messages) == [2]
    assert list(reply["ext"]["live"]["last"]) == ["/chat/2"]
    # What it does not receive it is not told of, whatever it says.
    assert await poll_now(server, client_id, ext={"live": {"at": {"/news": start, "/chat/99": start}}})


async def test_a_fed_channel_heard_by_a_pattern_keeps_its_position() -> None:
    """Without one its messages would be plain ones, and a slow client would be ended by them."""
    server = Server(timeout=5, policy=Open(), limits=Limits(positions=3, queue_bytes=2_000))
    server.channel("/chat/**", history=MemoryHistory())
    log = Log(server)
    client_id = await connected(server)
    await ask(server, client_id, "/**", since={})
    for room in range(20):
        await say(server, room, channel=f"/chat/{room}")
        assert data(await poll(server, client_id)) == [room]
    written = [log.add(key) for key in range(40)]
    heard: list[Any] = []
    while len(heard) < len(written):
        reply, *messages = await poll(server, client_id)
        assert reply["successful"], reply
        heard += [message["data"]["seq"] for message in messages]
    assert heard == written


async def test_one_that_falls_behind_in_too_many_channels_ends() -> None:
    server = Server(timeout=5, policy=Open(), limits=Limits(positions=10, queue_bytes=300))
    server.channel("/chat/**", history=5)
    client_id = await connected(server)
    await ask(server, client_id, "/chat/**", since={})
    session = server._exchange.sessions[client_id]
    for room in range(100):
        await say(server, "x" * 100, channel=f"/chat/{room}")
        assert len(session.positions) <= 12
    assert session.has_ended
    (reply,) = await poll(server, client_id)
    assert reply["advice"]["reconnect"] == "handshake"


async def test_a_slow_reader_is_a_position_and_loses_nothing(kept: MemoryHistory) -> None:
    server = Server(timeout=5, policy=Open(), limits=Limits(queue_bytes=2_000))
    server.channel("/chat/**", history=MemoryHistory(messages=200))
    client_id = await handshake(server)
    async with Socket(server) as socket:
        await socket.reply(connect(client_id, "websocket"))
        await socket.reply(subscribe(client_id, "/chat/*"))
        socket.take_nothing()
        for number in range(150):
            await say(server, number, channel=f"/chat/{number % 3}")
            await asyncio.sleep(0)
            assert server._exchange.sessions[client_id].size <= 2_200
        socket.take_again()
        heard: list[Any] = []
        while len(heard) < 150:
            heard += [(one["channel"], one["data"]) for one in await socket.receive()]
    for room in range(3):
        assert [value for name, value in heard if name == f"/chat/{room}"] == list(range(room, 150, 3))


async def test_a_slow_reader_that_was_trimmed_past_hears_a_reset(kept: MemoryHistory) -> None:
    server = Server(timeout=5, policy=Open(), limits=Limits(queue_bytes=400))
    server.channel("/chat/**", history=kept)
    client_id = await connected(server)
    await ask(server, client_id, ROOM)
    start = kept.position()
    await say(server, *range(20))
    reset = (await poll(server, client_id))[1]
    assert reset == {
        "channel": ROOM,
        "ext": {"live": {"seq": kept.position(), "prev": start, "reset": True}},
    }
    await say(server, "after")
    assert data(await poll(server, client_id)) == ["after"]


async def test_a_live_message_is_encoded_once_for_all(server: Server) -> None:
    ids = [await connected(server) for _ in range(3)]
    for client_id, name in zip(ids, (ROOM, "/chat/*", "/**"), strict=True):
        await request(server, subscribe(client_id, name))
    await say(server, "x")
    queued = [server._exchange.sessions[client_id].queue[0] for client_id in ids]
    assert len({id(message) for message in queued}) == 1


async def test_positions_of_one_session_in_a_channel_are_one(server: Server, kept: MemoryHistory) -> None:
    start = kept.position()
    await say(server, 1, 2, 3)
    client_id = await connected(server)
    await ask(server, client_id, "/chat/*", since={})
    # A pattern never sets a channel back that is received already; its exact name does.
    answer = await ask(server, client_id, "/chat/**", since={"/chat/**": start})
    assert answer == {"seq": {"/chat/**": start, ROOM: kept.position()}}
    await say(server, 4)
    assert data(await poll(server, client_id)) == [4]
    await ask(server, client_id, ROOM, since=start)
    assert data(await poll(server, client_id)) == [1, 2, 3, 4]


async def test_an_array_is_told_each_from_its_own_place(server: Server, kept: MemoryHistory) -> None:
    log = Log(server)
    todo = log.add(1)
    await say(server, "a", channel="/chat/a")
    after_a = kept.position()
    await say(server, "b", channel="/chat/b")
    log.add(2)
    client_id = await connected(server)
    asked = {TODOS: todo, "/chat/a": after_a, "/chat/b": after_a, "/news": after_a, "/elsewhere": "x"}
    answer = await ask(server, client_id, [TODOS, "/chat/a", "/chat/b", "/news"], since=asked)
    assert answer == {
        "seq": {TODOS: todo, "/chat/a": after_a, "/chat/b": after_a},
        "reset": ["/news"],
    }
    heard = (await poll(server, client_id))[1:]
    assert {message["channel"] for message in heard} == {TODOS, "/chat/b"}


async def test_a_pattern_over_several_logs_is_told_what_each_is(server: Server, kept: MemoryHistory) -> None:
    news = MemoryHistory()
    server.channel("/news/*", history=news)
    log = Log(server)
    client_id = await connected(server)
    first = await ask(server, client_id, "/**", since={})
    assert first == {
        "seq": {TODOS: log.seq(0), "/chat/**": kept.position(), "/news/*": news.position()},
    }
    log.add(1)
    await say(server, "a", channel="/chat/a")
    await say(server, "n", channel="/news/n")
    again = await connected(server)
    assert await ask(server, again, "/**", since=first["seq"]) == first
    heard = (await poll(server, again))[1:]
    assert sorted(message["channel"] for message in heard) == [TODOS, "/chat/a", "/news/n"]
    # One seq for the pattern is for its own log; of the others the client is told that it has nothing.
    third = await connected(server)
    answer = await ask(server, third, "/**", since={"/**": first["seq"]["/chat/**"]})
    assert answer["reset"] == [TODOS, "/news/n"]
    assert answer["seq"] == {
        TODOS: log.seq(1),
        "/chat/**": first["seq"]["/chat/**"],
        "/news/*": news.position(),
        "/news/n": news.position(),
    }
    assert data((await poll(server, third))[1:]) == ["a"]


async def test_a_pattern_resets_only_the_channels_that_lost_something(
    server: Server, kept: MemoryHistory
) -> None:
    await say(server, "a", channel="/chat/a")
    start = kept.position()
    await say(server, *range(6), channel="/chat/b")
    await say(server, "again", channel="/chat/a")
    client_id = await connected(server)
    answer = await ask(server, client_id, "/chat/*", since={"/chat/*": start})
    assert answer == {"seq": {"/chat/*": start, "/chat/b": kept.position()}, "reset": ["/chat/b"]}
    assert data(await poll(server, client_id)) == ["again"]


async def test_a_channel_that_comes_into_being_while_histories_are_asked_is_not_lost(
    server: Server, kept: MemoryHistory
) -> None:
    log = Log(server)
    start = kept.position()

    async def pause() -> None:
        log.pause = None
        await say(server, "new", channel="/chat/new")

    log.pause = pause
    client_id = await connected(server)
    asked = {"/chat/*": start, TODOS: log.seq(0)}
    assert await ask(server, client_id, ["/chat/*", TODOS], since=asked) == {"seq": asked}
    assert data(await poll(server, client_id)) == ["new"]


async def test_a_connect_says_how_far_a_pattern_is(server: Server, kept: MemoryHistory) -> None:
    """So that its entry does not grow older than what is kept."""
    client_id = await connected(server)
    start = kept.position()
    await ask(server, client_id, "/chat/*", since={})
    await say(server, 1)
    at = {"/chat/*": start}
    reply, message = await poll(server, client_id, ext={"live": {"at": at}})
    assert "ext" not in reply
    at[ROOM] = message["ext"]["live"]["seq"]
    (reply,) = await poll_now(server, client_id, ext={"live": {"at": at}})
    assert reply["ext"] == {"live": {"seq": {"/chat/*": kept.position()}}}


async def test_a_pattern_resumes_in_more_channels_than_a_session_can_be_behind_in() -> None:
    server = Server(timeout=5, policy=Open(), limits=Limits(positions=3))
    kept = MemoryHistory()
    server.channel("/chat/**", history=kept)
    start = kept.position()
    for room in range(9):
        await say(server, room, channel=f"/chat/{room}")
    client_id = await connected(server)
    answer = await ask(server, client_id, "/chat/*", since={"/chat/*": start})
    assert answer == {"seq": {"/chat/*": kept.position()}, "reset": ["/chat/*"]}
    await say(server, "new", channel="/chat/3")
    assert data(await poll(server, client_id)) == ["new"]


async def test_all_that_a_client_has_may_be_said_to_each_subscription(
    server: Server, kept: MemoryHistory
) -> None:
    log = Log(server)
    start = kept.position()
    await say(server, 1)
    client_id = await connected(server)
    asked = {"/chat/**": start, "/**": log.seq(0), "/news/*": "another"}
    assert await ask(server, client_id, "/chat/*", since=asked) == {"seq": {"/chat/*": start}}
    other = await connected(server)
    assert await ask(server, other, ROOM, since=asked) == {"seq": {ROOM: start}}
    assert data(await poll(server, other)) == [1]
    # A wider name's seq of a lost log is a reset of what is subscribed to.
    third = await connected(server)
    answer = await ask(server, third, "/chat/*", since={"/**": MemoryHistory().position()})
    assert answer == {"seq": {"/chat/*": kept.position()}, "reset": ["/chat/*"]}


async def test_a_forgotten_channel_resets_the_pattern_and_itself() -> None:
    server = Server(timeout=5, policy=Open())
    kept = MemoryHistory(channels=2)
    server.channel("/chat/**", history=kept)
    start = kept.position()
    for room in "abc":
        await say(server, room, channel=f"/chat/{room}")
    client_id = await connected(server)
    answer = await ask(
        server, client_id, "/chat/*", since={"/chat/*": start, "/chat/a": start, "/chat/b": start}
    )
    assert answer["reset"] == ["/chat/*", "/chat/a"]
    assert data(await poll(server, client_id)) == ["b"]


@pytest.mark.parametrize("wrong", [None, 5, [], {}, "x" * 100, True])
async def test_a_place_of_another_type_is_a_reset_of_that_name(server: Server, wrong: Any) -> None:
    client_id = await connected(server)
    await say(server, 1)
    answer = await ask(server, client_id, [ROOM, "/chat/2"], since={ROOM: wrong})
    assert answer["reset"] == [ROOM]
    answer = await ask(server, client_id, "/chat/*", since={"/chat/*": wrong, "not a name": wrong})
    assert answer["reset"] == ["/chat/*"]


async def test_a_pattern_opens_no_channel_that_the_policy_refuses(kept: MemoryHistory) -> None:
    class Rooms(Policy):
        async def can_subscribe(self, session: Session, channel: str) -> bool:
            return channel == "/chat/1"

        async def can_subscribe_pattern(self, session: Session, pattern: str) -> bool:
            return pattern == "/chat/*"

    server = Server(timeout=5, policy=Rooms())
    server.channel("/**", history=kept)
    start = kept.position()
    await say(server, "open")
    await say(server, "secret", channel="/staff/1")
    client_id = await connected(server)
    asked = {"/chat/*": start, "/staff/1": start, "/**": start}
    answer = await ask(server, client_id, "/chat/*", since=asked)
    assert answer == {"seq": {"/chat/*": start}}
    assert data(await poll(server, client_id)) == ["open"]
    for refused in ("/**", "/staff/1", ["/chat/1", "/staff/1"]):
        (reply,) = (await request(server, subscribe(client_id, refused, ext=since(start)))).messages
        assert not reply["successful"]
    at = {"/staff/1": start, "/**": start, "/chat/1": kept.position()}
    assert data(await poll_now(server, client_id, ext={"live": {"at": at}})) == []


async def test_a_stream_in_this_process_hears_a_kept_channel(server: Server, kept: MemoryHistory) -> None:
    start = kept.position()
    await say(server, 1)
    async with server.stream(ROOM, start) as stream:
        await say(server, 2)
        first, second = await anext(stream), await anext(stream)
    assert [first["data"], second["data"]] == [1, 2]
    assert second["ext"]["live"] == {"seq": kept.position(), "prev": first["ext"]["live"]["seq"]}


async def test_a_restarted_server_goes_on_with_the_history_that_it_had(
    server: Server, kept: MemoryHistory
) -> None:
    start = kept.position()
    await say(server, 1)
    await server.close()
    await server.start()
    client_id = await connected(server)
    assert await ask(server, client_id, ROOM, since=start) == {"seq": start}
    assert data(await poll(server, client_id)) == [1]


async def test_memory_stays_flat_however_many_channels_come_and_go() -> None:
    server = Server(timeout=5, policy=Open())
    kept = MemoryHistory(messages=2, channels=50)
    server.channel("/chat/**", history=kept)
    async with Socket(server) as socket:
        client_id = await handshake(server)
        await socket.reply(connect(client_id, "websocket"))
        await socket.reply(subscribe(client_id, "/chat/**"))
        session = server._exchange.sessions[client_id]
        for number in range(5_000):
            await say(server, number, channel=f"/chat/{number}")
            if number % 100 == 99:
                await wait_until(lambda: not session.queue)
                socket.frames.clear()
        assert len(kept.channels()) == 50
        assert len(session.positions) <= server.limits.positions + 100
        assert len(server._exchange.histories._published) == 0


async def test_a_frame_of_several_messages_is_what_was_published(server: Server) -> None:
    async with Socket(server) as socket:
        client_id = await handshake(server)
        await socket.reply(connect(client_id, "websocket"))
        await socket.reply(subscribe(client_id, ROOM))
        await say(server, 1, "zwei", None, {"drei": []}, 'vier"}')
        await socket.wait(lambda: socket.frames)
        heard = [message for frame in socket.frames for message in json.loads(frame)]
    assert data(heard) == [1, "zwei", None, {"drei": []}, 'vier"}']
