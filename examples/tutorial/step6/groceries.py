"""Lists of groceries that their owners share. `livecollections run groceries:app`"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

import people
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.staticfiles import StaticFiles
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel, col
from starlette.requests import HTTPConnection

from livecollections import Live


class Share(SQLModel, table=True):
    owner: str = Field(primary_key=True)
    guest: str = Field(primary_key=True)


@dataclass(frozen=True)
class User:
    name: str
    expires_at: float = field(compare=False)
    lists: frozenset[str] = field(default=frozenset(), compare=False)


async def authenticate(connection: HTTPConnection, ext: Mapping[str, Any]) -> User | None:
    bearer = connection.headers.get("authorization", "").removeprefix("Bearer ")
    async with live.session() as session:
        login = await people.login_of(session, str(ext.get("token") or bearer))
        if login is None:
            return None
        shared = await session.scalars(select(col(Share.owner)).where(col(Share.guest) == login.person))
        return User(login.person, login.expires_at, frozenset([login.person, *shared]))


live = Live("sqlite:///groceries.db", authenticate=authenticate)
Session = Annotated[AsyncSession, Depends(live.session)]


@live.resource("/api/lists/{owner}/items", by=lambda user: user.lists)
class Item(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    owner: str = Field(index=True)
    name: str = Field(min_length=1, max_length=80)
    bought: bool = False


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Make the tables that are no resources."""
    async with live.session() as session:
        await (await session.connection()).run_sync(SQLModel.metadata.create_all)
        await session.commit()
    yield


app = FastAPI(title="Groceries", lifespan=lifespan)
live.mount(app)


@app.post("/people", status_code=201)
async def join(given: people.Credentials, session: Session) -> None:
    await people.join(session, given)


@app.post("/login")
async def log_in(given: people.Credentials, session: Session) -> dict[str, str]:
    return {"token": await people.log_in(session, given)}


async def known(request: Request) -> User:
    user = await authenticate(request, {})
    if user is None:
        raise HTTPException(401, "log in first")
    return user


@app.put("/guests/{guest}", status_code=204)
async def share(guest: str, user: Annotated[User, Depends(known)], session: Session) -> None:
    """Let somebody see and change your list."""
    await session.merge(Share(owner=user.name, guest=guest))
    await session.commit()
    await live.recheck(User(guest, 0))


@app.delete("/guests/{guest}", status_code=204)
async def unshare(guest: str, user: Annotated[User, Depends(known)], session: Session) -> None:
    """Let him see it no more, from now on."""
    await session.execute(delete(Share).where(col(Share.owner) == user.name, col(Share.guest) == guest))
    await session.commit()
    await live.recheck(User(guest, 0))


app.mount("/lib", StaticFiles(directory="node_modules"))
app.mount("/", StaticFiles(directory="page", html=True))
