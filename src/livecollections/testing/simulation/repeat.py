"""Repeat: sends a request once more, on a connection of its own, and listens to no answer."""

from __future__ import annotations

import asyncio

ANSWER = 10.0
"""Seconds for the answer."""


class _Deaf(asyncio.Protocol):
    def __init__(self) -> None:
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.ended.set()

    def connection_lost(self, error: Exception | None) -> None:
        self.ended.set()


async def repeat(raw: bytes, host: str, port: int) -> None:
    """Send bytes to a host, and let go when something comes back. Raises OSError."""
    transport, protocol = await asyncio.get_running_loop().create_connection(_Deaf, host, port)
    try:
        transport.write(raw)
        async with asyncio.timeout(ANSWER):
            await protocol.ended.wait()
    except TimeoutError:
        pass
    finally:
        transport.close()
