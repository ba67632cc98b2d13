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


async def repeat(raw: bytes, host: str, port: int, source: str, patience: float) -> None:
    """Send bytes to a host, and let go when something comes back. Raises OSError.

    Args:
        source: the address for which it is done, as the host sees it.  patience: seconds until it lets go anyway.
    """
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_connection(_Deaf, host, port, local_addr=(source, 0))
    try:
        transport.write(raw)
        async with asyncio.timeout(patience):
            await protocol.ended.wait()
    except TimeoutError:
        pass
    finally:
        transport.close()
