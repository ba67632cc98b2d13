"""A Node process that tells events, and takes commands, each a JSON object on a line of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

Event = dict[str, Any]
N = TypeVar("N", bound="Node")


class Node:
    """The process. events: what it has told, in order; a subclass may hear each."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.events: list[Event] = []

    def hear(self, event: Event) -> None:
        """Take what it tells."""
        self.events.append(event)

    def send(self, command: Event) -> None:
        """Have it do something."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")

    def told(self, event: str, **fields: Any) -> list[Event]:
        """The events of this kind, with these fields."""
        wanted = {"event": event, **fields}.items()
        return [one for one in self.events if wanted <= one.items()]

    async def read(self) -> None:
        """Hear it until it ends."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.hear(json.loads(line))


@asynccontextmanager
async def running(kind: type[N], program: Path, *arguments: str) -> AsyncIterator[N]:
    """Run a program; it is killed in the end."""
    process = await asyncio.create_subprocess_exec(
        "node",
        "--no-deprecation",
        str(program),
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**22,
    )
    node = kind(process)
    reading = asyncio.create_task(node.read())
    try:
        yield node
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading
