"""The machine: what it is, and how servers and load generators share it.

One rule: the generator has the last core for itself, servers have the others.
"""

from __future__ import annotations

import os
import platform
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

import orjson
import psutil

ROOT = Path(__file__).parent.parent
PACKAGES = (
    "uvicorn",
    "uvloop",
    "httptools",
    "websockets",
    "orjson",
    "starlette",
    "pydantic",
    "sqlalchemy",
    "sqlmodel",
    "pymongo",
    "secantusdb",
)
PEERS = ("faye", "socket.io", "ws")
ORIGINAL = ("express", "mongoose", "baucis")
"""Of the article's stack, beside Faye."""


def raise_limits() -> None:
    """Allow as many open files as the system lets us."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def open_files() -> int:
    """How many sockets one process may have."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


@contextmanager
def cores(for_servers: bool) -> Iterator[None]:
    """What is started inside runs on the servers' cores, or on the generator's."""
    mine = os.sched_getaffinity(0)
    last = max(mine)
    if len(mine) > 1:
        os.sched_setaffinity(0, mine - {last} if for_servers else {last})
    try:
        yield
    finally:
        os.sched_setaffinity(0, mine)


def facts() -> dict[str, str]:
    """What a reader must know of the machine and of what was measured, in order."""
    return {
        "commit": _output("git", "describe", "--always", "--dirty"),
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "compiler": _output("gcc", "--version").partition("\n")[0],
        "Python": platform.python_version(),
        "Node": _output("node", "--version").removeprefix("v"),
        **{name: version(name) for name in PACKAGES},
        **{f"npm {name}": _npm_version(ROOT, name) for name in PEERS},
        **{f"npm {name}": _npm_version(ROOT / "bench" / "original", name) for name in ORIGINAL},
    }


def load() -> float:
    """How many processes wanted to run in the last minute."""
    return os.getloadavg()[0]


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.machine()


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def _npm_version(folder: Path, name: str) -> str:
    return str(orjson.loads((folder / "node_modules" / name / "package.json").read_bytes())["version"])
