"""Meteor's tasks: a publication, a method and their rules. `livecollections run examples.coming_from.meteor:app`"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel, col
from starlette.requests import HTTPConnection

from livecollections import Live, Operation

TOKENS = {"ann's token": "ann", "bob's token": "bob"}


def authenticate(connection: HTTPConnection, ext: Mapping[str, Any]) -> str | None:
    bearer = connection.headers.get("authorization", "").removeprefix("Bearer ")
    return TOKENS.get(ext.get("token") or bearer)


live = Live("sqlite:///meteor.db", authenticate=authenticate)
Session = Annotated[AsyncSession, Depends(live.session)]


def stamp(operation: Operation) -> None:
    if operation.method == "POST":
        operation.values["created_at"] = datetime.now(UTC)


@live.resource(
    "/api/tasks",
    partition="owner",
    by=lambda user: user,
    read_only=["created_at"],
    before_write=stamp,
    sort="-created_at",
)
class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    owner: str = Field(index=True)
    text: str = Field(min_length=1, max_length=200)
    checked: bool = False
    created_at: datetime | None = None


app = FastAPI(title="Tasks")
live.mount(app)


@app.post("/methods/tasks.checkAll", status_code=204)
async def check_all(request: Request, session: Session) -> None:
    """Check all tasks of whoever asks."""
    user = authenticate(request, {})
    if user is None:
        raise HTTPException(401, "not-authorized")
    await session.execute(update(Task).where(col(Task.owner) == user).values(checked=True))
    await session.commit()
