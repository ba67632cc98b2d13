"""One turn of the loop: encoded once, one write to each socket, in order, and others have their turn in between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from livecollections.bayeux import Limits, Server, Session
from livecollections.bayeux import turn as turns
from livecollections.bayeux.load import FRAME, Load, framed, loads
from livecollections.bayeux.message import Message
from livecollections.cause import Cause

from .wire import Log, Open, Socket, connect, handshake, request, subscribe


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server(timeout=30, policy=Open()) as serving:
        yield serving


class Direct(Socket):
    """A socket that is written to straight, whichever way the tests run."""

    is_direct = True

    async def begin(self, server: Server, *names: str) -> Session:
        """Have a session that has subscribed, with nothing left to read."""
        if self._task is None:
            await self.open()
        client_id = await handshake(server, ext={"live": {"version": 1}})
        await self.reply(connect(client_id, "websocket"))
        for name in names:
            await self.reply(subscribe(client_id, name))
        session = server._exchange.sessions[client_id]
        await turn()
        assert session.is_written
        assert session not in session.apart
        return session

    @property
    def heard(self) -> list[list[Any]]:
        """The data of each frame that has come."""
        frames = [json.loads(frame) for frame in self.frames]
        return [[message.get("data") for message in frame] for frame in frames]

    @property
    def data(self) -> list[Any]:
        """All data that have come."""
        return [each for frame in self.heard for each in frame]


async def turn() -> None:
    """Let what was published leave."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_what_one_turn_publishes_is_one_frame_for_all(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Load] = []
    monkeypatch.setattr(turns, "loads", lambda entries: [*map(_noted(made), loads(entries))])
    sockets = [Direct(server) for _ in range(5)]
    for socket in sockets:
        await socket.begin(server, "/a")
    for number in range(50):
        server.publish_nowait("/a", number)
    assert all(not socket.frames for socket in sockets)
    await turn()
    assert [socket.heard for socket in sockets] == [[[*range(50)]]] * 5
    assert len(made) == 1
    for socket in sockets:
        await socket.cut()


def _noted(made: list[Load]) -> Any:
    def note(load: Load) -> Load:
        made.append(load)
        return load

    return note


async def test_channels_that_alternate_keep_their_order_for_each_session(server: Server) -> None:
    both, first, pattern = Direct(server), Direct(server), Direct(server)
    await both.begin(server, "/x/a", "/x/b")
    await first.begin(server, "/x/a")
    await pattern.begin(server, "/x/*")
    for number in range(6):
        server.publish_nowait("/x/b" if number % 2 else "/x/a", number)
    await turn()
    assert first.heard == [[0, 2, 4]]
    assert both.heard == pattern.heard == [[0, 1, 2, 3, 4, 5]]
    for socket in (both, first, pattern):
        await socket.cut()


async def test_a_subscription_counts_from_its_place_among_what_is_published(server: Server) -> None:
    async with Direct(server) as early, Direct(server) as late:
        gone = await early.begin(server, "/a")
        coming = await late.begin(server)
        server.publish_nowait("/a", 1)
        server._exchange.subscribe(coming, "/a")
        server.publish_nowait("/a", 2)
        server._exchange.unsubscribe(gone, "/a")
        server.publish_nowait("/a", 3)
        await turn()
        assert early.data == [1, 2]
        assert late.data == [2, 3]


async def test_what_is_sent_to_one_stands_after_what_was_published_before(server: Server) -> None:
    async with Direct(server) as socket:
        session = await socket.begin(server, "/a")
        server.publish_nowait("/a", 1)
        server._exchange.deliver(session, Message("/own", 2))
        server.publish_nowait("/a", 3)
        await turn()
        assert socket.data == [1, 2, 3]


