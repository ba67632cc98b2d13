"""A PostgreSQL server of the tests' own: a cluster in a temporary folder, that ends with them.

It listens on a socket in its folder, and on a free port of loopback. Where it is not said otherwise it never waits for
the disk, a crash of the machine being no test here, and compiles no query, as none is run often. Who is root runs it as
``postgres``, as the server wants it.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg

from tests.ports import free_port

SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "max_prepared_transactions": "20",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "autovacuum": "off",
    "deadlock_timeout": "200ms",
    "jit": "off",
}
END_ALL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE pid <> pg_backend_pid() AND datname = current_database()"
)
"""Ends all connections to a database but one's own."""
WITHIN = 30.0
"""Seconds in which it starts, and stops."""


def program(name: str) -> Path | None:
    """A program of PostgreSQL's, of the newest version that is here; None if there is none."""
    if found := shutil.which(name):
        return Path(os.path.realpath(found))
    versions = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    return max(versions, key=lambda path: float(path.parts[4]), default=None)


def is_here() -> bool:
    """Whether a server can be started."""
    return program("postgres") is not None


class PostgresServer:
    """One cluster. settings: beside SETTINGS, or instead of some."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.port = free_port()
        self._settings = {**SETTINGS, **(settings or {})}
        self._numbers = count(1)
        self._shared: str | None = None
        self._process: subprocess.Popen[bytes] | None = None
        postgres = program("postgres")
        assert postgres, "there is no PostgreSQL here: `make setup-test` installs it"
        self._programs = postgres.parent
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(folder, user.pw_uid, user.pw_gid)
            self._open_way(folder.parent)

    @staticmethod
    def _open_way(folder: Path) -> None:
        """Let the server's user through to its folder."""
        for above in (folder, *folder.parents):
            mode = above.stat().st_mode
            if not mode & 0o001:
                above.chmod(mode | 0o011)

    def make(self) -> None:
        """Make the cluster."""
        self._run(
            "initdb", "-D", str(self.data), "-U", "postgres", "-E", "UTF8", "--locale=C", "-N", "-A", "trust"
        )

    def _run(self, name: str, *arguments: str) -> None:
        command = [str(self._programs / name), *arguments]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False, cwd="/", **self._as)
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")

    @property
    def data(self) -> Path:
        """Where the cluster lies."""
        return self.folder / "data"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = {
            **self._settings,
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.folder),
        }
        command = [str(self._programs / "postgres"), "-D", str(self.data)]
        command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            # In the group of whoever runs the tests, so that it ends with them, whatever happens.
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **self._as)
        deadline = time.monotonic() + WITHIN
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise AssertionError((self.folder / "log").read_text("utf-8", "replace")[-2000:])
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except (OSError, asyncpg.PostgresError):
            return False
        return True

    def stop(self, number: int = signal.SIGINT) -> None:
        """End it: SIGINT has it end all sessions, SIGQUIT is a crash."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(WITHIN)
            self._process = None

    def url(self, database: str = "postgres") -> str:
        """A URL of one of its databases, on its socket."""
        return f"postgresql:///{database}?host={self.folder}&port={self.port}&user=postgres"

    def execute(self, *statements: str, database: str = "postgres") -> None:
        """Run statements, each by itself."""
        for statement in statements:
            execute(self.url(database), statement, together=False)

    def database(self) -> str:
        """Make a database; the answer is its URL."""
        name = f"test{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url(name)

    def schema(self) -> str:
        """Make a schema in a database that such share; the answer is a URL in which it is the first of the search path.

        A database takes longer to make, and some megabytes.
        """
        if self._shared is None:
            self._shared = self.database()
        name = f"schema{next(self._numbers)}"
        execute(self._shared, f"CREATE SCHEMA {name}")
        return f"{self._shared}&search_path={name}"


def execute(url: str, *statements: str, together: bool = True) -> None:
    """Run statements as another program does, beside the loop of a test, which waits. together: in a transaction."""
    with ThreadPoolExecutor(1) as threads:
        threads.submit(asyncio.run, run_elsewhere(url, *statements, together=together)).result()


async def run_elsewhere(url: str, *statements: str, together: bool = True) -> None:
    """Run statements as another program does. together: in one transaction."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"BEGIN; {'; '.join(statements)}; COMMIT" if together else statements[0])
    finally:
        await connection.close()


@contextmanager
def server(
    settings: Mapping[str, str] | None = None, prepare: Callable[[PostgresServer], None] = lambda _: None
) -> Iterator[PostgresServer]:
    """A server that runs, and is gone afterwards. prepare: is given it before it is started."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    running = PostgresServer(folder, settings)
    try:
        running.make()
        prepare(running)
        running.start()
        yield running
    finally:
        with suppress(subprocess.TimeoutExpired):
            running.stop(signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)
