"""A small application, served in the ways that users serve theirs."""

from __future__ import annotations

from fastapi import FastAPI
from sqlmodel import Field, SQLModel
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute

from livecollections import Live
from livecollections.bayeux import Policy, Server

HANDSHAKE = [{"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"]}]
OWN = "sqlite:///never-made-by-a-test.db"


class Article(SQLModel, table=True):
    __tablename__ = "kit_article"
    id: int | None = Field(default=None, primary_key=True)
    name: str
    price: int = 0


def made() -> Live:
    """A Live with one resource."""
    live = Live(OWN)
    live.add_resource("/api/articles", Article)
    return live


def mounted(prefix: str = "") -> FastAPI:
    """In FastAPI."""
    app = FastAPI()
    made().mount(app, prefix)
    return app


def wrapped() -> object:
    """Around another application, inside a middleware."""

    async def home(request: object) -> PlainTextResponse:
        return PlainTextResponse("home")

    return Middleware(made().wrap(Starlette(routes=[Route("/", home)])))


def routed() -> Starlette:
    """As a route of Starlette."""
    live = made()
    return Starlette(routes=[live.router], lifespan=live.lifespan)


def chat() -> Starlette:
    """A Bayeux server without any database, inside another application."""
    server = Server(policy=Policy(subscribe=["/room/*"]))
    at = "/chat"
    return Starlette(routes=[Route(at, server), WebSocketRoute(at, server), Mount(at, server)])


class Middleware:
    """What passes everything on."""

    def __init__(self, app: object) -> None:
        self.app = app

    async def __call__(self, *asgi: object) -> None:
        await self.app(*asgi)  # type: ignore[operator]