async def test_the_publisher_hears_no_echo_where_there_is_none(server: Server) -> None:
    server.channel("/a", echo=False)
    async with Direct(server) as speaker, Direct(server) as hearer:
        speaking = await speaker.begin(server, "/a")
        await hearer.begin(server, "/a")
        server._exchange.publish(Message("/a", 1))
        server._exchange.publish(Message("/a", 2), speaking)
        server._exchange.publish(Message("/a", 3))
        await turn()
        assert speaker.data == [1, 3]
        assert hearer.heard == [[1, 2, 3]]


async def test_a_reply_goes_before_what_is_published_with_it(server: Server) -> None:
    async with Direct(server) as socket:
        session = await socket.begin(server, "/a")
        socket.send({"channel": "/a", "data": 1, "clientId": session.id, "id": "p"})
        (frame,) = [await socket.receive()]
        assert [message.get("id") for message in frame] == ["p", None]


async def test_what_a_paused_socket_misses_waits_within_its_bounds(server: Server) -> None:
    async with Direct(server) as socket:
        session = await socket.begin(server, "/a")
        socket.take_nothing()
        assert session in session.apart
        server.publish_nowait("/a", 1)
        await turn()
        assert [message.channel for message in session.queue] == ["/a"]
        assert server.statistics().queued == 1
        socket.take_again()
        server.publish_nowait("/a", 2)
        await turn()
        assert socket.data == [1, 2]
        assert session not in session.apart


