"""A list of groceries, live, with a page. `livecollections run groceries:app`"""

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from sqlmodel import Field, SQLModel

from livecollections import Live

live = Live("sqlite:///groceries.db")


@live.resource("/api/items")
class Item(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    bought: bool = False


app = FastAPI(title="Groceries")
live.mount(app)
app.mount("/lib", StaticFiles(directory="node_modules"))
app.mount("/", StaticFiles(directory="page", html=True))
