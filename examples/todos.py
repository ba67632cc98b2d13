"""Ten lines: REST, push and a page of documentation for one table. Run it: livecollections run examples.todos:app"""

from sqlmodel import Field, SQLModel

from livecollections import Live

live = Live("sqlite:///todos.db")


@live.resource("/api/todos")
class Todo(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str
    completed: bool = False
    order: int | None = None


app = live.app
