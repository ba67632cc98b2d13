"""A real uvicorn on loopback, in the test's own loop, that stops with the test; and waiting for a condition."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from livecollections.testing.served import Uvicorn
from livecollections.testing.waiting import wait_until as wait_until

ASGI = "websockets-sansio"
DIRECT = "livecollections.bayeux.transports.direct:DirectProtocol"
PROTOCOL = DIRECT
"""Of uvicorn: what speaks WebSocket, if a test does not say."""


@asynccontextmanager
async def served(app: Any, **options: Any) -> AsyncIterator[str]:
    """Serve an ASGI application; gives its address, ``http://127.0.0.1:<port>``."""
    options = {"ws": PROTOCOL, **options}
    server = Uvicorn(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", **options))
    await server.begin()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await asyncio.wait_for(server.end(), 10)
