"""An application that is served ends with all that it has accepted."""

from __future__ import annotations

import asyncio
import gc
import socket

import pytest

from livecollections.bayeux import Server
from livecollections.testing.served import Served


@pytest.mark.parametrize("turns", range(12))
async def test_a_socket_that_comes_as_it_ends_is_closed(turns: int) -> None:
    """Left open, it is told by Python when it is collected. turns: of the loop, from when it is told to end."""
    with socket.socket() as listening, socket.socket() as coming:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        address = listening.getsockname()
        server = Server()
        served = Served(server, [server], listening)
        await served.start()
        ending = asyncio.create_task(served.stop())
        for _ in range(turns):
            await asyncio.sleep(0)
        coming.setblocking(False)
        coming.connect_ex(address)
        await ending
    del ending, served
    gc.collect()
