"""An application with a resource of each kind, whose OpenAPI document is held against it."""

from __future__ import annotations

from livecollections import Live
from tests.models import Book, Everything, Person, Seat, Stamped, Todo, Token

live = Live("sqlite://", synchronous="NORMAL", releases=["1.0.0", "2.0.0"])
live.add_resource("/api/todos", Todo, tags=["todos"], versions=">=2")
live.add_resource("/api/few", Todo, limit=2, methods=["get"])
live.add_resource("/api/everything", Everything)
live.add_resource("/api/people", Person)
live.add_resource("/api/books", Book)
live.add_resource("/api/seats", Seat, require_if_match=True)
live.add_resource("/api/tokens", Token)
live.add_resource("/api/stamped", Stamped, read_only=["touched"])
