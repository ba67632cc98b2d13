"""A listener: a port of a host at which a process accepts connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from .process import Process


class Place:
    """What stands for a listening socket."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self.family = 2

    def getsockname(self) -> tuple[str, int]:
        return self._address


class Listener(asyncio.AbstractServer):
    """A port.  factory: makes the protocol of each connection.  closed: called when it no longer listens."""

    def __init__(
        self, process: Process, factory: Callable[[], Any], port: int, closed: Callable[[], object]
    ) -> None:
        self.process = process
        self.factory = factory
        self.sockets: Any = (Place((process.host.address, port)),)
        self._closed = closed
        self._is_serving = True

    def close(self) -> None:
        if self._is_serving:
            self._is_serving = False
            self._closed()

    async def wait_closed(self) -> None:
        """It is closed at once."""

    async def start_serving(self) -> None:
        """It does from the beginning."""

    async def serve_forever(self) -> None:
        raise NotImplementedError

    def is_serving(self) -> bool:
        return self._is_serving

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()
