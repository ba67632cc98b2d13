"""What scenario f compares ours with: the same todo written by hand, as the tutorials of its parts show it.

FastAPI with a session for each request, SQLModel, SQLAlchemy's ``AsyncSession`` on aiosqlite, and python-socketio for
the push. Validation and pragmas are those of our resource.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import socketio
from fastapi import Depends, FastAPI
from sqlalchemy import event
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import Field, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession


class TodoBase(SQLModel):
    title: str = Field(max_length=200)
    completed: bool = False
    order: int | None = None


class Todo(TodoBase, table=True):
    id: int | None = Field(default=None, primary_key=True)


class TodoCreate(TodoBase, extra="forbid"):
    pass


class TodoPublic(TodoBase):
    id: int


engine = create_async_engine(f"sqlite+aiosqlite:///{os.environ['BENCH_DATABASE']}")


@event.listens_for(engine.sync_engine, "connect")
def set_pragmas(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute(f"PRAGMA synchronous = {os.environ['BENCH_SYNCHRONOUS']}")
    cursor.execute("PRAGMA busy_timeout = 5000")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.create_all)
    yield
    await engine.dispose()


async def get_session() -> AsyncIterator[AsyncSession]:
    async with AsyncSession(engine, expire_on_commit=False) as session:
        yield session


api = FastAPI(lifespan=lifespan)
push = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")


@api.post("/api/todos", status_code=201, response_model=TodoPublic)
async def create_todo(todo: TodoCreate, session: Annotated[AsyncSession, Depends(get_session)]) -> Todo:
    created = Todo.model_validate(todo)
    session.add(created)
    await session.commit()
    await session.refresh(created)
    await push.emit("created", created.model_dump(mode="json"))
    return created


app = socketio.ASGIApp(push, api)
