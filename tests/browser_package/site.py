"""A site of a user's: a real Live on SQLite behind pages of its own, under a strict policy."""

from __future__ import annotations

from pathlib import Path

from sqlmodel import Field, SQLModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from livecollections import Live

from .conftest import HERE, MODULES

POLICY = "default-src 'self'"
FREE = {"module"}
"""Pages without the policy: it forbids the import map, which can't be in a file of its own."""


class Todo(SQLModel, table=True):
    __tablename__ = "package_todo"
    id: int | None = Field(default=None, primary_key=True)
    title: str


def make(built: Path) -> ASGIApp:
    """The application; ``built`` is what a bundler has made."""
    live = Live("sqlite://")
    live.add_resource("/api/todos", Todo)

    async def page(request: Request) -> Response:
        name = request.path_params["name"]
        text = (HERE / "pages" / f"{name}.html").read_text("utf-8")
        return HTMLResponse(text, headers={} if name in FREE else {"Content-Security-Policy": POLICY})

    async def no_icon(request: Request) -> Response:
        return Response(status_code=204)

    pages = Starlette(
        routes=[
            Route("/favicon.ico", no_icon),
            Route("/{name}.html", page),
            Mount("/pages", StaticFiles(directory=HERE / "pages")),
            Mount("/node_modules", StaticFiles(directory=MODULES)),
            Mount("/built", StaticFiles(directory=built)),
        ]
    )
    return live.wrap(pages)
