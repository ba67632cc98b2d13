"""Stage: plays a history's steps in a simulated world, at their times, and lets the oracle judge.

Three rules. A step that finds nothing to happen to is passed over, so that any subset of steps can be played. A fault
that is aimed waits a little for its client's state. At the end everything heals, all settle within a deadline of
virtual time, and whoever has not is a broken promise.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Coroutine, Iterator
from typing import Any

import httpx
from sqlmodel import Field, SQLModel

from livecollections import Live
from livecollections.bayeux import MemoryHistory, Policy, Server
from livecollections.bayeux.message import Message, decode
from livecollections.testing.simulation import Killed, Simulation

from .actor import PATH, TALK, Actor
from .faults import LATER, SEVERING, Faults
from .history import SHELL, WRITES, History, Step
from .ledger import TABLE, Ledger, Violation
from .meetings import FAULTS, GLOBAL, Meetings
from .oracle import Oracle
from .shell import Shell

HOLD = 8.0
"""Seconds for which the server holds a connect."""
REACH = 6.0
"""Seconds for which an aimed fault waits for its client's state."""
SETTLE = 120.0
"""Seconds of virtual time within which all settle after the last fault."""
TICK = 0.001
"""Seconds between two looks for a connection of who is in the right state."""
LOOK = 0.25
"""Seconds between two looks of the oracle, and of the stage for whether all has settled."""


class Todo(SQLModel, table=True):
    """What is written."""

    __tablename__ = TABLE
    id: int | None = Field(default=None, primary_key=True)
    title: str
    completed: bool = False
    rank: int | None = None


class Published(MemoryHistory):
    """Tells the oracle of each message on a plain channel, as it is published."""

    def __init__(self, oracle: Oracle) -> None:
        super().__init__()
        self._oracle = oracle

    def keep(self, message: Message, /) -> Message:
        self._oracle.publishes(decode(message)["data"]["title"])
        return super().keep(message)


