"""Faults: how each kind of fault is brought about in a simulated world, and how it ends.

Two rules. A fault begins at once when it is asked for, and what lasts ends by itself. While the server is on its way
down or up nothing else happens to its life.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livecollections.bayeux.message import Limits
from livecollections.stores.sql_log import IDEMPOTENT_FOR
from livecollections.testing.simulation.requests import Request

from .actor import PATH
from .history import Step
from .ledger import Past

if TYPE_CHECKING:
    from .actor import Actor
    from .stage import Stage

LIVES = frozenset({"crash", "deploy", "restore", "replay trim"})
"""Those for which the server must serve."""

FAYE = "/faye"
"""Where the server speaks Bayeux."""
LISTLESS = frozenset({"reading", "reset"})
"""States of a collection that waits for its list."""
AWAY = frozenset({"connecting", "resuming"})
"""States of who has a session, and no way to it."""
TODOS = f'"channel":"{PATH}"'.encode()
"""What tells of a change."""
TURN = 0.1
"""Seconds between two looks for whether a client has caught up."""
SOON = 1.2
"""Seconds after which the server has noticed what others have committed."""
STALL = Limits().stall
"""Seconds for which a socket takes no byte before the server squashes what waits for it."""
ROUNDS = 2
"""Round trips that a full window, and what waits for it, may take."""
HELD = 2.0
"""Seconds for which a list is on its way, while something is written that it does not hold."""

SEVERING = frozenset({"cut", "half-open"})
"""Those that happen to connections there are."""
COMING = 5.0
"""Seconds for which a fault of a client's host waits for the client to come."""
LATER = frozenset(
    {
        "drop",
        "duplicate",
        "lost answer",
        "lost last",
        "partition",
        "repeat",
        "replay trim",
        "restore",
        "sleep",
        "trim",
    }
)
"""Those that happen some time after they were asked for, or not at all, and count when they do."""


