"""The server mounted in a FastAPI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.routing import Route, WebSocketRoute

from .bayeux import PATH, server


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    async with server:
        yield


app = FastAPI(lifespan=lifespan)
app.router.routes += [Route(PATH, server), WebSocketRoute(PATH, server)]
app.mount(PATH, server)


@app.get("/hello")
async def hello() -> dict[str, str]:
    return {"hello": "world"}
