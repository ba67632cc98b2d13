"""The resource that scenario f measures: a todo on SQLite, pushed to who subscribes.

``$BENCH_DATABASE`` is the file, ``$BENCH_SYNCHRONOUS`` is FULL or NORMAL.
"""

from __future__ import annotations

import os
from typing import Literal, cast

from sqlmodel import Field, SQLModel

from livecollections import Live

live = Live(
    f"sqlite:///{os.environ['BENCH_DATABASE']}",
    synchronous=cast(Literal["FULL", "NORMAL"], os.environ["BENCH_SYNCHRONOUS"]),
)


@live.resource("/api/todos")
class Todo(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str = Field(max_length=200)
    completed: bool = False
    order: int | None = None


app = live.app
