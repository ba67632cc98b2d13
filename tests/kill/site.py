"""The server of this suite: one resource on SQLite, as shipped, and the faults that can be planted in it."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from typing import Any

import uvicorn
from sqlmodel import Field, SQLModel

from livecollections import Live
from livecollections.stores.base import Write
from livecollections.stores.sql_write import Outcome
from livecollections.stores.sqlite_write import Writer

PATH = "/api/notes"
TABLE = "kill_note"
LATE = 0.3
"""Seconds by which a planted fault does late what belongs together."""


class Note(SQLModel, table=True):
    """A document; its text says who wrote it."""

    __tablename__ = TABLE
    id: int | None = Field(default=None, primary_key=True)
    text: str


def serve(database: str, port: int, fault: str) -> None:
    """Serve until killed."""
    if fault:
        FAULTS[fault]()
    live = Live(f"sqlite:///{database}")
    live.add_resource(PATH, Note)
    with socket.create_server(("127.0.0.1", port), backlog=200) as listener:
        uvicorn.Server(_config(live.app)).run([listener])


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(app, log_level="warning", ws="websockets-sansio")


def warm() -> None:
    """Import what a server imports when it starts."""
    _config(Live("sqlite://").app).load()


# --- planted faults -----------------------------------------------------------------------------------------


def acknowledge_before_commit() -> None:
    """What was written is told at once, and committed with the next write."""

    def perform(writer: Writer, writes: Sequence[Write]) -> list[Outcome]:
        if writer._connection.in_transaction:
            writer._connection.execute("COMMIT")
        writer._connection.begin_immediate()
        return [writer._in_savepoint(each) for each in writes]

    Writer.perform = perform  # type: ignore[method-assign, assignment]


def log_in_another_transaction() -> None:
    """The row is committed, and a little later its entry of the log."""

    def together(writer: Writer, writes: Sequence[Write]) -> list[Outcome]:
        connection = writer._connection
        connection.begin_immediate()
        (start,) = connection.execute("SELECT coalesce(max(seq), 0) FROM live_changes").fetchone()
        outcomes = [writer._in_savepoint(each) for each in writes]
        entries = connection.execute("SELECT * FROM live_changes WHERE seq > ?", (start,)).fetchall()
        connection.execute("DELETE FROM live_changes WHERE seq > ?", (start,))
        connection.execute("COMMIT")
        time.sleep(LATE)
        connection.begin_immediate()
        connection.executemany(
            "INSERT OR IGNORE INTO live_changes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", entries
        )
        connection.execute("COMMIT")
        return outcomes

    Writer._together = together  # type: ignore[method-assign, assignment]


FAULTS = {
    "acknowledge before commit": acknowledge_before_commit,
    "log in another transaction": log_in_another_transaction,
}
