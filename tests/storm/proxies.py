"""Fault proxies for a program in another language: a JSON command on each line of stdin, an address on stdout.

    python -m tests.storm.proxies http://127.0.0.1:8000

``{"do": "open", "name": "a"}`` is answered by ``{"name": "a", "url": "http://127.0.0.1:…"}``; every other command is
a method of the proxy of that name, with its arguments, and has no answer. It ends with its stdin.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from typing import Any

from livecollections.testing.proxy import FaultProxy

FAULTS = ("cut", "half_open", "refuse", "delay", "throttle", "age", "answer", "inject", "heal")


class Proxies:
    """Those that are open, by name."""

    def __init__(self, target: str, stack: AsyncExitStack) -> None:
        self._target = target
        self._stack = stack
        self._proxies: dict[str, FaultProxy] = {}

    async def do(self, do: str, name: str, **arguments: Any) -> None:
        """Run one command."""
        if do == "open":
            self._proxies[name] = await self._stack.enter_async_context(FaultProxy(self._target))
            print(json.dumps({"name": name, "url": self._proxies[name].url}), flush=True)
            return
        if "noise" in arguments:
            arguments["noise"] = bytes.fromhex(arguments["noise"])
        if do not in FAULTS:
            raise ValueError(f"no fault is called {do!r}")
        getattr(self._proxies[name], do)(**arguments)


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
