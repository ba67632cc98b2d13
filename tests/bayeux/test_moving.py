"""A session moves: from each transport to each other, cleanly or after a cut; nothing is lost, nothing is doubled."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from livecollections.bayeux import Server

from ..serving import wait_until
from .wire import (
    Answer,
    Events,
    Log,
    Open,
    Socket,
    connect,
    connected,
    jsonp,
    request,
    seqs,
    since,
    subscribe,
)

At = Callable[[], dict[str, Any]]


class Poll:
    """A client that polls, again and again; ``at`` are the fields of each connect."""

    kind = "long-polling"

    def __init__(self, server: Server, client_id: str, at: At) -> None:
        self.server = server
        self.client_id = client_id
        self.heard: list[Any] = []
        self._at = at
        self._gone = asyncio.Event()
        self._is_over = False
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        self._task = asyncio.create_task(self._run())
        await wait_until(lambda: self._transport_held() == self.kind)

    def _transport_held(self) -> str | None:
        held = self.server._exchange.sessions[self.client_id].held
        connection = held.link.connection if held is not None else None
        return connection.transport if connection is not None else None

    async def _run(self) -> None:
        while not self._is_over:
            message = connect(self.client_id, self.kind, **self._at())
            answer = await self._ask(message)
            if answer.status:
                self.heard += [one for one in answer.messages if "data" in one]

    async def _ask(self, message: Any) -> Answer:
        return await request(self.server, [message], gone=self._gone)

    def stop(self) -> None:
        """No more is asked than has been."""
        self._is_over = True

    async def cut(self) -> None:
        self._is_over = True
        self._gone.set()
        if self._task is not None:
            await asyncio.wait_for(self._task, 5)


class Script(Poll):
    """The same by JSONP."""

    kind = "callback-polling"

    async def _ask(self, message: Any) -> Answer:
        return await jsonp(self.server, message, gone=self._gone)


class Stream:
    """A client that hears by a stream."""

    def __init__(self, server: Server, client_id: str, at: At) -> None:
        self._events = Events(server, client_id)
        self._server = server
        self._client_id = client_id
        self._at = at

    @property
    def heard(self) -> list[Any]:
        return [message for event in self._events.events for message in event]

    async def begin(self) -> None:
        await self._events.__aenter__()
        session = self._server._exchange.sessions[self._client_id]
        await wait_until(lambda: not session.queue and session.flowing)
        message = connect(self._client_id, "eventsource", **self._at())
        (reply,) = (await request(self._server, [message])).messages
        assert reply["successful"]

    def stop(self) -> None:
        """Nothing is asked on a stream."""

    async def cut(self) -> None:
        self._events.take_nothing()
        await asyncio.sleep(0)
        await self._events.cut()


class Push:
    """A client with a WebSocket."""

    def __init__(self, server: Server, client_id: str, at: At) -> None:
        self._socket = Socket(server)
        self._client_id = client_id
        self._at = at

    @property
    def heard(self) -> list[Any]:
        return [one for frame in self._socket.frames for one in json.loads(frame) if "data" in one]

    async def begin(self) -> None:
        await self._socket.open()
        self._socket.send(connect(self._client_id, "websocket", **self._at()))
        await self._socket.wait(lambda: self._socket.frames)
        self._socket.send(connect(self._client_id, "websocket", id="held"))

    def stop(self) -> None:
        """Its connect is held."""

    async def cut(self) -> None:
        self._socket.take_nothing()
        await asyncio.sleep(0)
        await self._socket.cut()


Carrier = Poll | Stream | Push
CARRIERS: dict[str, type[Carrier]] = {
    "long-polling": Poll,
    "callback-polling": Script,
    "eventsource": Stream,
    "websocket": Push,
}


class Journey:
    """One session, its carriers one after the other, and all that they heard."""

    def __init__(self, *, positions: bool) -> None:
        self.server = Server(timeout=30, policy=Open())
        # A newcomer that proves nothing waits for so long until a socket that is there has said nothing.
        self.server._exchange.ping_answered = 0.02
        self.log = Log(self.server)
        self.client_id = ""
        self.carriers: list[Carrier] = []
        self.told: list[int] = []
        self.written: list[str] = []
        self._positions = positions

    async def begin(self) -> None:
        self.client_id = await connected(self.server)
        ext = {"ext": since(None)} if self._positions else {}
        for channel in ("/chat", self.log.channel):
            (reply,) = (await request(self.server, subscribe(self.client_id, channel, **ext))).messages
            assert reply["successful"]

    def at(self) -> dict[str, Any]:
        """What a client that knows its positions sends along."""
        if not self._positions:
            return {}
        seq = self.seqs[-1] if self.seqs else self.log.seq(0)
        return {"ext": {"live": {"at": {self.log.channel: seq}}}}

    @property
    def heard(self) -> list[Any]:
        return [message for carrier in self.carriers for message in carrier.heard]

    @property
    def seqs(self) -> list[str]:
        return seqs([message for message in self.heard if message["channel"] == self.log.channel])

    @property
    def data(self) -> list[Any]:
        return [message["data"] for message in self.heard if message["channel"] == "/chat"]

    async def say(self, count: int) -> None:
        for _ in range(count):
            self.told.append(len(self.told))
            await self.server.publish("/chat", self.told[-1])
            self.written.append(self.log.add(len(self.told) % 3))

    async def board(self, kind: str) -> Carrier:
        carrier = CARRIERS[kind](self.server, self.client_id, self.at)
        self.carriers.append(carrier)
        await carrier.begin()
        return carrier

    async def check(self) -> None:
        await wait_until(lambda: len(self.heard) >= len(self.told) + len(self.written))
        assert self.data == self.told
        assert self.seqs == self.written
        assert list(self.server._exchange.sessions) == [self.client_id]

    async def end(self) -> None:
        for carrier in self.carriers:
            await carrier.cut()
        await self.server.close()


@pytest.fixture(params=["positions", "no-positions"])
async def journey(request: pytest.FixtureRequest) -> Journey:
    journey = Journey(positions=request.param == "positions")
    await journey.begin()
    return journey


@pytest.mark.parametrize("second", CARRIERS)
@pytest.mark.parametrize("first", CARRIERS)
async def test_it_moves_while_the_first_is_still_there(journey: Journey, first: str, second: str) -> None:
    for kind in (first, second, first):
        if journey.carriers:
            journey.carriers[-1].stop()
        await journey.board(kind)
        await journey.say(3)
        await journey.check()
    await journey.end()


@pytest.mark.parametrize("second", CARRIERS)
@pytest.mark.parametrize("first", CARRIERS)
async def test_it_moves_after_a_cut_with_messages_on_the_way(
    journey: Journey, first: str, second: str
) -> None:
    carrier = await journey.board(first)
    await journey.say(3)
    await journey.check()
    for kind in (second, first):
        cutting = asyncio.create_task(carrier.cut())
        await asyncio.sleep(0)
        await journey.say(2)
        await cutting
        await journey.say(2)
        carrier = await journey.board(kind)
        await journey.say(2)
        await journey.check()
    await journey.end()


async def test_a_session_sees_every_transport_in_one_life(journey: Journey) -> None:
    for round_ in range(3):
        for kind in sorted(CARRIERS, reverse=round_ % 2 == 0):
            await journey.say(1)
            if journey.carriers:
                journey.carriers[-1].stop()
            await journey.board(kind)
            await journey.say(2)
            await journey.check()
    await journey.end()
