"""What scenario h measures: a todo on MongoDB, pushed to who subscribes. ``$BENCH_DATABASE`` is its URL."""

from __future__ import annotations

import os

from bson import ObjectId
from pydantic import BaseModel, ConfigDict, Field

from livecollections import Live

live = Live(os.environ["BENCH_DATABASE"])


@live.resource("/api/todos")
class Todo(BaseModel):
    class Settings:
        name = "todos"

    model_config = ConfigDict(arbitrary_types_allowed=True)

    id: ObjectId = Field(default_factory=ObjectId, alias="_id")
    title: str
    completed: bool = False
    order: int | None = None


app = live.app