class Faults:
    """Those of one stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.simulation = stage.simulation
        self.network = stage.simulation.network
        self.server = stage.server
        self.is_changing = False
        self.copies: list[tuple[float, Path, Past]] = []
        self._lasting: Counter[str] = Counter()
        self.aim: str | None = None

    @property
    def is_up(self) -> bool:
        """Whether the server serves."""
        return not self.is_changing and self.server.is_running

    def can(self, step: Step, actor: Actor) -> bool:
        """Whether a fault can happen now."""
        if step.what in SEVERING:
            return self.has_connection(actor)
        return self.is_up or step.what not in LIVES

    def has_connection(self, actor: Actor) -> bool:
        """Whether there is one that could be cut."""
        return bool(self.network.of(actor.host))

    async def befall(self, step: Step, actor: Actor | None) -> None:
        """Let it happen, and return when it is over."""
        self.aim = step.state
        method = getattr(self, "_" + step.what.replace("-", "_").replace(" ", "_"))
        await method(actor, step.detail)

    # The way to a client

    @staticmethod
    def _hold(actor: Actor) -> None:
        """What is sent to it may wait for longer than the server lets it wait unsquashed."""
        for watch in actor.watches:
            watch.stops_reading()

    async def _last(
        self,
        actor: Actor,
        detail: Mapping[str, Any],
        begin: Callable[[], object],
        *,
        counts: str | None = None,
    ) -> None:
        begin()
        self._lasting[actor.host] += 1
        if counts is not None:
            await self._find(counts, actor)
        await asyncio.sleep(detail["seconds"])
        self._lasting[actor.host] -= 1
        if not self._lasting[actor.host]:
            self.network.heal(actor.host)
            for watch in actor.watches:
                watch.reads_on()

    async def _find(self, fault: str, actor: Actor) -> None:
        """Count what has befallen a host when something runs there."""
        with suppress(TimeoutError):
            async with asyncio.timeout(COMING):
                await actor.begun.wait()
                self.stage.meet(fault, actor)

    async def refuse(self, actor: Actor, detail: Mapping[str, Any]) -> None:
        """Let a client connect no more for a while."""
        await self._last(actor, detail, lambda: self.network.refuse(actor.host))

    async def _delay(self, actor: Actor, detail: Mapping[str, Any]) -> None:
        most = detail["most"]
        if ROUNDS * 2 * most >= STALL:
            self._hold(actor)
        await self._last(actor, detail, lambda: self.network.delay(actor.host, most * 0.9, most))

    async def _reorder(self, actor: Actor, detail: Mapping[str, Any]) -> None:
        await self._last(actor, detail, lambda: self.network.delay(actor.host, 0.0, detail["most"]))

    async def _drop(self, actor: Actor, detail: Mapping[str, Any]) -> None:
        text = f'"channel":"{detail["of"]}"' if "of" in detail else ""
        await self._lose(actor, text.encode(), detail["severs"], lambda: self.stage.meet("drop", actor))

    async def _lose(self, actor: Actor, text: bytes, severs: bool, meet: Callable[[], None]) -> None:
        """Lose the next bytes to a client that hold a text, if they come soon."""
        lost = asyncio.Event()

        def matches(connection: Any, data: bytes) -> bool:
            if text in data and not lost.is_set():
                lost.set()
                meet()
                return True
            return False

        self.network.lose(actor.host, matches, severs=severs)
        with suppress(TimeoutError):
            async with asyncio.timeout(3.0):
                await lost.wait()
        lost.set()

    async def _half_open(self, actor: Actor, detail: Mapping[str, Any]) -> None:
        self.network.half_open(actor.host)

    async def _cut(self, actor: Actor, detail: Mapping[str, Any]) -> None:
        self.network.cut(actor.host, reset=detail.get("reset", True))

    async def _partition(self, actor: Actor, detail: Mapping[str, Any]) -> None:
        self._hold(actor)
        await self._last(actor, detail, lambda: self.network.partition(actor.host), counts="partition")

    async def _slow(self, actor: Actor, detail: Mapping[str, Any]) -> None:
        self._hold(actor)
        self.network.slow(actor.host)
        self.stage.shell.flood(detail["title"])
        await self._last(actor, detail, lambda: None)

    async def _sleep(self, actor: Actor, detail: Mapping[str, Any]) -> None:
        host = self.simulation.host(actor.host)
        host.sleep()
        await self._find("sleep", actor)
        await asyncio.sleep(detail["seconds"])
        host.wake()

    async def _duplicate(self, actor: Actor, detail: Mapping[str, Any]) -> None:
        self.network.repeat(actor.host, self._meets("duplicate", actor, detail["title"]))
        await self.stage.on(actor, actor.act(detail, is_repeated=True))

    def _meets(self, fault: str, actor: Actor, title: str) -> Callable[[Request], bool]:
        """Whether a request is the write of a title, which then counts by the states in which it is asked for now."""
        states, named = actor.states(), json.dumps(title).encode()

        def matches(request: Request) -> bool:
            if named not in request.raw:
                return False
            self.stage.meet(fault, actor, states)
            return True

        return matches

    async def _repeat(self, actor: Actor, detail: Mapping[str, Any]) -> None:
        """Have the next request of Bayeux come twice: of who polls any, of the others that for a socket."""
        aim = self.aim

        def matches(request: Request) -> bool:
            if not request.path.startswith(FAYE) or aim not in (None, *actor.states()):
                return False
            self.stage.meet("repeat", actor)
            return True

        if aim == "saving":
            # What it has written is heard before the answer, and then it polls again.
            self.network.hold_answer(actor.host, ("PUT", "PATCH"), HELD)
        self.network.repeat(actor.host, matches, is_retried=detail["retried"])
        if "title" in detail and not actor.is_collection:
            await self.stage.on(actor, actor.publish(detail["title"]))

    async def _lost_answer(self, actor: Actor, detail: Mapping[str, Any]) -> None:
        meets = self._meets("lost answer", actor, detail["title"])

        def matches(connection: Any, data: bytes) -> bool:
            asked = connection.requests.last
            return asked is not None and data.startswith(b"HTTP/1.1") and meets(asked)

        self.network.lose(actor.host, matches, severs=detail["severs"])
        await self.stage.on(actor, actor.act(detail))

    async def _lost_last(self, actor: Actor, detail: Mapping[str, Any]) -> None:
        if self.aim in LISTLESS:
            # What the list holds already would be lost to nobody.
            with suppress(TimeoutError):
                async with asyncio.timeout(3.0):
                    await self.network.hold_answer(actor.host, ("GET",), HELD).wait()
        if self.aim in AWAY:
            # It is told first what was written while it could not come.
            self.stage.shell.do("insert", {"title": f"{detail['title']}.away", "count": 1})
            await self._last(actor, {"seconds": SOON}, lambda: self.network.refuse(actor.host))
        met: list[tuple[str, ...]] = []
        losing = asyncio.create_task(
            self._lose(actor, TODOS, detail["severs"], lambda: met.append(actor.states()))
        )
        # Who is on his way to the server hears only what comes later.
        for number in range(4):
            if not losing.done():
                self.stage.shell.do("insert", {"title": f"{detail['title']}.{number}", "count": 1})
                await asyncio.wait({losing}, timeout=0.1)
        await losing
        if met:
            fault = "lost last" if await self._falls_quiet(actor) else "drop"
            self.stage.meet(fault, actor, met[0])

    async def _falls_quiet(self, actor: Actor) -> bool:
        """Whether a client lacks something, and nothing is committed until he has it: else the next would tell him."""
        ledger = self.stage.ledger
        ledger.look()
        last, lacks = ledger.last, not actor.is_settled
        while lacks and ledger.last == last:
            if not actor.begun.is_set():
                return False
            if actor.is_settled:
                return True
            await asyncio.sleep(TURN)
            ledger.look()
        return False

    # The server

    def forget(self, actor: Actor) -> None:
        """The server ends a client's session, as it does with who was away for long."""
        if not self.is_up or actor.client is None:
            return
        exchange = self.server.live.bayeux._engine.exchange
        for session in [*exchange.sessions.values()]:
            if session.id == actor.client.bayeux._machine.client_id:
                self.stage.note("server", f"forgets the session of {actor.host}")
                self.server.host.call(exchange.end, session)

    async def _crash(self, actor: Actor, detail: Mapping[str, Any]) -> None:
        self.is_changing = True
        crashed = asyncio.Event()

        def crash() -> None:
            self.server.crash()
            crashed.set()

        self.server.process.at_step(detail["awaits"], crash)
        await crashed.wait()
        await self._begin(detail["seconds"])

    async def _deploy(self, actor: Actor, detail: Mapping[str, Any]) -> None:
        self.is_changing = True
        await self.server.stop()
        await self._begin(detail["seconds"])

    async def _begin(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.server.restart()
        self.is_changing = False

    async def copy(self) -> None:
        """Copy the database, to be restored later."""
        if self.is_up:
            self.stage.ledger.look()
            self.copies.append((self.stage.now, self.server.copy(), self.stage.ledger.remember()))

    async def _restore(self, actor: Actor, detail: Mapping[str, Any]) -> None:
        old = [one for one in self.copies if one[0] <= self.stage.now - detail["back"] / 2]
        if not old:
            return
        self.stage.meet("restore", actor)
        self.is_changing = True
        _, copied, past = old[-1]
        self.server.crash()
        await asyncio.sleep(detail["seconds"])
        self.stage.ledger.go_back(past)
        await self.server.restart(copied)
        self.is_changing = False

    async def _trim(self, actor: Actor, detail: Mapping[str, Any]) -> None:
        self._trim_log("trim", actor)

    def _trim_log(self, fault: str, actor: Actor) -> None:
        """Trim what there is; where there is nothing, what is written before."""
        shell, now = self.stage.shell, self.server.host.wall()
        if not shell.trim(now):
            shell.do("insert", {"title": f"{fault} {self.stage.ledger.top}", "count": 1})
            shell.trim(now)
        self.stage.meet(fault, actor)

    async def _replay_trim(self, actor: Actor, detail: Mapping[str, Any]) -> None:
        """Have somebody read what he missed, and trim between the answer that he will and the first batch.

        The batch waits for the state at which the fault is aimed, as on a slow disk.
        """
        started = self.server.live._started
        if started is None:
            return
        feed: Any = started.feed
        aim, others = self.aim, [one for one in self.stage.actors if one is not actor]
        others.sort(key=lambda one: "connected" not in one.states())
        read, used = feed.read, asyncio.Event()

        async def trimmed(*arguments: Any, **named: Any) -> Any:
            if not used.is_set():
                used.set()
                await self.stage.reach(actor, aim)
                self._trim_log("replay trim", actor)
            return await read(*arguments, **named)

        feed.read = trimmed
        # Who comes back in a new session is told from the log.
        self.forget(others[0])
        self.network.cut(others[0].host)
        self.stage.shell.do("insert", {"title": detail["title"], "count": 3})
        with suppress(TimeoutError):
            async with asyncio.timeout(6.0):
                await used.wait()
        used.set()

    async def _clock(self, actor: Actor, detail: Mapping[str, Any]) -> None:
        self.stage.ledger.look()
        self.server.host.jump(detail["by"])
        if detail["by"] > IDEMPOTENT_FOR:
            self.stage.oracle.expire()

    async def _capture(self, actor: Actor, detail: Mapping[str, Any]) -> None:
        self.stage.shell.drop_trigger()

    # The end, and what is measured

    async def end(self) -> None:
        """Heal everything, and let the server serve."""
        self.network.heal()
        for actor in self.stage.actors:
            self.simulation.host(actor.host).wake()
            for watch in actor.watches:
                watch.reads_on()
        if not self.server.is_running:
            await self.server.restart()
        self.is_changing = False

    def told_causes(self) -> set[str]:
        """Why the server has told resets in this life."""
        return {cause.value for cause in self.server.live.bayeux._engine.exchange.resets.counts}

    def memory(self) -> dict[str, int]:
        """Bytes of the server's own that each client's sessions and connections hold, counted where they lie.

        What a system keeps for a connection, as ``Pipe`` does, is none of the server's; nor is an answer of REST.
        """
        held: Counter[str] = Counter()
        exchange = self.server.live.bayeux._engine.exchange
        for session in exchange.sessions.values():
            waiting = (*session.queue, *session.flight.plain)
            held[str(session.address)] += sum(len(message.body) for message in waiting)
        for connection in self.network.of(self.server.host.name):
            asked = connection.requests.last
            if asked is not None and asked.path.startswith(FAYE):
                held[connection.client.address[0]] += connection.server.get_write_buffer_size()
        return held
