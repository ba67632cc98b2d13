"""Salesforce's form of positions: ``ext.replay``, and numbers in the data of those who ask for them."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from livecollections.bayeux import Limits, MemoryHistory, Server
from livecollections.change import number

from ..serving import wait_until
from .test_kept import ROOM, Time, data, poll, poll_now, say
from .wire import Log, Open, Socket, connect, connected, handshake, request, subscribe

REPLAY = {"ext": {"replay": True}}


@pytest.fixture
def kept() -> MemoryHistory:
    return MemoryHistory(messages=5, channels=3, clock=Time())


@pytest.fixture
def server(kept: MemoryHistory) -> Server:
    server = Server(timeout=5, policy=Open())
    server.channel("/chat/**", history=kept)
    return server


async def joined(server: Server) -> str:
    client_id = await handshake(server, **REPLAY)
    await poll(server, client_id)
    return client_id


async def ask(server: Server, client_id: str, subscription: Any, replay: Any) -> Any:
    """The reply to a subscribe."""
    message = subscribe(client_id, subscription, ext={"replay": replay})
    (reply,) = (await request(server, message)).messages
    return reply


def invalid(wish: Any) -> str:
    return (
        f"400::The replayId {{{wish}}} you provided was invalid.  Please provide a valid ID, -2 to replay all "
        "events, or -1 to replay only new events."
    )


async def test_a_handshake_says_that_it_is_supported_to_those_who_ask(server: Server) -> None:
    hello = {"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"]}
    (reply,) = (await request(server, {**hello, **REPLAY})).messages
    assert reply["ext"] == {"replay": True}
    for other in ({}, {"ext": {"replay": False}}, {"ext": {"replay": {"/chat/1": -1}}}):
        (reply,) = (await request(server, {**hello, **other})).messages
        assert "ext" not in reply


async def test_events_carry_numbers_that_rise(server: Server, kept: MemoryHistory) -> None:
    client_id = await joined(server)
    reply = await ask(server, client_id, ROOM, {ROOM: -1})
    assert reply["ext"]["replay"] == {ROOM: number(kept.position())}
    await say(
        server, {"sobject": {"Id": 1}}, {"event": {"type": "created", "createdDate": "yesterday"}, "x": 1}
    )
    _, first, second = await poll(server, client_id)
    created, replayed = first["data"]["event"]["createdDate"], first["data"]["event"]["replayId"]
    assert first["data"] == {
        "sobject": {"Id": 1},
        "event": {"createdDate": "2025-06-15T15:06:40.000Z", "replayId": replayed},
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", created)
    assert second["data"] == {
        "x": 1,
        "event": {"type": "created", "createdDate": "yesterday", "replayId": number(kept.position())},
    }
    assert replayed < number(kept.position()) < 2**53


@pytest.mark.parametrize("value", ["text", 5, None, [1], {"event": "click"}, {"event": None}])
async def test_data_without_room_for_a_number_is_left_alone(server: Server, value: Any) -> None:
    client_id = await joined(server)
    await ask(server, client_id, ROOM, {ROOM: -1})
    await say(server, value)
    assert data(await poll(server, client_id)) == [value]


async def test_nobody_elses_data_is_altered_and_each_kind_shares_its_bytes(server: Server) -> None:
    plain = [await connected(server) for _ in range(2)]
    numbered = [await joined(server) for _ in range(2)]
    for client_id in (*plain, *numbered):
        await request(server, subscribe(client_id, ROOM))
    await say(server, {"x": 1})
    sessions = server._exchange.sessions
    queued = {client_id: sessions[client_id].queue[0] for client_id in (*plain, *numbered)}
    assert queued[plain[0]] is queued[plain[1]]
    assert queued[numbered[0]] is queued[numbered[1]]
    assert data(await poll(server, plain[0])) == [{"x": 1}]
    assert data(await poll(server, numbered[0]))[0]["event"]["replayId"]


async def test_minus_one_is_new_minus_two_all_and_a_number_what_comes_after_it(server: Server) -> None:
    await say(server, *({"n": n} for n in range(8)))
    wished: dict[int, list[int]] = {-1: [], -2: [3, 4, 5, 6, 7]}
    told: dict[int, list[Any]] = {}
    for wish, expected in wished.items():
        client_id = await joined(server)
        assert (await ask(server, client_id, ROOM, {ROOM: wish, "/elsewhere": 77}))["successful"]
        told[wish] = data(await (poll if expected else poll_now)(server, client_id))
        assert [one["n"] for one in told[wish]] == expected
        await say(server, {"n": 8}, channel="/chat/other")
        assert data(await poll_now(server, client_id)) == []
    middle = told[-2][2]["event"]["replayId"]
    client_id = await joined(server)
    assert (await ask(server, client_id, ROOM, {ROOM: middle}))["successful"]
    assert [one["n"] for one in data(await poll(server, client_id))] == [6, 7]


@pytest.mark.parametrize("wish", [1, -3, 0, 2**62, "17", 1.5, None, True, []])
async def test_a_number_that_can_not_be_told_from_is_refused_in_salesforces_words(
    server: Server, wish: Any
) -> None:
    await say(server, {"n": 1})
    client_id = await joined(server)
    reply = await ask(server, client_id, ROOM, {ROOM: wish})
    shown = wish if isinstance(wish, int | float | str) and not isinstance(wish, bool) else ""
    assert reply["error"] == invalid(shown)
    assert not reply["successful"]
    assert not server._exchange.sessions[client_id].subscriptions


async def test_a_number_that_is_too_old_or_of_another_life_is_refused(
    server: Server, kept: MemoryHistory
) -> None:
    await say(server, {"n": 0})
    old = number(kept.position())
    await say(server, *({"n": n} for n in range(1, 8)))
    client_id = await joined(server)
    assert (await ask(server, client_id, ROOM, {ROOM: old}))["error"] == invalid(old)
    restarted = Server(timeout=5, policy=Open())
    later = Time()
    later.now += 1
    restarted.channel("/chat/**", history=MemoryHistory(clock=later))
    last = number(kept.position())
    client_id = await joined(restarted)
    assert (await ask(restarted, client_id, ROOM, {ROOM: last}))["error"] == invalid(last)


async def test_the_number_of_a_quiet_channel_moves_on_in_replies(server: Server, kept: MemoryHistory) -> None:
    client_id = await joined(server)
    await ask(server, client_id, ROOM, {ROOM: -1})
    await say(server, {"n": 1})
    (message,) = data(await poll(server, client_id))
    for room in "abcdef":
        await say(server, {}, channel=f"/chat/{room}")
    # The channel has been forgotten; who only has its last number can't know whether it missed something.
    other = await joined(server)
    stale = message["event"]["replayId"]
    assert (await ask(server, other, ROOM, {ROOM: stale}))["error"] == invalid(stale)
    (reply,) = await poll_now(server, client_id)
    cursor = reply["ext"]["replay"][ROOM]
    assert cursor == number(kept.position()) > stale
    assert (await ask(server, other, ROOM, {ROOM: cursor}))["successful"]


async def test_a_cursor_is_never_ahead_of_what_was_sent(server: Server, kept: MemoryHistory) -> None:
    client_id = await joined(server)
    start = number(kept.position())
    await ask(server, client_id, ROOM, {ROOM: -1})
    await say(server, {"n": 1}, {"n": 2})
    reply, *messages = await poll(server, client_id)
    assert reply["ext"]["replay"] == {ROOM: start}
    assert len(messages) == 2


async def test_a_slow_reader_that_was_trimmed_past_ends_and_is_refused_when_it_returns(
    kept: MemoryHistory,
) -> None:
    """It knows no reset: so it must subscribe again, and hears that its number is too old."""
    server = Server(timeout=5, policy=Open(), limits=Limits(queue_bytes=400))
    server.channel("/chat/**", history=kept)
    client_id = await handshake(server, **REPLAY)
    async with Socket(server) as socket:
        await socket.reply(connect(client_id, "websocket"))
        reply = await socket.reply(subscribe(client_id, ROOM, ext={"replay": {ROOM: -1}}))
        start = reply["ext"]["replay"][ROOM]
        socket.take_nothing()
        for n in range(20):
            await say(server, {"n": n})
            await asyncio.sleep(0)
        session = server._exchange.sessions[client_id]
        socket.take_again()
        await wait_until(lambda: session.has_ended)
    again = await joined(server)
    assert (await ask(server, again, ROOM, {ROOM: start}))["error"] == invalid(start)


async def test_a_resource_has_no_numbers_and_says_so(server: Server) -> None:
    log = Log(server)
    client_id = await joined(server)
    assert (await ask(server, client_id, log.channel, {log.channel: 1}))["error"] == invalid(1)
    reply = await ask(server, client_id, log.channel, {log.channel: -1})
    assert reply["successful"]
    assert "replay" not in reply["ext"]
    seq = log.add(7)
    assert data_of_log(await poll(server, client_id)) == [log.data(seq, 7, log.seq(0))]


def data_of_log(messages: list[Any]) -> list[Any]:
    return [message["data"] for message in messages if "data" in message]


async def test_who_did_not_negotiate_it_is_not_heard(server: Server) -> None:
    await say(server, {"n": 1})
    client_id = await connected(server)
    reply = await ask(server, client_id, ROOM, {ROOM: -2})
    assert reply["successful"]
    assert "replay" not in reply["ext"]
    await say(server, {"n": 2})
    assert data(await poll(server, client_id)) == [{"n": 2}]


async def test_a_pattern_is_told_from_one_number(server: Server) -> None:
    client_id = await joined(server)
    await say(server, {"n": 1}, channel="/chat/a")
    await say(server, {"n": 2}, channel="/chat/b")
    await ask(server, client_id, "/chat/*", {"/chat/*": -2})
    heard = data(await poll(server, client_id))
    assert [one["n"] for one in heard] == [1, 2]
    other = await joined(server)
    await ask(server, other, "/chat/*", {"/chat/*": heard[0]["event"]["replayId"]})
    assert [one["n"] for one in data(await poll(server, other))] == [2]
