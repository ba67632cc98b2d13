"""A process of the tests' own that is asked questions: one JSON line each way, over its stdin and stdout.

``Child`` is the asking side. ``answer`` is the other: a table of functions, and the loop that calls them.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import resource
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
LINE = 1 << 24
"""Bytes of the longest answer."""


class Child:
    """A Python module that runs as a process: ``async with Child("tests.crowds.server", "a.db") as server``."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._command = (sys.executable, "-m", module, *arguments)
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Child:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE,
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def ask(self, question: str, *, patience: float = 120.0, **arguments: Any) -> Any:
        """What it answers."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        async with self._turn, asyncio.timeout(patience):
            process.stdin.write(json.dumps([question, arguments]).encode() + b"\n")
            line = await process.stdout.readline()
        assert line, f"the process ended while it was asked {question!r}"
        found = json.loads(line)
        assert "error" not in found, found["error"]
        return found["answer"]


def allow_files() -> None:
    """Let this process have as many sockets as the system lets it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def answer(questions: Mapping[str, Callable[..., Any]]) -> None:
    """Answer until stdin ends.

    Args:
        questions: by name, functions of keyword arguments, also coroutine functions.
    """
    reader = asyncio.StreamReader(limit=LINE)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        name, arguments = json.loads(line)
        try:
            found = questions[name](**arguments)
            told = {"answer": await found if inspect.isawaitable(found) else found}
        except Exception as error:
            told = {"error": f"{name}: {error!r}"}
        print(json.dumps(told), flush=True)
