"""A node: a server with its database on a host of its own, that can be stopped, killed and started again.

Two rules. What serves is what serves in production: the SQLite store, the feed, the Bayeux server, and uvicorn as
``livecollections serve`` runs it; only the loop below, the thread of the statements and the sources of time and chance
are others. A killed node cleans up nothing: its connections end, and its database is as it was committed.

Each life builds its application anew, as a process does. ``live.session()`` needs a thread, so a simulation has none:
users write by REST, or as a program beside the server does (``sql``, ``transaction``).
"""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import uvicorn

from ...cli.server import uvicorn_settings
from ...live import Live
from ...stores.base import Log
from ...stores.sqlite import SQLiteStore
from .host import Host
from .loop import Loop
from .network import Network
from .ordered import OrderedSet
from .process import PROCESS, Killed, Process
from .statements import Statements
from .trace import Trace

POLLS = 0.1, 0.4, 1.0
"""Seconds between two looks for what programs beside the server have committed; one is drawn for each life."""

TICK = 0.1
"""Seconds between two looks of uvicorn for whether it is to end."""

Build = Callable[[SQLiteStore], Live]
"""Makes the application of one life, on a store that is given."""


class _Uvicorn(uvicorn.Server):
    """uvicorn's server, which says when it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        # It ends its connections in the order of a set, which is one of addresses in memory.
        self.server_state.connections = OrderedSet()  # type: ignore[assignment]
        self.server_state.tasks = OrderedSet()  # type: ignore[assignment]
        self.ready = asyncio.Event()
        self._is_told = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        """Wait for the signal, and a moment; uvicorn's own looks ten times a second, which was a tenth of all steps."""
        await self.on_tick(0)
        await self._is_told.wait()
        await asyncio.sleep(PROCESS.get().random.random() * TICK)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._is_told.set()


