"""The line of the list for MongoDB, where the key is an ObjectId. The page knows no difference."""

from __future__ import annotations

from bson.objectid import ObjectId
from pydantic import BaseModel, ConfigDict


class Todo(BaseModel):
    """As in SQL; what is stored as `_id` is shown as `id`."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    id: ObjectId | None = None
    title: str
    completed: bool = False
    order: int | None = None

    class Settings:
        """Where it is stored."""

        name = "todos"
