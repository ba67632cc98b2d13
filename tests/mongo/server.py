"""A MongoDB server for tests: the one that MONGODB_URL names, or one of SecantusDB's, in a process of its own.

It is started at the first use of a run and stopped at its end; each test has a database of its own there.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import AutoReconnect

from tests.ports import free_port

REAL = os.environ.get("MONGODB_URL", "")
"""A replica set of MongoDB itself, without a database's name."""
PATIENCE = 60
"""Seconds for its start and what is asked of it: only a server that hangs takes them."""
STOPPING = 10
"""Seconds for its stop."""
NAME = "secantusd-py"


def program() -> str | None:
    """The server's program, of this interpreter's environment if it has one."""
    return shutil.which(NAME, path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")


def is_here() -> bool:
    """Whether a server can be had, and Beanie for its documents: neither is made for each version of Python."""
    return bool(REAL or program()) and find_spec("beanie") is not None


class Server:
    """One of SecantusDB's."""

    def __init__(self, *options: str) -> None:
        self._folder = tempfile.mkdtemp(prefix="livecollections-mongo-")
        self.port = free_port()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.start()
        atexit.register(self.close)

    @property
    def url(self) -> str:
        """Its URL, without a database."""
        return f"mongodb://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, on what it holds."""
        options = ("--port", str(self.port), "--storage-path", f"{self._folder}/data", "--log-level", "ERROR")
        self._process = subprocess.Popen([program() or NAME, *options, *self._options])
        with client(self.url) as connected:
            connected.admin.command("ping")

    def stop(self) -> None:
        """Stop it; what it holds stays. One that does not end when asked, as SecantusDB's now and then, is killed."""
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOPPING)
        self.kill()

    def kill(self) -> None:
        """Have it die at once; what it holds stays."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(PATIENCE)

    def close(self) -> None:
        """Have it die for good."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


def client(url: str) -> MongoClient[dict[str, Any]]:
    """A client that blocks, as another program has one."""
    return MongoClient(
        url, serverSelectionTimeoutMS=PATIENCE * 1_000, uuidRepresentation="standard", tz_aware=True
    )


@cache
def own() -> Server:
    """The server of this run."""
    return Server()


def restart() -> None:
    """Restart the server of this run; a real one steps down, and is elected again."""
    if not REAL:
        own().stop()
        own().start()
        return
    with client(REAL) as connected:
        with suppress(AutoReconnect):
            connected.admin.command("replSetStepDown", 1, force=True)
        connected.admin.command("ping")


def database_url(server: Server | None = None) -> str:
    """The URL of a database that is empty. server: where none is named that all tests use; None: that of this run."""
    base, _, options = (REAL or (server or own()).url).partition("?")
    return f"{base.rstrip('/')}/live_{uuid.uuid4().hex[:12]}" + (f"?{options}" if options else "")
