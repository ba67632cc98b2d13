"""A list of groceries, live, that takes no nonsense. `livecollections run groceries:app`"""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.staticfiles import StaticFiles
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel, col

from livecollections import Live, Operation

live = Live("sqlite:///groceries.db")
Session = Annotated[AsyncSession, Depends(live.session)]


def stamp(operation: Operation) -> None:
    if "bought" in operation.values:
        operation.values["bought_at"] = datetime.now(UTC) if operation.values["bought"] else None


@live.resource("/api/items", read_only=["bought_at"], before_write=stamp)
class Item(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(min_length=1, max_length=80)
    bought: bool = False
    bought_at: datetime | None = None


app = FastAPI(title="Groceries")
live.mount(app)


@app.get("/missing")
async def count_missing(session: Session) -> dict[str, int | None]:
    """How many items are still to be bought."""
    return {"missing": await session.scalar(select(func.count()).where(col(Item.bought).is_(False)))}


@app.post("/home", status_code=204)
async def come_home(session: Session) -> None:
    """Take what was bought off the list."""
    await session.execute(delete(Item).where(col(Item.bought).is_(True)))
    await session.commit()


app.mount("/lib", StaticFiles(directory="node_modules"))
app.mount("/", StaticFiles(directory="page", html=True))
