"""Each with a list of groceries of his own. `livecollections run groceries:app`"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import people
from fastapi import Depends, FastAPI
from fastapi.staticfiles import StaticFiles
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel
from starlette.requests import HTTPConnection

from livecollections import Live


@dataclass(frozen=True)
class User:
    name: str
    expires_at: float


async def authenticate(connection: HTTPConnection, ext: Mapping[str, Any]) -> User | None:
    bearer = connection.headers.get("authorization", "").removeprefix("Bearer ")
    async with live.session() as session:
        login = await people.login_of(session, str(ext.get("token") or bearer))
    return User(login.person, login.expires_at) if login else None


live = Live("sqlite:///groceries.db", authenticate=authenticate)
Session = Annotated[AsyncSession, Depends(live.session)]


@live.resource("/api/items", partition="owner", by=lambda user: user.name)
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


app.mount("/lib", StaticFiles(directory="node_modules"))
app.mount("/", StaticFiles(directory="page", html=True))
