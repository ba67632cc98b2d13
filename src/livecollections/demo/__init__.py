"""TodoMVC, live: the ten lines that `livecollections demo` serves, and the page that shows them.

It knows nothing of how a change travels: `Live` does that. Its own are the page, with a policy for browsers that lets
in nothing from elsewhere, and the one plain place, `/demo/**`, where anyone may publish and subscribe.
"""

from __future__ import annotations

from pathlib import Path

from sqlmodel import Field, SQLModel
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from livecollections import Live
from livecollections.bayeux import Policy, Server
from livecollections.stores.choice import scheme_of

DATABASE = "sqlite:///todos.db"
STATIC = Path(__file__).parent / "static"


class Todo(SQLModel, table=True):
    """A line of the list; `order` is its place, and the id decides between equals."""

    id: int | None = Field(default=None, primary_key=True)
    title: str
    completed: bool = False
    order: int | None = None


class Page(StaticFiles):
    """The page and its files; a browser asks for each again, so that it never mixes two versions."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with a file, and with what the browser may do with it."""
        response = await super().get_response(path, scope)
        response.headers["Content-Security-Policy"] = "default-src 'self'"
        response.headers["Cache-Control"] = "no-cache"
        return response


def create_app(database: str = DATABASE, metrics: bool = False) -> Starlette:
    """Build the demo.

    database: a URL; the table is made at start where it is missing.  metrics: as of a Live.
    """
    # Anyone may use the plain channels under /demo; everything else stays closed, as in production.
    policy = Policy(subscribe=["/demo/**"], publish=["/demo/**"])
    live = Live(database, bayeux=Server(policy=policy), metrics=metrics)
    live.add_resource("/api/todos", todo_of(database))
    application = live.app
    application.mount("/", Page(directory=STATIC, html=True))
    return application


def todo_of(database: str) -> type:
    """The line of the list, as a database keeps it."""
    if scheme_of(database) != "mongodb":
        return Todo
    from .mongo import Todo as Document

    return Document


app = create_app()

__all__ = ["app", "create_app"]
