"""Real clients in a process of their own: ``python -m tests.crowds.real <port>``. They are cut by a proxy."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

from livecollections.collection import LiveClient, LiveCollection
from livecollections.testing.proxy import FaultProxy

from ..serving import wait_until
from .child import allow_files, answer

AT_ONCE = 20


class Collections:
    """So many LiveClients, each with the collection."""

    def __init__(self, port: int) -> None:
        self._target = f"http://127.0.0.1:{port}"
        self._proxy = FaultProxy(self._target)
        self._collections: list[LiveCollection[dict[str, Any]]] = []
        self._stack = AsyncExitStack()
        self._began = 0.0

    async def run(self) -> None:
        async with self._stack, self._proxy:
            await answer({"join": self.join, "cut": self.cut, "mark": self.mark, "wait": self.wait})

    async def join(self, count: int) -> None:
        for _ in range(0, count, AT_ONCE):
            joining = (self._join() for _ in range(min(AT_ONCE, count - len(self._collections))))
            self._collections += await asyncio.gather(*joining)

    async def _join(self) -> LiveCollection[dict[str, Any]]:
        client = await self._stack.enter_async_context(
            LiveClient(self._proxy.url, transports=("websocket",), timeout=120.0)
        )
        return await self._stack.enter_async_context(client.collection("/api/items"))

    def cut(self) -> None:
        """The network breaks for all of them, in one moment."""
        self.mark()
        self._proxy.cut()

    def mark(self) -> None:
        """From now on the seconds count."""
        self._began = time.monotonic()

    async def wait(self, documents: list[tuple[int, str]], within: float) -> float:
        """Once each collection holds these: the seconds that the last of them took."""
        wanted = dict(documents)

        def late() -> list[str]:
            return [
                one.live
                for one in self._collections
                if one.live != "live" or {item["id"]: item["title"] for item in one} != wanted
            ]

        try:
            await wait_until(lambda: not late(), within)
        except AssertionError:
            raise TimeoutError(f"{len(late())} are late: {Counter(late())}") from None
        return time.monotonic() - self._began


def main() -> None:
    import uvloop

    allow_files()
    uvloop.run(Collections(int(sys.argv[1])).run())


if __name__ == "__main__":
    main()
