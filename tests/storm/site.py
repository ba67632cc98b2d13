"""The server of the storm: as many resources as histories run beside one another, on one database.

    DATABASE_URL=sqlite:///storm.db STORM_TABLES=10 livecollections run tests.storm.site:live --port 8000

Two rules. Its tables and their triggers are the storm's own, made before it starts. Its times are a twentieth of
those that we ship, and so is the backlog that is told as a RESET, so that what they are for is met within a history.
"""

from __future__ import annotations

import os
import types

from sqlmodel import Field, SQLModel

from livecollections import Live, feed
from livecollections.bayeux import Server

TIMEOUT = 2.25
PING = 1.0
PONG = 0.5
feed.BATCH, feed.BACKLOG = 50, 500


class Row(SQLModel):
    """What each table holds. v: the row's version, which a trigger of the storm's raises."""

    id: int | None = Field(default=None, primary_key=True)
    title: str
    done: bool = False
    note: str | None = None
    v: int = 1


def table(number: int) -> type[Row]:
    """The class of one table."""
    names = {"__tablename__": f"todo{number}", "__module__": __name__}
    made: type[Row] = types.new_class(
        f"Todo{number}", (Row,), {"table": True}, lambda body: body.update(names)
    )
    return made


live = Live(
    synchronous="NORMAL",
    create_tables=False,
    bayeux=Server(timeout=TIMEOUT, ping=PING, pong=PONG),
)
for number in range(int(os.environ["STORM_TABLES"])):
    live.add_resource(f"/api/todo{number}", table(number), read_only=["v"], sort="done", limit=(5, 1000))
