"""A shop whose todos and orders the commands of the documentation ask for and write."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel

from livecollections import Live

live = Live("sqlite:///shop.db")


@live.resource("/api/todos", operators=["order", "meta"])
class Todo(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str
    completed: bool = False
    order: int = 0
    meta: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))


@live.resource("/api/orders")
class Order(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    status: str
    total: float
    placed: datetime | None = None


app = live.app
