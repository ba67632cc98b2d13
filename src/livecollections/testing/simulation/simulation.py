"""A simulation: real servers and real clients over a network and a clock that come from one seed.

Two rules. The same seed gives the same trace, byte for byte, in every process. A simulation touches no thread, no
socket and no clock of the machine; it has a folder in memory, for databases, as long as it lives.

    def test_a_push_arrives() -> None:
        Simulation(1).run(history)

    async def history(simulation: Simulation) -> None:
        server = simulation.server(lambda store: application(Live(store)))
        await server.start()
        phone = simulation.host("phone")
        await phone.run(user(simulation.client("phone")))

What a user does runs on the host of its client (``host.start``, ``host.run``); the coroutine that is run itself is the
director, which has a host of that name, and to which no fault comes that it does not ask for.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from random import Random
from typing import Any, Self, TypeVar

from ...collection import LiveClient
from ...stores.base import Log
from .host import Host
from .loop import START, Loop
from .network import Network
from .node import Build, Node
from .process import PROCESS
from .sources import installed
from .trace import Trace

T = TypeVar("T")

MEMORY = Path("/dev/shm")
DIRECTOR = "director"
TAIL = 40


class Simulation:
    """One run.

    seed: of everything that is drawn.  limit: seconds of its own time within which it must end.  tail: lines of the
    trace, from its end, that a failure shows.
    """

    def __init__(self, seed: int, *, limit: float = 3_600.0, tail: int = TAIL) -> None:
        self.seed = seed
        self.random = Random(f"{seed}/director")
        self.loop = Loop(limit)
        self.trace = Trace(lambda: self.loop.time() - START)
        self.network = Network(str(seed), self.loop, self.trace)
        self.loop.network = self.network
        self.errors: list[str] = []
        self._tail = tail
        self._nodes: dict[str, Node] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self.loop.set_exception_handler(self._failed)

    # Who is there.

    def host(self, name: str) -> Host:
        """A machine of the network; made when it is first named."""
        return self.network.host(name)

    def server(self, build: Build, name: str = "server", *, log: Log | None = None) -> Node:
        """A server on a host of its own, not started yet. build: makes the application of each of its lives."""
        assert self._folder is not None, "a simulation has servers while it runs"
        node = Node(
            self.host(name), self.network, self.trace, self.loop, build, Path(self._folder.name), log=log
        )
        self._nodes[name] = node
        return node

    def client(self, host: str, server: Node | None = None, **options: Any) -> LiveClient:
        """A LiveClient that lives on a host: it is entered and used by tasks of that host.

        server: None: the first.  options: of LiveClient.
        """
        node = server or next(iter(self._nodes.values()))
        home = self.host(host)

        def headers() -> Mapping[str, str]:
            if PROCESS.get().host is not home:
                raise self.loop.violation(f"the client of {host} is used on {PROCESS.get().host.name}")
            return {}

        return home.call(lambda: LiveClient(node.url, headers=headers, **options))

    def kill(self, host: str) -> None:
        """End the program that runs on a host, as SIGKILL does; the next task that is begun there is another's."""
        process = self.host(host).process
        self.trace.note(host, "is killed")
        process.is_dead = True
        self.network.kill(process, is_told=True)
        process.kill()

    # Running.

    def run(self, history: Callable[[Self], Coroutine[Any, Any, T]]) -> T:
        """Run a history to its end; what still runs then is dropped.

        Raises AssertionError if something asked for what a simulation has not, or failed where nobody saw it. That, and
        whatever the history raises, bears the end of the trace as a note.
        """
        logs = _Logs(self)
        root = logging.getLogger()
        folder = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        with folder, installed(self.loop):
            self._folder = folder
            root.addHandler(logs)
            try:
                director = self.host(DIRECTOR).process
                task = self.loop.create_task(history(self), name=DIRECTOR, context=director.context)
                result: T = self.loop.run_until_complete(task)
            except Exception as error:
                for told in self.errors:
                    error.add_note(f"before, where nobody saw it: {told}")
                self._show(error)
                raise
            finally:
                self._end()
                root.removeHandler(logs)
        wrong = [*self.loop.violations, *self.errors]
        if wrong:
            unseen = AssertionError("; ".join(wrong))
            self._show(unseen)
            raise unseen
        return result

    def _show(self, error: Exception) -> None:
        """Have a failure bear the end of the trace."""
        lines = self.trace.lines(max(0, len(self.trace) - self._tail))
        if lines:
            error.add_note("\n".join(("how it came to that:", *lines)))

    def _end(self) -> None:
        """Drop what still runs, and let it end where nobody sees it."""
        self.trace.close()
        processes = [process for host in self.network.hosts for process in host.processes]
        disabled = logging.root.manager.disable
        logging.disable()
        try:
            for process in processes:
                if not process.is_dead:
                    process.kill()
            self.network.close()
            left = []
            for process in processes:
                tasks, handles = process.exhume()
                left += tasks
                self.loop.resume(handles)
            self.loop.end(left)
        finally:
            logging.disable(disabled)
            self.loop.close()

    def note(self, place: str, what: str) -> None:
        """Put a fact into the trace. Where the database lies is left out: it is another place in each run."""
        folder = "" if self._folder is None else f"{self._folder.name}/"
        self.trace.note(place, what.replace(folder, "") if folder else what)

    def _failed(self, loop: Any, context: dict[str, Any]) -> None:
        error = context.get("exception")
        process = PROCESS.get(None)
        if self.trace.is_closed:
            return
        told = f"{context.get('message')}: {error!r}"
        self.note(process.host.name if process else "network", told)
        self.errors.append(told)


class _Logs(logging.Handler):
    """Puts what is logged into the trace."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__(logging.WARNING)
        self._simulation = simulation

    def emit(self, record: logging.LogRecord) -> None:
        process = PROCESS.get(None)
        told = f"{record.levelname.lower()} {record.name}: {record.getMessage()}"
        if record.exc_info and record.exc_info[1] is not None:
            told += f" ({record.exc_info[1]!r})"
        self._simulation.note(process.host.name if process else "nobody", told)
