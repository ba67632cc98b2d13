"""Around any other ASGI application (Django, Quart, Litestar, …): our paths are ours, the rest is passed on.

Run it: livecollections run examples.wrap_app:app
"""

from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from livecollections import Live

live = Live("sqlite:///notes.db")


class Base(DeclarativeBase):
    pass


@live.resource("/api/notes")
class Note(Base):
    __tablename__ = "note"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(200))


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """The application that was there before."""
    if scope["type"] == "http":
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
        )
        await send({"type": "http.response.body", "body": b"hello from the application inside\n"})


app = live.wrap(hello)
