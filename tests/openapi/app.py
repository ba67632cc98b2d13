"""An application with a resource of each kind, whose OpenAPI document is held against it."""

from __future__ import annotations

from sqlmodel import Field, SQLModel

from livecollections import Live
from tests.models import Book, Everything, Person, Seat, Stamped, Todo, Token
from tests.rest.baucis.models import Mineral, Nutrient, Vegetable


class Remark(SQLModel, table=True):
    """Below a room, told by a name of its own, and counting its versions."""

    __tablename__ = "openapi_remark"
    id: int | None = Field(default=None, primary_key=True)
    room: str
    slug: str = Field(unique=True, min_length=1, max_length=20)
    text: str = ""
    version: int = 0


live = Live("sqlite://", synchronous="NORMAL", releases=["1.0.0", "2.0.0"])
live.add_resource("/api/todos", Todo, tags=["todos"], versions=">=2", operators=["title", "order"])
live.add_resource("/api/few", Todo, limit=2, methods=["get"])
live.add_resource(
    "/api/everything", Everything, operators=list(Everything.model_fields), last_modified="moment"
)
live.add_resource("/api/people", Person)
live.add_resource("/api/books", Book, links=False)
live.add_resource("/api/seats", Seat, require_if_match=True)
live.add_resource("/api/tokens", Token)
live.add_resource("/api/stamped", Stamped, read_only=["touched"])
live.add_resource("/api/vegetables", Vegetable, policy=True, hidden=["species"])
live.add_resource("/api/nutrients", Nutrient)
live.add_resource("/api/minerals", Mineral, delete_all=True)
live.add_resource("/api/rooms/{room}/remarks", Remark, find_by="slug", locking="version")
