"""Subscriptions as positions: replay and live joined, resets, connects that say where the client is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from livecollections.bayeux import Limits, Server

from ..serving import wait_until
from .wire import (
    Log,
    Open,
    Socket,
    connect,
    connected,
    cookie,
    handshake,
    request,
    seqs,
    since,
    subscribe,
)

TODOS = "/api/todos"


@pytest.fixture
def server() -> Server:
    return Server(timeout=5, policy=Open())


@pytest.fixture
def log(server: Server) -> Log:
    return Log(server)


async def poll(server: Server, client_id: str, **fields: Any) -> list[Any]:
    return (await request(server, connect(client_id, **fields))).messages


async def gather_seqs(socket: Socket, count: int) -> list[str]:
    found: list[str] = []
    while len(found) < count:
        found += seqs(await socket.receive())
    return found


async def test_without_since_the_reply_says_where_the_stream_begins(server: Server, log: Log) -> None:
    first = log.add(1)
    client_id = await connected(server)
    (reply,) = (await request(server, subscribe(client_id, TODOS))).messages
    assert reply["ext"] == {"live": {"seq": first}}
    second = log.add(2)
    _, message = await poll(server, client_id)
    assert message == {"channel": TODOS, "data": log.data(second, 2, first)}


async def test_since_is_told_from_the_history_and_then_live_in_order(server: Server, log: Log) -> None:
    written = [log.add(key) for key in range(5)]
    client_id = await connected(server)
    (reply,) = (await request(server, subscribe(client_id, TODOS, ext=since(written[1])))).messages
    assert reply["ext"] == {"live": {"seq": written[1]}}
    assert seqs(await poll(server, client_id)) == written[2:]
    written.append(log.add(9))
    assert seqs(await poll(server, client_id)) == written[5:]


async def test_messages_with_a_seq_travel_only_in_connect_replies(server: Server, log: Log) -> None:
    client_id = await connected(server)
    await request(server, subscribe(client_id, TODOS, ext=since(log.seq(0))))
    log.add(1)
    replies = (await request(server, subscribe(client_id, "/chat"))).messages
    assert seqs(replies) == []
    assert len(seqs(await poll(server, client_id))) == 1


@pytest.mark.parametrize("wrong", ["", "nonsense", "5e1f03aa" + "f" * 20, "00000000" + "0" * 20, "x" * 5000])
async def test_a_since_of_no_entry_is_answered_with_reset(server: Server, log: Log, wrong: str) -> None:
    seq = log.add(1)
    client_id = await connected(server)
    (reply,) = (await request(server, subscribe(client_id, TODOS, ext=since(wrong)))).messages
    assert reply["ext"] == {"live": {"seq": seq, "reset": True}}
    after = log.add(2)
    assert seqs(await poll(server, client_id)) == [after]


@pytest.mark.parametrize("wrong", [1, True, [], 1.5])
async def test_a_since_of_another_type_is_answered_with_reset(server: Server, log: Log, wrong: Any) -> None:
    client_id = await connected(server)
    (reply,) = (await request(server, subscribe(client_id, TODOS, ext={"live": {"since": wrong}}))).messages
    assert reply["ext"]["live"] == {"seq": log.position(), "reset": True}


async def test_a_since_for_a_pattern_or_an_array_is_answered_with_reset(server: Server, log: Log) -> None:
    seq = log.add(1)
    client_id = await connected(server)
    (reply,) = (await request(server, subscribe(client_id, "/api/*", ext=since(log.seq(0))))).messages
    assert reply["ext"] == {"live": {"seq": {"/api/*": seq}, "reset": ["/api/*"]}}
    array = subscribe(client_id, [TODOS, "/chat"], ext=since(log.seq(0)))
    (reply,) = (await request(server, array)).messages
    assert reply["ext"] == {"live": {"seq": {TODOS: seq}, "reset": [TODOS, "/chat"]}}


async def test_finding_17_live_never_overtakes_replay(server: Server, log: Log) -> None:
    """Live 12 must not arrive before 10 and 11, which are being read."""
    written = [log.add(key) for key in range(3)]
    reading, go = asyncio.Event(), asyncio.Event()

    async def pause() -> None:
        reading.set()
        await go.wait()

    async with Socket(server) as socket:
        client_id = await handshake(server)
        await socket.reply(connect(client_id, "websocket"))
        await socket.reply(subscribe(client_id, TODOS, ext=since(log.seq(3))))
        mine = cookie(server, client_id)
        await request(server, subscribe(client_id, TODOS, id="s2", ext=since(log.seq(0))), headers=mine)
        log.pause = pause
        socket.send(subscribe(client_id, TODOS, id="s3", ext=since(log.seq(1))))
        await reading.wait()
        written.append(log.add(8))
        go.set()
        found = await gather_seqs(socket, 4)
        written.append(log.add(9))
        found += await gather_seqs(socket, 1)
    assert found == written


async def test_finding_17_an_exact_channel_and_a_pattern_share_one_position(server: Server, log: Log) -> None:
    written = [log.add(key) for key in range(5)]
    client_id = await connected(server)
    await request(server, subscribe(client_id, TODOS, ext=since(written[2])))
    assert seqs(await poll(server, client_id)) == written[3:]
    await request(server, subscribe(client_id, "/api/*", ext=since(written[0])))
    written.append(log.add(9))
    assert seqs(await poll(server, client_id)) == written[5:]


async def test_a_second_subscribe_sets_the_position_back_but_never_forward(server: Server, log: Log) -> None:
    written = [log.add(key) for key in range(5)]
    client_id = await connected(server)
    await request(server, subscribe(client_id, TODOS, ext=since(written[0])))
    (reply,) = (await request(server, subscribe(client_id, TODOS, ext=since(written[3])))).messages
    assert reply["ext"] == {"live": {"seq": written[0]}}
    (reply,) = (await request(server, subscribe(client_id, TODOS))).messages
    assert reply["ext"] == {"live": {"seq": written[0]}}
    assert seqs(await poll(server, client_id)) == written[1:]
    await request(server, subscribe(client_id, TODOS, ext=since(written[2])))
    assert seqs(await poll(server, client_id)) == written[3:]


async def test_finding_3_a_poll_says_where_the_client_is(server: Server, log: Log) -> None:
    """The answer with the last message is lost, and the channel falls quiet."""
    start = log.position()
    client_id = await connected(server)
    await request(server, subscribe(client_id, TODOS))
    written = [log.add(key) for key in range(3)]
    assert seqs(await poll(server, client_id)) == written
    reply, *messages = await poll(server, client_id, ext={"live": {"at": {TODOS: start}}})
    assert reply["ext"] == {"live": {"last": {TODOS: written[-1]}}}
    assert seqs(messages) == written
    reply, *messages = await poll(
        server, client_id, ext={"live": {"at": {TODOS: written[-1]}}}, advice={"timeout": 0}
    )
    assert "ext" not in reply
    assert not messages


async def test_what_a_client_has_read_meanwhile_is_not_told_again(server: Server, log: Log) -> None:
    """So nor is a reset, where only what it has is trimmed away."""
    written = [log.add(key) for key in range(5)]
    client_id = await connected(server)
    await request(server, subscribe(client_id, TODOS, ext=since(written[0])))
    assert seqs(await poll(server, client_id, ext={"live": {"at": {TODOS: written[3]}}})) == written[4:]


async def test_finding_3_the_first_connect_of_a_socket_says_where_the_client_is(
    server: Server, log: Log
) -> None:
    start = log.position()
    client_id = await handshake(server)
    async with Socket(server) as socket:
        await socket.reply(connect(client_id, "websocket"))
        await socket.reply(subscribe(client_id, TODOS))
        written = [log.add(key) for key in range(3)]
        await gather_seqs(socket, 3)
    async with Socket(server) as socket:
        at = {"live": {"at": {TODOS: start}}}
        reply = await socket.reply(connect(client_id, "websocket", ext=at))
        assert reply["ext"] == {"live": {"last": {TODOS: written[-1]}}}
        assert await gather_seqs(socket, 3) == written
        # The dispatcher repeats its envelope: an old position on a socket that is known already is not heeded.
        reply = await socket.reply(connect(client_id, "websocket", id="c2", ext=at, advice={"timeout": 0}))
        assert "ext" not in reply
        written.append(log.add(4))
        assert await gather_seqs(socket, 1) == written[3:]


@pytest.mark.parametrize(
    "at", [5, [], "x", {TODOS: 5}, {TODOS: None}, {TODOS: ""}, {"/other": "x"}, {TODOS: "z" * 99}]
)
async def test_positions_of_another_type_change_nothing(server: Server, log: Log, at: Any) -> None:
    client_id = await connected(server)
    await request(server, subscribe(client_id, TODOS))
    seq = log.add(1)
    reply, *messages = await poll(server, client_id, ext={"live": {"at": at}})
    assert "ext" not in reply
    assert seqs(messages) == [seq]


async def test_finding_15_a_position_that_is_trimmed_away_gets_what_the_history_says(
    server: Server, log: Log
) -> None:
    start = log.position()
    client_id = await connected(server)
    await request(server, subscribe(client_id, TODOS))
    for key in range(5):
        log.add(key)
    await poll(server, client_id)
    log.trimmed = 4
    _, message = await poll(server, client_id, ext={"live": {"at": {TODOS: start}}})
    assert message["data"] == {"method": "RESET", "seq": log.position(), "prev": start}
    seq = log.add(9)
    assert seqs(await poll(server, client_id)) == [seq]


async def test_another_epoch_counts_as_after(server: Server, log: Log) -> None:
    client_id = await connected(server)
    await request(server, subscribe(client_id, TODOS))
    seq = "0000000100000000000000010000"
    server.publish_nowait(TODOS, {"method": "RESET", "seq": seq}, seq)
    assert seqs(await poll(server, client_id)) == [seq]


async def test_of_a_log_that_is_over_a_subscription_begins_in_the_one_that_there_is(
    server: Server, log: Log
) -> None:
    client_id = await connected(server)
    await request(server, subscribe(client_id, TODOS))
    old = log.add(1)
    assert seqs(await poll(server, client_id)) == [old]
    log.epoch = "00000001"
    # A client says where it is until it knows where it is in the new log, and each time the RESET comes again.
    for _ in range(2):
        at = {"live": {"at": {TODOS: log.seq(0).replace(log.epoch, old[:8])}}}
        _, message = await poll(server, client_id, ext=at)
        assert message["data"]["method"] == "RESET"
    answers = await request(server, [connect(client_id, ext=at), subscribe(client_id, TODOS, ext=since(old))])
    told = [reply["ext"]["live"] for reply in answers.messages if reply["channel"] == "/meta/subscribe"]
    assert told == [{"seq": log.position(), "reset": True}]


async def test_what_was_read_ahead_of_the_feed_is_not_told_twice(server: Server, log: Log) -> None:
    client_id = await connected(server)
    written = [log.add(1), log.write(2), log.write(3)]
    await request(server, subscribe(client_id, TODOS, ext=since(log.seq(0))))
    assert seqs(await poll(server, client_id)) == written
    log.publish()
    written.append(log.add(4))
    assert seqs(await poll(server, client_id)) == written[3:]


async def test_more_than_a_page_and_more_than_the_queue_arrives_whole(log: Log) -> None:
    server = Server(timeout=5, limits=Limits(queue_bytes=2_000))
    log = Log(server)
    written = [log.add(key) for key in range(700)]
    async with Socket(server) as socket:
        client_id = await handshake(server)
        await socket.reply(connect(client_id, "websocket"))
        socket.send(subscribe(client_id, TODOS, ext=since(log.seq(0))))
        assert await gather_seqs(socket, 700) == written
    assert {squash for _, squash in log.reads} == {False}


async def test_only_a_stalled_socket_is_squashed_and_costs_its_bound(log: Log, way: str) -> None:
    server = Server(timeout=5, policy=Open(), limits=Limits(queue_bytes=4_000, stall=0.05))
    log = Log(server)
    async with Socket(server) as slow, Socket(server) as quick:
        for socket in (slow, quick):
            client_id = await handshake(server)
            await socket.reply(connect(client_id, "websocket"))
            await socket.reply(subscribe(client_id, TODOS))
        slow.take_nothing()
        written = []
        for number in range(150):
            written.append(log.add(number % 3))
            await asyncio.sleep(0)
            assert all(session.size <= 4_200 for session in server._exchange.sessions.values())
        assert await gather_seqs(quick, 150) == written
        clock = server._exchange.clock
        begun = clock()
        await wait_until(lambda: clock() - begun > 0.06)
        slow.take_again()
        # The first was being written when it stalled; of the rest the last of each document is enough.
        first = written[:1] if way == "asgi" else []
        assert await gather_seqs(slow, len(first) + 3) == [*first, *written[-3:]]
        written.append(log.add(7))
        assert await gather_seqs(slow, 1) == written[-1:]
    assert any(squash for _, squash in log.reads)


async def test_a_full_queue_without_a_stall_loses_and_squashes_nothing(log: Log) -> None:
    server = Server(timeout=5, limits=Limits(queue_bytes=1_000, stall=60))
    log = Log(server)
    async with Socket(server) as socket:
        client_id = await handshake(server)
        await socket.reply(connect(client_id, "websocket"))
        await socket.reply(subscribe(client_id, TODOS))
        socket.take_nothing()
        written = []
        for number in range(100):
            written.append(log.add(number % 3))
            await asyncio.sleep(0)
        socket.take_again()
        assert await gather_seqs(socket, 100) == written


async def test_a_history_whose_queue_is_full_of_other_messages_is_read_later() -> None:
    server = Server(timeout=5, policy=Open(), limits=Limits(queue_bytes=600))
    log = Log(server)
    client_id = await connected(server)
    await request(server, subscribe(client_id, [TODOS, "/chat"]))
    for _ in range(3):
        await server.publish("/chat", "x" * 150)
    written = [log.add(key) for key in range(3)]
    found = await poll(server, client_id)
    assert [message["channel"] for message in found[1:4]] == ["/chat"] * 3
    found = seqs(found)[3:] if len(found) > 4 else []
    async with asyncio.timeout(5):
        while len(found) < 3:
            found += seqs(await poll(server, client_id))
    assert found == written


async def test_a_history_that_fails_is_asked_again(
    server: Server, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    written = [log.add(key) for key in range(3)]
    failures = 2

    async def pause() -> None:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise ConnectionError("the database is away")

    client_id = await connected(server)
    await request(server, subscribe(client_id, TODOS, ext=since(log.seq(0))))
    log.pause = pause
    assert seqs(await poll(server, client_id)) == written
    assert caplog.text.count("can't be read") == 2


async def test_finding_17_an_aborted_poll_takes_nothing_with_it(server: Server, log: Log) -> None:
    client_id = await connected(server)
    await request(server, subscribe(client_id, [TODOS, "/chat"]))
    gone = asyncio.Event()
    held = asyncio.create_task(request(server, connect(client_id), gone=gone))
    await wait_until(lambda: server._exchange.sessions[client_id].held)
    gone.set()
    assert (await held).status == 0
    seq = log.add(1)
    await server.publish("/chat", "hello")
    _, first, second = await poll(server, client_id)
    assert first["data"]["seq"] == seq
    assert second == {"channel": "/chat", "data": "hello"}


async def test_what_a_broken_socket_did_not_take_is_put_back(server: Server, log: Log) -> None:
    client_id = await handshake(server)
    async with Socket(server) as socket:
        await socket.reply(connect(client_id, "websocket"))
        await socket.reply(subscribe(client_id, [TODOS, "/chat"]))
        socket.take_nothing()
        written = [log.add(1)]
        await server.publish("/chat", 1)
        await asyncio.sleep(0)
        written.append(log.add(2))
        await server.publish("/chat", 2)
    async with Socket(server) as socket:
        await socket.reply(connect(client_id, "websocket"))
        found: list[Any] = []
        while len(found) < 4:
            found += [message for message in await socket.receive() if "data" in message]
    assert [message["data"] for message in found if message["channel"] == "/chat"] == [1, 2]
    assert seqs([message for message in found if message["channel"] == TODOS]) == written


async def test_a_history_that_comes_later_serves_those_who_listen_already(server: Server) -> None:
    client_id = await connected(server)
    await request(server, subscribe(client_id, "/api/**"))
    log = Log(server, "/api/late")
    seq = log.add(1)
    assert seqs(await poll(server, client_id)) == [seq]
    server.remove_history("/api/late")
    await server.publish("/api/late", "plain")
    assert (await poll(server, client_id))[1] == {"channel": "/api/late", "data": "plain"}


async def test_unsubscribe_forgets_what_waits_and_the_position(server: Server, log: Log) -> None:
    client_id = await connected(server)
    await request(server, subscribe(client_id, TODOS))
    written = [log.add(1), log.add(2)]
    unsubscribe = subscribe(client_id, TODOS, channel="/meta/unsubscribe")
    (reply,) = (await request(server, unsubscribe)).messages
    assert reply["successful"]
    assert (await poll(server, client_id, advice={"timeout": 0}))[1:] == []
    await request(server, subscribe(client_id, TODOS, ext=since(written[0])))
    assert seqs(await poll(server, client_id)) == written[1:]


async def test_a_client_that_never_waits_gets_what_was_read_for_its_last_poll(
    server: Server, log: Log
) -> None:
    written = [log.add(key) for key in range(5)]
    client_id = await connected(server)
    await request(server, subscribe(client_id, TODOS, ext=since(log.seq(0))))
    found: list[str] = []
    async with asyncio.timeout(5):
        while len(found) < 5:
            found += seqs(await poll(server, client_id, advice={"timeout": 0}))
            await asyncio.sleep(0)
    assert found == written
