"""The shop of the documentation as its systemd unit starts it: a process for each port, in a folder of the test's."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..command import Command, command
from ..conformance.hosts import wait_served
from ..ports import free_port
from .proxies import FILES

PATIENCE = 2.0
"""Of the proxies in tests; so a poll is held for 1.5 s here."""
ORDERS = "/api/orders"
HOME = "/srv/shop"
"""Where the unit has it."""


def unit() -> ConfigParser:
    """The systemd unit, section by section."""
    parser = ConfigParser(interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(FILES / "shop@.service", "utf-8")
    return parser


def exec_start(port: int) -> list[str]:
    """What it starts on a port, with the programs of this environment."""
    words = shlex.split(unit()["Service"]["ExecStart"].replace("%i", str(port)))
    assert words[0].startswith(f"{HOME}/.venv/bin/")
    return [str(Path(sys.executable).with_name(Path(words[0]).name)), *words[1:]]


class Shop:
    """Processes that serve one database, each on its port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        shutil.copy(FILES / "shop.py", folder)
        self.processes: dict[int, Command] = {}
        self._stack = ExitStack()

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.processes]

    def start(self, port: int) -> None:
        """Start one; it may not serve yet."""
        program, *arguments = exec_start(port)
        env = {"PROXY_PATIENCE": str(PATIENCE), "DATABASE_URL": "sqlite:///shop.db"}
        env["PYTHONPATH"] = os.pathsep.join(sys.path)
        running = command(*arguments, cwd=self.folder, env=env, program=Path(program))
        self.processes[port] = self._stack.enter_context(running)

    def wait_served(self) -> None:
        for port, process in self.processes.items():
            wait_served(process, port)

    def end(self) -> None:
        self._stack.close()


@contextmanager
def shop(folder: Path) -> Iterator[Shop]:
    """Two processes that serve."""
    running = Shop(folder)
    try:
        for _ in range(2):
            running.start(free_port())
        running.wait_served()
        yield running
    finally:
        running.end()
