"""What the histories of the log are about: a table, triggers of its user's, writes, and receivers of what is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlmodel import Field, SQLModel

from livecollections.stores.base import Write

USER_TRIGGERS = (
    "CREATE TRIGGER sized AFTER UPDATE OF n ON log_thing WHEN NEW.n > 2 "
    "BEGIN UPDATE log_thing SET size = NEW.n * 0.1 WHERE id = NEW.id; END",
    "CREATE TRIGGER named AFTER INSERT ON log_thing WHEN NEW.name = 'a' "
    "BEGIN UPDATE log_thing SET size = 0.1 WHERE id = NEW.id; END",
    "CREATE TRIGGER told AFTER UPDATE OF n ON log_thing BEGIN INSERT INTO log_aside (note) VALUES (NEW.n); END",
    "CREATE TRIGGER asked BEFORE INSERT ON log_thing BEGIN INSERT INTO log_aside (note) VALUES (NEW.n); END",
    "CREATE TRIGGER thrown AFTER UPDATE OF n ON log_thing WHEN NEW.n = 4 AND NEW.name IS NOT NULL "
    "BEGIN DELETE FROM log_thing WHERE id = NEW.id; END",
)
COLUMNS = ("id", "name", "n", "size", "mark")
Rows = dict[int, dict[str, Any]]


class Thing(SQLModel, table=True):
    __tablename__ = "log_thing"
    id: int | None = Field(default=None, primary_key=True)
    name: str | None = Field(default=None, unique=True)
    n: int | None = None
    size: float | None = None
    mark: int | None = None


class Aside(SQLModel, table=True):
    __tablename__ = "log_aside"
    id: int | None = Field(default=None, primary_key=True)
    note: int | None = None


@dataclass(frozen=True)
class Wanted:
    """A write of ours. key: of its document; None: the database draws one.  mark: what it alone writes."""

    write: Write
    key: int | None
    kind: str
    mark: int


class Receiver:
    """Holds what it was told: a list, and every change since."""

    def __init__(self, rows: Rows, position: str) -> None:
        self.rows = rows
        self.position = position

    def hear(self, data: dict[str, Any]) -> None:
        """Take a message that is no RESET."""
        seq, prev, body = data["seq"], data.get("prev"), data["body"]
        assert prev is None or prev <= self.position, f"a gap: {prev} after {self.position}"
        assert seq > self.position, f"{seq} comes after {self.position}"
        self.position = seq
        if data["method"] == "DELETE":
            self.rows.pop(body["id"], None)
        else:
            self.rows[body["id"]] = body
