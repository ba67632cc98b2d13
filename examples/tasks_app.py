"""A FastAPI application with a live list of tasks for two users. `livecollections run examples.tasks_app:app`"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel, col
from starlette.requests import HTTPConnection

from livecollections import Live, Operation

# In your application: a table of users, or a JWT that is verified.
TOKENS = {"ann's token": "ann", "bob's token": "bob"}


def authenticate(connection: HTTPConnection, ext: Mapping[str, Any]) -> str | None:
    bearer = connection.headers.get("authorization", "").removeprefix("Bearer ")
    return TOKENS.get(ext.get("token") or bearer)


live = Live("sqlite:///tasks.db", authenticate=authenticate)
Session = Annotated[AsyncSession, Depends(live.session)]


def stamp(operation: Operation) -> None:
    if operation.values.get("done"):
        operation.values["done_at"] = datetime.now(UTC)


@live.resource(
    "/api/tasks",
    partition="owner",
    by=lambda user: user,
    read_only=["done_at"],
    before_write=stamp,
)
class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    owner: str
    title: str = Field(min_length=1, max_length=200)
    done: bool = False
    done_at: datetime | None = None


app = FastAPI(title="Tasks")
live.mount(app)


@app.get("/open")
async def count_open(session: Session) -> dict[str, int | None]:
    """How many tasks are open, of all users."""
    return {"open": await session.scalar(select(func.count()).where(col(Task.done).is_(False)))}
