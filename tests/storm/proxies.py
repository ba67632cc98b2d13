"""Fault proxies for a program in another language: a JSON command on each line of stdin, an address on stdout.

    python -m tests.storm.proxies http://127.0.0.1:8000

``{"do": "open", "name": "a", "kind": "websocket"}`` is answered by ``{"name": "a", "url": "http://127.0.0.1:…"}``,
``{"do": "count"}`` by how often each fault was met by each kind, as ``{"met": {"cut": {"websocket": 3}}}``. Every other
command is a method of the proxy of that name, with its arguments, and has no answer. It ends with its stdin.

Two rules. A fault is met if a connection ended by it, or bytes went its way while it lasted; that it was asked for is
not enough. ``poll`` is no fault but what ``answer`` met: a connect over HTTP that was answered in the server's place.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from livecollections.testing.proxy import FaultProxy

AT_ONCE = ("cut", "inject")
"""Faults that say whether they met anything."""
LASTING = {
    "half_open": ("swallowed",),
    "refuse": ("refused",),
    "delay": ("up", "down"),
    "throttle": ("up", "down"),
    "age": ("aged",),
    "answer": ("answered",),
}
"""Faults that last until ``heal``, and the counts of ``Traffic`` that rise where they are met."""

POST, CONNECT = b"POST /faye ", b"/meta/connect"
"""How a poll begins, and what it has at once."""


class StormProxy(FaultProxy):
    """polled: called for each poll that is answered in the server's place."""

    def __init__(self, target: str, polled: Callable[[], None]) -> None:
        super().__init__(target)
        self._polled = polled

    def _answered(self, asked: bytes) -> None:
        super()._answered(asked)
        if asked.startswith(POST) and CONNECT in asked:
            self._polled()


class Line:
    """A proxy, and the faults that last on it: by name, the count at their beginning."""

    def __init__(self, kind: str, proxy: FaultProxy) -> None:
        self.kind = kind
        self.proxy = proxy
        self._lasting: dict[str, int] = {}

    def begin(self, fault: str) -> None:
        """A fault begins; one that lasts already is one with it."""
        self._lasting.setdefault(fault, self._count(fault))

    def end(self) -> list[str]:
        """All end; those that were met."""
        met = [fault for fault, before in self._lasting.items() if self._count(fault) > before]
        self._lasting.clear()
        return met

    def _count(self, fault: str) -> int:
        traffic = self.proxy.traffic
        return sum(getattr(traffic, name) for name in LASTING[fault])


class Proxies:
    """Those that are open, by name. met: by fault, how often which kind of line met it."""

    def __init__(self, target: str, stack: AsyncExitStack) -> None:
        self._target = target
        self._stack = stack
        self._lines: dict[str, Line] = {}
        self.met: dict[str, Counter[str]] = defaultdict(Counter)

    async def do(self, do: str, name: str = "", **arguments: Any) -> None:
        """Run one command."""
        if do == "open":
            kind = arguments["kind"]
            proxy = StormProxy(self._target, lambda: self.met["poll"].update([kind]))
            await self._stack.enter_async_context(proxy)
            self._lines[name] = Line(kind, proxy)
            print(json.dumps({"name": name, "url": proxy.url}), flush=True)
        elif do == "count":
            print(json.dumps({"met": self.met}), flush=True)
        else:
            self._fault(self._lines[name], do, arguments)

    def _fault(self, line: Line, fault: str, arguments: dict[str, Any]) -> None:
        if fault == "heal":
            self.met_by(line, line.end())
        elif fault in LASTING:
            line.begin(fault)
        elif fault not in AT_ONCE:
            raise ValueError(f"no fault is called {fault!r}")
        if "noise" in arguments:
            arguments["noise"] = bytes.fromhex(arguments["noise"])
        if getattr(line.proxy, fault)(**arguments):
            self.met_by(line, [fault])

    def met_by(self, line: Line, faults: list[str]) -> None:
        """Count faults that a line has met."""
        for fault in faults:
            self.met[fault][line.kind] += 1


async def main(target: str) -> None:
    """Run what stdin says, to its end."""
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with AsyncExitStack() as stack:
        proxies = Proxies(target, stack)
        async for line in lines:
            await proxies.do(**json.loads(line))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
