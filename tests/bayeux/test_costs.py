"""What a publish costs, counted: calls and memory for each receiver, and that nobody is looked at who doesn't hear it.

A path that takes a tenth more than noted here fails. Where one has become cheaper, note that.
"""

from __future__ import annotations

import asyncio
import sys
import tracemalloc
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from livecollections.bayeux import Server, Session
from livecollections.bayeux import channel as channels
from livecollections.bayeux.audience import Audience, Subscribers
from livecollections.bayeux.connection import Claim, Connection
from livecollections.bayeux.session import Put

from .test_turn import Direct, turn
from .wire import Log, Open

MORE = 1.1
PUBLISH = {"one": 104, "burst of 50": 2_163, "of a resource": 110}
"""Calls, in Python and C, of a publish and of the end of its turn, to nobody in particular."""
EACH = {"one": 1.0, "burst of 50": 1.0, "of a resource": 5.0}
"""Calls for each receiver more."""
BYTES = {"one": 8.0, "burst of 50": 8.0, "of a resource": 8.0}
"""Bytes of memory for each receiver more, while it lasts."""


class Calls:
    """Counts calls while it is on."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Calls:
        sys.setprofile(self._note)
        return self

    def __exit__(self, *error: object) -> None:
        sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, argument: Any) -> None:
        self.count += event in ("call", "c_call")


async def receivers(server: Server, count: int, name: str) -> list[Session]:
    """Sessions whose socket is written to straight, by a function in C that keeps one frame."""
    sessions = []
    for _ in range(count):
        session = server._exchange.begin()
        server._exchange.admit(session)
        server._exchange.subscribe(session, name)
        sessions.append(session)
        server._exchange.attach(session, _Link())
    await turn()
    for session in sessions:
        session.apart.pop(session)
    return sessions


class _Link:
    """What writes nowhere."""

    connection: Connection | None = None
    claim: Claim | None = None
    headers: list[tuple[bytes, bytes]] | None = None
    is_socket = is_fresh = False
    is_taking = True
    buffered = 0

    def __init__(self) -> None:
        self.session: Session | None = None
        self.put: Put | None = deque[bytes](maxlen=1).append

    def reply(self, reply: dict[str, Any]) -> None: ...

    def wake(self) -> None: ...

    async def wait_room(self) -> None: ...

    def ended(self) -> None: ...

    def abort(self) -> None: ...

    def close(self, code: int) -> None: ...


async def cost(kind: str, count: int) -> tuple[int, int]:
    """Calls and bytes of one turn's publishing to so many."""
    async with Server(policy=Open()) as server:
        log = Log(server, "/a") if kind == "of a resource" else None
        await receivers(server, count, "/a")

        def publish() -> None:
            if log is not None:
                log.add(1)
            for _ in range({"one": 1, "burst of 50": 50}.get(kind, 0)):
                server.publish_nowait("/a", {"title": "milk"})

        def work() -> None:
            publish()
            server._exchange.turn._end()

        work()
        with Calls() as calls:
            work()
        return calls.count, peak(work)


def peak(work: Callable[[], None]) -> int:
    """Bytes that it takes more than there are before, at most."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        work()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", PUBLISH)
async def test_a_publish_costs_one_call_for_each_receiver(kind: str) -> None:
    few, many = await cost(kind, 50), await cost(kind, 250)
    each = (many[0] - few[0]) / 200
    size = (many[1] - few[1]) / 200
    print(kind, few, each, size)
    assert each <= EACH[kind] * MORE
    assert size <= BYTES[kind] * MORE
    assert few[0] - 50 * each <= PUBLISH[kind] * MORE


async def test_a_publish_looks_at_nobody_who_does_not_hear_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Server(policy=Open()) as server, Direct(server) as socket:
        session = await socket.begin(server, "/x/y/z")
        server.publish_nowait("/x/y/z", 1)
        await turn()
        counts = []
        for others in (0, 500):
            for number in range(others):
                strange = server._exchange.begin()
                server._exchange.subscribe(strange, f"/other/{number}/*")
                server._exchange.subscribe(strange, f"/x/{number}/**")
            with Calls() as calls:
                server.publish_nowait("/x/y/z", 1)
                server._exchange.turn._end()
            counts.append(calls.count)
        assert counts[0] == counts[1]
        assert socket.data == [1, 1, 1]
        assert session.is_written


def test_who_hears_a_channel_is_found_by_as_many_names_as_it_has_segments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    audience, asked = Audience(), []

    class Noted(dict[str, Subscribers]):
        def get(self, name: str, default: Any = None) -> Any:
            asked.append(name)
            return super().get(name, default)

    audience._by_name = Noted()
    for number in range(1_000):
        audience.add(Session(str(number), 0, 0.0), f"/a/b/{number}/**")
    for depth in range(1, 12):
        asked.clear()
        name = "/a" * depth
        assert not audience.of(name)
        assert len(asked) == len(channels.expand(name)) == depth + 2


async def test_subscribing_costs_the_same_however_many_have_and_whatever_else_it_has() -> None:
    counts = []
    async with Server(policy=Open()) as server:
        log = Log(server, "/a/b/c")
        exchange = server._exchange
        session = exchange.begin()
        exchange.admit(session)
        for others in (0, 300):
            for number in range(others):
                exchange.subscribe(exchange.begin(), "/a/b/c")
                exchange.subscribe(session, f"/own/{number}")
            with Calls() as calls:
                exchange.subscribe(session, "/a/b/c")
                exchange.unsubscribe(session, "/a/b/c")
                exchange.subscribe(session, "/x/y/*")
                exchange.unsubscribe(session, "/x/y/*")
            counts.append(calls.count)
        assert counts[1] <= counts[0] * MORE
        assert log.channel not in session.positions
    await asyncio.sleep(0)