class Stage:
    """One history in one simulation.

    writes: those that were sent, or done with SQL.  befallen: how many faults have happened.
    """

    def __init__(self, history: History) -> None:
        self.history = history
        self.meetings = Meetings()
        self.writes = self.befallen = 0
        self.actors: list[Actor] = []
        self.simulation: Simulation
        self.ledger: Ledger
        self.oracle: Oracle
        self.shell: Shell
        self.faults: Faults
        self._beginning = ""
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._began = 0.0

    def build(self, store: Any) -> Live:
        """The application of one life of the server."""
        bayeux = Server(timeout=HOLD, policy=Policy(publish=[TALK]))
        bayeux.channel(TALK, history=Published(self.oracle))
        live = Live(store, bayeux=bayeux)
        live.add_resource(PATH, Todo)
        return live

    async def play(self, simulation: Simulation) -> None:
        """Play it all. Raises Violation."""
        self.simulation = simulation
        self.server = simulation.server(self.build)
        self.ledger = Ledger(self.server.path)
        self.oracle = Oracle(self.ledger, self.note)
        self.shell = Shell(self.server, self.ledger, self.note, self.wrote)
        self.faults = Faults(self)
        self.actors = [Actor(number, reader, self) for number, reader in enumerate(self.history.readers)]
        await self.server.start()
        self.ledger.look()
        self._beginning = self.ledger.last
        self._began = simulation.loop.time()
        watching = asyncio.create_task(self._watch())
        watching.add_done_callback(self.ended)
        try:
            await self._play_steps()
            await self._settle()
            await self._finish()
        finally:
            watching.cancel()
            self.ledger.close()

    # The steps

    async def _play_steps(self) -> None:
        for at, act in sorted(self._acts(), key=lambda one: one[0]):
            await self._sleep_until(at)
            self.oracle.check()
            self.spawn(act())

    def _acts(self) -> Iterator[tuple[float, Any]]:
        for actor in self.actors:
            yield actor.reader.at, lambda actor=actor: self._join(actor)
        for step in self.history.steps:
            if step.what == "restore":
                yield max(0.2, step.at - step.detail["back"]), self.faults.copy
            yield step.at, lambda step=step: self._do(step)

    async def _sleep_until(self, at: float) -> None:
        elapsed = self.now
        if at > elapsed:
            await asyncio.sleep(at - elapsed)

    @property
    def now(self) -> float:
        """Seconds since the history began."""
        return self.simulation.loop.time() - self._began

    async def _join(self, actor: Actor) -> None:
        actor.join()

    async def _do(self, step: Step) -> None:
        actor = None if step.who is None else self.actors[step.who % len(self.actors)]
        if step.what in FAULTS:
            await self._befall(step, actor)
        elif step.what in SHELL:
            self.shell.do(step.what, step.detail)
        elif actor is None:
            return
        elif step.what in WRITES:
            await self.on(actor, actor.act(step.detail))
        elif step.what == "publish":
            await self.on(actor, actor.publish(step.detail["title"]))
        elif step.what == "leave":
            await self.on(actor, actor.leave())
            await asyncio.sleep(step.detail["later"])
            actor.join()
        elif step.what == "forget":
            self.faults.forget(actor)
        elif step.what == "lose list":
            # The next is read at once, when the stream is confirmed.
            for _ in range(2):
                self.simulation.network.lose_answer(actor.host, ("GET",))
        elif step.what == "read":
            await self.on(actor, actor.read())
        elif step.what == "hold":
            self.simulation.network.hold_answer(actor.host, step.detail["methods"], step.detail["seconds"])
        elif step.what == "refuse":
            await self.faults.refuse(actor, step.detail)

    async def _befall(self, step: Step, actor: Actor | None) -> None:
        if actor is None:
            return
        if step.what != "replay trim":
            await self.reach(actor, step.state, needs_connection=step.what in SEVERING)
        if not self.faults.can(step, actor):
            return
        if step.what not in LATER:
            self.meet(step.what, actor)
        await self.faults.befall(step, actor)

    def wrote(self) -> None:
        """Count a write that somebody does."""
        self.writes += 1

    def meet(self, fault: str, actor: Actor | None, states: tuple[str, ...] | None = None) -> None:
        """Count whom a fault meets, and in which state; ``states``: the client's, if not those in which it is now."""
        met = self.actors if fault in GLOBAL or actor is None else [actor]
        found = [states or one.states() for one in met]
        named = (f"{one.host} {'/'.join(each)}" for one, each in zip(met, found, strict=True))
        self.note("director", f"{fault} meets {', '.join(named)}")
        self.oracle.befell(fault)
        self.befallen += 1
        for each in found:
            self.meetings.meet(fault, each)

    async def reach(self, actor: Actor, state: str | None, *, needs_connection: bool = False) -> None:
        """Return when a client is in a state, with a connection where one is needed, or has not been for a while."""
        if state is None:
            return
        reached = asyncio.Event()

        def look() -> None:
            if state in actor.states():
                reached.set()

        actor.changed[look] = None
        look()
        try:
            async with asyncio.timeout(REACH):
                while True:
                    if state not in actor.states():
                        reached.clear()
                        await reached.wait()
                    elif needs_connection and not self.faults.has_connection(actor):
                        await asyncio.sleep(TICK)
                    else:
                        return
        except TimeoutError:
            pass
        finally:
            del actor.changed[look]

    # The end

    async def _settle(self) -> None:
        await self._wait_done(45.0)
        self.note("director", "all heals")
        await self.faults.end()
        for actor in self.actors:
            actor.join()
        deadline = self.now + SETTLE
        # More may be written by the server itself: all is quiet when nothing has come between two looks.
        top = -1
        while not self._is_settled() or self.ledger.top != top:
            top = self.ledger.top
            if self.now > deadline:
                late = [actor.host for actor in self.actors if not actor.is_settled]
                raise Violation("G1", f"{late} have not settled within {SETTLE:g} s")
            await asyncio.sleep(LOOK)

    def _is_settled(self) -> bool:
        self.oracle.check()
        is_quiet = not self._tasks and not self.ledger.is_blind
        return is_quiet and all(actor.is_settled for actor in self.actors)

    async def _wait_done(self, most: float) -> None:
        if self._tasks:
            await asyncio.wait({*self._tasks}, timeout=most)

    async def _finish(self) -> None:
        """Compare with what GET says; then all leave, and the server stops."""
        rows = {row["id"]: row for row in await self._get()}
        self.oracle.finish(rows)
        for actor in self.actors:
            for watch in actor.watches:
                watch.finish(rows)
        for actor in self.actors:
            await self.on(actor, actor.leave())
        await self.server.stop()

    async def _get(self) -> Any:
        async with httpx.AsyncClient(base_url=self.server.url, verify=False) as http:
            return (await http.get(PATH)).raise_for_status().json()

    # Tasks

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            if self.faults.is_up:
                self.oracle.check_memory(self.faults.memory(), self.now)
                self.oracle.check_causes(self.faults.told_causes())

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Begin something that nobody waits for until the end."""
        task = asyncio.create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self.ended)

    def ended(self, task: asyncio.Task[Any]) -> None:
        """A task has ended; what it raises is judged."""
        self._tasks.pop(task, None)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Violation):
            self.oracle.fail(error)
        elif error is not None and not isinstance(error, Killed):
            told = "".join(traceback.format_exception(error))
            self.oracle.fail(Violation("error", f"{type(error).__name__}: {told}"))

    async def on(self, actor: Actor, work: Coroutine[Any, Any, Any]) -> Any:
        """Do something on a client's host."""
        return await self.simulation.host(actor.host).run(work)

    def start(self, host: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin a task on a host."""
        return self.simulation.host(host).start(work)

    def beginning(self) -> str:
        """The seq of the log before the first write."""
        return self._beginning

    def causes(self) -> Iterator[str]:
        """Of each reset that a reader was told, the cause."""
        return (cause for actor in self.actors for watch in actor.watches for cause in watch.told.causes)

    def note(self, place: str, text: str) -> None:
        """A line for the trace."""
        self.simulation.note(place, text)
