"""Two users, each with notes of his own, and a room in which both talk. `livecollections run examples.two_users:app`"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlmodel import Field, SQLModel
from starlette.requests import HTTPConnection

from livecollections import Live


@dataclass(frozen=True)
class User:
    id: int
    is_teacher: bool
    rooms: tuple[str, ...]


# In your application: a table of sessions, or a JWT that is verified.
TOKENS = {
    "ann's token": User(1, is_teacher=True, rooms=("hall", "staff")),
    "bob's token": User(2, is_teacher=False, rooms=("hall",)),
}


async def authenticate(connection: HTTPConnection, ext: Mapping[str, Any]) -> User | None:
    bearer = connection.headers.get("authorization", "").removeprefix("Bearer ")
    return TOKENS.get(ext.get("token") or bearer)


live = Live("sqlite:///two_users.db", authenticate=authenticate)


@live.resource("/api/notes", partition="owner_id", by=lambda user: user.id)
class Note(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    owner_id: int
    text: str


@live.resource("/api/rooms/{room}/messages", by=lambda user: user.rooms)
class Message(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    room: str
    text: str


@live.resource(
    "/api/pupils",
    policy={
        "list": lambda user: user is not None,
        "read": lambda user: user is not None,
        "create": lambda user: user.is_teacher,
        "update": lambda user: user.is_teacher,
    },
    hidden={"grade": lambda user: not user.is_teacher},
)
class Pupil(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    grade: int = 0


app = live.app