async def test_one_that_ends_within_a_wave_is_written_nothing_more(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "livecollections.bayeux")
    server = Server(timeout=30, policy=Open(), limits=Limits(queue_bytes=FRAME))
    async with server, Direct(server) as stopped, Direct(server) as other:
        session = await stopped.begin(server, "/a")
        await other.begin(server, "/a")
        stopped.take_nothing()
        for number in range(4):
            server.publish_nowait("/a", f"{number}" + "x" * (FRAME * 2 // 3))
        await turn()
        assert session.has_ended
        assert "could not be written to" not in caplog.text
        assert [text[0] for text in other.data] == ["0", "1", "2", "3"]
        assert server.statistics().delivered == 5


async def test_positions_move_with_what_is_written_straight(server: Server) -> None:
    log = Log(server)
    async with Direct(server) as socket:
        session = await socket.begin(server, log.channel)
        written = [log.add(number) for number in range(3)]
        await turn()
        position = session.positions[log.channel]
        assert position.sent == position.queued == written[-1]
        assert [each["seq"] for each in socket.data] == written
        assert not session.queue
        server.publish_nowait(log.channel, log.data(written[0], 0, ""), written[0])
        await turn()
        assert len(socket.data) == 3


async def test_what_is_lazy_or_a_reset_keeps_its_place_among_what_is_written_straight(server: Server) -> None:
    log = Log(server)
    server.channel("/lazy", lazy=60)
    async with Direct(server) as socket:
        session = await socket.begin(server, log.channel, "/lazy", "/a")
        server.publish_nowait("/lazy", 1)
        await turn()
        assert session.may_wait
        server.publish_nowait("/a", 2)
        log.add(3)
        reset = {"method": "RESET", "seq": (seq := log.write(4))}
        server.publish_nowait(log.channel, reset, seq, Cause.REQUESTED)
        assert server.statistics().resets == {Cause.REQUESTED: 1}
        log.published += 1
        log.add(5)
        await turn()
        assert [each if isinstance(each, int) else each["seq"] for each in socket.data] == [
            1, 2, *(seq for seq, _ in log.entries),
        ]  # fmt: skip
        assert session not in session.apart


async def test_a_connect_is_told_no_position_that_it_was_not_sent(server: Server) -> None:
    log = Log(server)
    async with Direct(server) as socket:
        session = await socket.begin(server, log.channel)
        seq = log.add(1)
        assert session.positions[log.channel].sent < seq
        server._exchange.settle(session)
        assert session.positions[log.channel].queued == seq
        assert session.waiting(seq[:8]) == [seq]
        await turn()
        assert session.positions[log.channel].sent == seq


async def test_a_fan_out_to_many_lets_others_have_their_turn(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "SLICE", 2)
    sockets = [Direct(server) for _ in range(7)]
    for socket in sockets:
        await socket.begin(server, "/a")
    counts = []
    server.publish_nowait("/a", 1)
    for number in range(2, 6):
        await asyncio.sleep(0)
        counts.append(sum(len(socket.frames) for socket in sockets))
        server.publish_nowait("/a", number)
    assert counts == sorted(counts)
    assert counts[:2] == [2, 4]
    for _ in range(20):
        await asyncio.sleep(0)
    assert [socket.data for socket in sockets] == [[1, 2, 3, 4, 5]] * 7
    for socket in sockets:
        await socket.cut()


async def test_a_session_that_leaves_in_the_middle_of_a_fan_out_keeps_what_was_on_its_way(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "SLICE", 1)
    sockets = [Direct(server) for _ in range(3)]
    sessions = [await socket.begin(server, "/a") for socket in sockets]
    server.publish_nowait("/a", 1)
    await asyncio.sleep(0)
    left = next(number for number, socket in enumerate(sockets) if not socket.frames)
    await sockets[left].cut()
    assert [message.body for message in sessions[left].queue] == [b'{"channel":"/a","data":1}']
    answer = await request(server, connect(sessions[left].id, advice={"timeout": 0}))
    assert answer.messages[-1]["data"] == 1
    for socket in sockets:
        await socket.cut()


class Plain(Socket):
    """A socket that is sent to by ASGI, whichever way the tests run."""

    is_direct = False

    async def begin(self, server: Server, *names: str) -> Session:
        """Have a session that has subscribed."""
        await self.open()
        client_id = await handshake(server)
        await self.reply(connect(client_id, "websocket"))
        for name in names:
            await self.reply(subscribe(client_id, name))
        await turn()
        self.frames.clear()
        return server._exchange.sessions[client_id]

    @property
    def data(self) -> list[Any]:
        """All data that have come."""
        return [message["data"] for frame in self.frames for message in json.loads(frame)]


@pytest.fixture
async def plain(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[list[Plain], list[Session]]]:
    """Seven sockets that are sent to by ASGI and heard of two at a time, and their sessions."""
    monkeypatch.setattr(turns, "SLICE", 2)
    monkeypatch.setattr(turns, "LIGHT", 1)
    monkeypatch.setattr(turns, "WOKEN", 2)
    sockets = [Plain(server) for _ in range(7)]
    sessions = [await socket.begin(server, "/a", "/b") for socket in sockets]
    yield sockets, sessions
    for socket in sockets:
        await socket.cut()


async def test_a_fan_out_over_asgi_to_many_lets_others_have_their_turn(
    server: Server, plain: tuple[list[Plain], list[Session]]
) -> None:
    sockets, sessions = plain
    before = server._exchange.counts.delivered
    counts = []
    server.publish_nowait("/a", 1)
    for number in range(2, 6):
        counts.append(server._exchange.counts.delivered - before)
        await asyncio.sleep(0)
        server.publish_nowait("/a" if number % 2 else "/b", number)
    assert counts == [0, 2, 4, 6]
    for _ in range(40):
        await asyncio.sleep(0)
    assert [socket.data for socket in sockets] == [[1, 2, 3, 4, 5]] * 7
    assert server._exchange.counts.delivered - before == 35
    assert not server._exchange.turn.is_queueing
    assert server._exchange.turn._size == 0
    assert not any(session.queue for session in sessions)


async def test_who_does_something_else_meanwhile_has_what_is_on_its_way_first(
    server: Server, plain: tuple[list[Plain], list[Session]]
) -> None:
    sockets, sessions = plain
    server.publish_nowait("/a", 1)
    await asyncio.sleep(0)
    server.publish_nowait("/a", 2)
    server._exchange.deliver(sessions[5], Message("/own", 3))
    server.publish_nowait("/a", 4)
    server._exchange.publish(Message("/b", 5), sessions[6])
    server._exchange.unsubscribe(sessions[4], "/a")
    server._exchange.end(sessions[3])
    await sockets[2].cut()
    waiting = [message.body for message in sessions[2].queue]
    for _ in range(40):
        await asyncio.sleep(0)
    assert [socket.data for socket in (*sockets[:2], *sockets[4:])] == [
        [1, 2, 4, 5],
        [1, 2, 4, 5],
        [1, 2, 4, 5],
        [1, 2, 3, 4, 5],
        [1, 2, 4, 5],
    ]
    assert waiting == [Message(*each).body for each in (("/a", 1), ("/a", 2), ("/a", 4), ("/b", 5))]
    assert not sessions[3].queue


async def test_a_client_that_does_not_hear_itself_does_not_hear_itself_late(
    server: Server, plain: tuple[list[Plain], list[Session]]
) -> None:
    sockets, sessions = plain
    server._exchange.settings.declare("/a", echo=False)
    server._exchange.publish(Message("/a", 1), sessions[6])
    for _ in range(20):
        await asyncio.sleep(0)
    assert [socket.data for socket in sockets] == [[1]] * 6 + [[]]


async def test_what_may_wait_for_company_still_may(
    server: Server, plain: tuple[list[Plain], list[Session]]
) -> None:
    sockets, sessions = plain
    server._exchange.settings.declare("/b", lazy=30)
    server.publish_nowait("/b", 1)
    for _ in range(20):
        await asyncio.sleep(0)
    assert all(session.may_wait for session in sessions)
    server.publish_nowait("/a", 2)
    server.publish_nowait("/b", 3)
    for _ in range(40):
        await asyncio.sleep(0)
    assert [socket.data for socket in sockets] == [[1, 2]] * 7
    assert all(len(session.queue) == 1 and session.may_wait for session in sessions)


async def test_who_publishes_without_end_keeps_no_more_than_the_backlog(server: Server) -> None:
    async with Direct(server) as socket:
        await socket.begin(server, "/a")
        for _ in range(30):
            server.publish_nowait("/a", "x" * 100_000)
        assert 0 < server._exchange.turn._size <= turns.BACKLOG
        assert len(socket.frames) >= 20
        await turn()
        assert server._exchange.turn._size == 0
        assert len(socket.data) == 30


async def test_an_idle_server_adds_no_delay(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Direct(server) as socket:
        await socket.begin(server, "/a")
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "call_later", None)
        monkeypatch.setattr(loop, "call_at", None)
        server.publish_nowait("/a", 1)
        await asyncio.sleep(0)
        assert socket.heard == [[1]]
        monkeypatch.undo()


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535, 65_536])
def test_a_frame_has_the_header_of_its_length(length: int) -> None:
    frame = framed(b"x" * length)
    header = {126: 4, 127: 10}.get(frame[1], 2)
    assert frame[:1] == b"\x81"
    assert frame[1] < 126 or int.from_bytes(frame[2:header], "big") == length
    assert frame[header:] == b"x" * length


def test_a_load_is_no_longer_than_a_frame_and_nothing_is_left_out() -> None:
    entries = [(Message("/a", "x" * size), None, 0.0) for size in (10, 5_000, 5_000, 20_000, 10)]
    found = [*loads(entries)]
    assert [entry for load in found for entry in load.entries] == entries
    assert all(len(load.frame) < FRAME + 20 or len(load.entries) == 1 for load in found)
    assert [len(load.entries) for load in found] == [2, 1, 1, 1]


def test_a_load_that_goes_back_has_no_steps() -> None:
    epoch = "5e1f03aa"
    one, two = (Message("/a", 1, epoch + f"{place:020x}") for place in (1, 2))
    assert Load([(one, None, 0.0), (two, None, 0.0)]).steps == (("/a", one.seq, two.seq),)
    assert Load([(two, None, 0.0), (one, None, 0.0)]).steps is None
    assert Load([(Message("/a", 1), None, 0.0)]).steps == ()
