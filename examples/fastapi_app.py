"""Inside a FastAPI application: its routes and ours side by side, in one OpenAPI document.

What a route of your own commits through ``live.session`` is heard like anything else, and carries the request's
Live-Origin. Run it: livecollections run examples.fastapi_app:app
"""

from typing import Annotated

from fastapi import Depends, FastAPI
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel

from livecollections import Live, LiveRouter

live = Live("sqlite:///shop.db")
shop = LiveRouter(prefix="/shop")
Session = Annotated[AsyncSession, Depends(live.session)]


@shop.resource("/articles")
class Article(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    price: float


live.include_router(shop)
app = FastAPI(title="A shop")
live.mount(app, prefix="/api")


@app.post("/sale")
async def sale(percent: float, session: Session) -> dict[str, float]:
    """Take a percentage off every price."""
    await session.execute(update(Article).values(price=Article.price * (1 - percent / 100)))
    await session.commit()
    return {"percent": percent}
