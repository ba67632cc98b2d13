"""A process in which everything is imported, and which forks the servers and writers that are to be killed.

A life begins in milliseconds so. What was born here is killed and awaited here, so an id is never another's.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from . import shell, site

LIVES: dict[str, Callable[..., None]] = {"server": site.serve, "shell": shell.write}


class Nursery:
    """The other end of the process: ``with Nursery() as nursery``."""

    def __enter__(self) -> Nursery:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._ask()
        return self

    def __exit__(self, *error: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def begin(self, kind: str, output: Path, *arguments: Any) -> int:
        """Begin a life; the answer is its id. output: what it says goes there."""
        return self._ask(begin=kind, output=str(output), arguments=arguments)

    def kill(self, process: int) -> int:
        """End it as a power cut would; the answer is the signal that ended it, 0 if it ended by itself."""
        return self._ask(kill=process)

    def _ask(self, **command: Any) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def main() -> None:
    """Do as the lines of stdin say, each with one line as the answer; at their end, end what still lives."""
    site.warm()
    children: set[int] = set()
    for line in sys.stdin:
        command = json.loads(line)
        answer = 0
        if "begin" in command:
            answer = _begin(command)
            children.add(answer)
        elif "kill" in command:
            answer = _kill(command["kill"])
            children.discard(command["kill"])
        print(answer, flush=True)
    for child in children:
        _kill(child)


def _begin(command: dict[str, Any]) -> int:
    child = os.fork()
    if child:
        return child
    try:
        os.close(0)
        output = os.open(command["output"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.dup2(output, 1)
        os.dup2(output, 2)
        LIVES[command["begin"]](*command["arguments"])
    finally:
        os._exit(1)


def _kill(child: int) -> int:
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


if __name__ == "__main__":
    main()
