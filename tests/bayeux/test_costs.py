"""What a publish and a subscribe cost does not depend on who else is there, in calls.

How many calls and how much memory each of the hot paths takes is in ``tests/bench/hotpaths.toml``.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from types import FrameType
from typing import Any

from livecollections.bayeux import Server, Session
from livecollections.bayeux import channel as channels
from livecollections.bayeux.audience import Audience, Subscribers

from .test_turn import Direct, turn
from .wire import Log, Open

MORE = 1.1


class Calls:
    """Counts calls while it is on, and no collection of garbage falls into them: its listeners would count too."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Calls:
        gc.disable()
        sys.setprofile(self._note)
        return self

    def __exit__(self, *error: object) -> None:
        sys.setprofile(None)
        gc.enable()

    def _note(self, frame: FrameType, event: str, argument: Any) -> None:
        self.count += event in ("call", "c_call")


async def test_a_publish_looks_at_nobody_who_does_not_hear_it() -> None:
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


def test_who_hears_a_channel_is_found_by_as_many_names_as_it_has_segments() -> None:
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
                session.watch(f"/own/{number}", log.position())
            with Calls() as calls:
                exchange.subscribe(session, "/a/b/c")
                exchange.unsubscribe(session, "/a/b/c")
                exchange.subscribe(session, "/x/y/*")
                exchange.unsubscribe(session, "/x/y/*")
            counts.append(calls.count)
        assert counts[1] <= counts[0] * MORE
        assert log.channel not in session.positions
    await asyncio.sleep(0)
