"""A list of groceries, live. `livecollections run groceries:app`"""

from sqlmodel import Field, SQLModel

from livecollections import Live

live = Live("sqlite:///groceries.db")


@live.resource("/api/items")
class Item(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    bought: bool = False


app = live.app
