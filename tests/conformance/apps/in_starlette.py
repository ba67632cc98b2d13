"""The server mounted in a Starlette application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Mount, Route, WebSocketRoute

from .bayeux import PATH, server


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    async with server:
        yield


app = Starlette(
    routes=[Route(PATH, server), WebSocketRoute(PATH, server), Mount(PATH, server)],
    lifespan=lifespan,
)