class Node:
    """A server.

    build: makes the application.  directory: where its database lies.  log: how long its log is kept.
    """

    def __init__(
        self,
        host: Host,
        network: Network,
        trace: Trace,
        loop: Loop,
        build: Build,
        directory: Path,
        *,
        port: int = 8000,
        log: Log | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.path = directory / f"{host.name}.db"
        self.live: Live
        self._network = network
        self._trace = trace
        self._loop = loop
        self._build = build
        self._log = log
        self._shell = Process(host, f"{host.name}'s shell", Random(f"{host.name}'s shell"))
        self._process: Process | None = None
        self._serving: asyncio.Task[None] | None = None
        self._copies = 0
        self._lock = asyncio.Lock()
        self._is_doomed = False

    @property
    def url(self) -> str:
        """Its address, as clients know it."""
        return f"http://{self.host.name}:{self.port}"

    @property
    def is_running(self) -> bool:
        """Whether a process of it is there, perhaps starting or stopping."""
        return self._process is not None and not self._process.is_dead

    @property
    def process(self) -> Process:
        """That process."""
        assert self._process is not None, "it has not been started"
        return self._process

    # Lives.

    async def start(self) -> None:
        """Begin a life; returns when it serves. Raises Killed if it is crashed before."""
        assert not self.is_running, "it runs already"
        self._process = self.host.spawn()
        self._is_doomed = False
        self._network.line(self.host).is_cut_off = False
        self._trace.note(self.host.name, f"starts its life {len(self.host.processes)}")
        await self._process.run(self._begin(self._process))
        self._trace.note(self.host.name, "serves")

    async def _begin(self, process: Process) -> None:
        store = SQLiteStore(
            f"sqlite:///{self.path}",
            log=self._log,
            run=Statements(self._trace, self._lock, self._committed),
            clock=self.host.wall,
            poll=process.random.choice(POLLS),
        )
        self.live = self._build(store)
        settings = uvicorn_settings(log_config=None, access_log=False)
        server = _Uvicorn(uvicorn.Config(self.live.app, host=self.host.name, port=self.port, **settings))
        self._serving = process.start(self._serve(server), f"{self.host.name} serves")
        await server.ready.wait()

    async def _serve(self, server: _Uvicorn) -> None:
        try:
            await server.serve()
        except SystemExit as error:
            raise self._loop.violation(f"{self.host.name} could not start") from error

    async def stop(self) -> None:
        """Stop as at SIGTERM; returns when its process has ended. Raises Killed if it is crashed before."""
        process, serving = self.process, self._serving
        assert serving is not None
        self._trace.note(self.host.name, "is to stop")
        process.signal(signal.SIGTERM)

        async def ended() -> None:
            await asyncio.wait({serving})

        await process.run(ended())
        self._end(process, "has stopped", is_told=True)

    def crash(self, *, power: bool = False) -> None:
        """End its process at once, as SIGKILL does. power: the whole machine, so that nobody is told."""
        self._end(self.process, "loses its power" if power else "is killed", is_told=not power)
        if power:
            self._network.line(self.host).is_cut_off = True

    def crash_after(self, steps: int) -> None:
        """Crash just before the step that comes so many callbacks of its process further on."""
        self.process.at_step(steps, self.crash)

    def crash_at_commit(self) -> None:
        """Crash after the next commit of this life of the server, before anyone has been told of it."""
        self._is_doomed = True

    def _committed(self) -> None:
        if self._is_doomed:
            self._is_doomed = False
            self.crash_after(1)

    async def restart(self, database: Path | None = None) -> None:
        """Begin another life, after a crash or a stop. database: a copy that is put in the place of its own."""
        if database is not None:
            self._restore(database)
        await self.start()

    def _end(self, process: Process, what: str, *, is_told: bool) -> None:
        if process.is_dead:
            raise Killed(f"{process.name} was killed")
        self._trace.note(self.host.name, what)
        process.is_dead = True
        self._network.kill(process, is_told=is_told)
        process.kill()

    # The database.

    def copy(self) -> Path:
        """Copy the database as it is committed now, to be restored by ``restart``."""
        self._copies += 1
        copied = self.path.with_suffix(f".{self._copies}.copy")
        with closing(sqlite3.connect(self.path)) as here, closing(sqlite3.connect(copied)) as there:
            here.backup(there)
        self._trace.note(self.host.name, f"its database is copied ({self._copies})")
        return copied

    def _restore(self, copied: Path) -> None:
        for ending in ("-wal", "-shm"):
            self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
        self.path.write_bytes(copied.read_bytes())
        self._trace.note(self.host.name, f"gets back its database ({copied.suffixes[-2][1:]})")

    def sql(self, statement: str, *parameters: Any) -> list[Any]:
        """Run a statement as another program on the host does, in a transaction of its own; its rows.

        Nothing else happens meanwhile, so nobody may hold the database (``transaction``).
        """
        assert not self._lock.locked() or _reads(statement), "somebody holds the database"
        with closing(self._connect()) as connection:
            rows = connection.execute(statement, parameters).fetchall()
        if not _reads(statement):
            self._trace.note(self.host.name, f"sql {statement} {parameters or ''}".rstrip())
        return rows

    @asynccontextmanager
    async def transaction(self, *, commits: bool = True) -> AsyncIterator[sqlite3.Connection]:
        """A transaction of another program on the host, which may take its time; the server's writes wait.

        commits: False: it is rolled back at its end, as it is if the block raises.
        """
        async with self._lock:
            with closing(self._connect()) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.set_trace_callback(self._told)
                yield connection
                connection.execute("COMMIT" if commits else "ROLLBACK")

    def _connect(self) -> sqlite3.Connection:
        # It is closed by whoever opened it, whatever becomes of the server.
        connection = self._shell.call(lambda: sqlite3.connect(self.path, isolation_level=None))
        self._shell.connections.clear()
        return connection

    def _told(self, statement: str) -> None:
        # Those of triggers begin with a comment.
        if not statement.startswith("--"):
            self._trace.note(self.host.name, f"sql {statement}")


def _reads(statement: str) -> bool:
    return statement.lstrip().upper().startswith("SELECT")
