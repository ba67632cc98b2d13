"""Runs a program as where nothing is but Python itself: ``python -m tests.platforms.elsewhere demo --port 0``.

The fast parts can't be imported, nor can the modules that Windows lacks. What it lacks of ``os``, ``signal`` and
``socket`` is gone, and the loop takes no signal handlers. Without arguments every module is imported and named.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.abc
import os
import pkgutil
import signal
import socket
import sys
from importlib.machinery import ModuleSpec
from typing import Any, NoReturn

HIDDEN = {"fcntl", "grp", "httptools", "pwd", "resource", "termios", "tty", "uvloop"}
LACKING: dict[Any, tuple[str, ...]] = {
    os: ("fork", "forkpty", "getuid", "geteuid", "killpg", "setsid", "getpgid", "uname", "mkfifo"),
    signal: ("SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGKILL", "pthread_sigmask", "setitimer"),
    socket: ("SO_REUSEPORT",),
}
NEEDS = {"asyncpg", "pymongo", "bson", "pytest", "pytest_asyncio", "anyio", "alembic"}
"""What only those have who ask for it: a module of ours may need it."""


class Hide(importlib.abc.MetaPathFinder):
    """Finds none of what is hidden."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


def hide() -> None:
    """Take away what is not elsewhere."""
    for name in [name for name in sys.modules if name.partition(".")[0] in HIDDEN]:
        del sys.modules[name]
    sys.meta_path.insert(0, Hide())
    for module, names in LACKING.items():
        for name in names:
            if hasattr(module, name):
                delattr(module, name)

    def add_signal_handler(self: Any, *arguments: Any) -> NoReturn:
        raise NotImplementedError

    setattr(asyncio.SelectorEventLoop, "add_signal_handler", add_signal_handler)  # noqa: B010


def modules() -> list[str]:
    """Every module of the package, imported."""
    import livecollections

    found = ["livecollections"]
    for each in pkgutil.walk_packages(livecollections.__path__, "livecollections."):
        if each.name.endswith(".__main__"):
            continue
        try:
            importlib.import_module(each.name)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in NEEDS:
                raise
        found.append(each.name)
    return found


if __name__ == "__main__":
    hide()
    if sys.argv[1:]:
        from livecollections.cli import main

        main()
    else:
        print(*modules(), sep="\n")
