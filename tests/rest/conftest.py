"""A Live with a resource of each kind, asked without a socket; and what its database holds, byte for byte."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from livecollections import Live
from tests.models import Book, Everything, Person, Seat, Stamped, Todo, Token

ORIGIN = "https://app.example"
TABLES = (Todo, Everything, Person, Book, Seat, Token, Stamped)


class Api:
    """A started Live, a client of it, and its database seen from outside."""

    def __init__(self, live: Live, path: Path, tables: Sequence[type[Any]] = TABLES) -> None:
        self.live = live
        self.path = path
        self._tables = tables
        # One for the whole test: opening one reads all triggers, which takes longer than what is asked of it.
        self._outside = sqlite3.connect(path)
        self._dump: list[str] = []
        transport = httpx.ASGITransport(live.app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://test")

    def sql(self, statement: str, *parameters: Any) -> list[Any]:
        """Run a statement as a stranger would."""
        with self._outside:
            return self._outside.execute(statement, parameters).fetchall()

    def held(self) -> list[Any]:
        """Every row of every table, the log, and the answers remembered, byte for byte."""
        if not self._dump:
            tables = (*map(table_of, self._tables), "live_changes", "live_idempotency")
            self._dump = [self._select(name) for name in tables]
        return [self._outside.execute(statement).fetchall() for statement in self._dump]

    def _select(self, table: str) -> str:
        columns = self.sql(f"PRAGMA table_info({table})")
        return f"SELECT {', '.join(f'quote({chr(34)}{row[1]}{chr(34)})' for row in columns)} FROM {table}"

    def close(self) -> None:
        """Let go of the database."""
        self._outside.close()

    async def todo(self, **values: Any) -> dict[str, Any]:
        """Create a todo."""
        answer = await self.client.post("/api/todos", json={"title": "milk", **values})
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    path = tmp_path / "rest.db"
    live = Live(f"sqlite:///{path}", allowed_origins=[ORIGIN], synchronous="NORMAL")
    live.add_resource("/api/todos", Todo, tags=["todos"], operators=["order"])
    live.add_resource("/api/few", Todo, limit=2, methods=["get"])
    live.add_resource("/api/two", Todo, limit=2, delete_all=True)
    live.add_resource("/api/careful", Todo, require_if_match=True)
    live.add_resource("/api/cleared", Todo, delete_all=True)
    live.add_resource("/api/everything", Everything, operators=list(Everything.model_fields))
    live.add_resource("/api/locked", Everything, locking="number", operators={"text": ["$set"]})
    live.add_resource("/api/people", Person, operators=["name", "age"])
    live.add_resource("/api/books", Book)
    live.add_resource("/api/shelf", Book, delete_all=True)
    live.add_resource("/api/titles", Book, find_by="title")
    live.add_resource("/api/seats", Seat)
    live.add_resource("/api/tokens", Token)
    live.add_resource("/api/stamped", Stamped, read_only=["touched"])
    async with connected(live, path) as found:
        yield found


@asynccontextmanager
async def connected(live: Live, path: Path, tables: Sequence[type[Any]] = TABLES) -> AsyncIterator[Api]:
    """Start a Live, and ask it. path: of its database.  tables: its models."""
    async with live:
        with closing(Api(live, path, tables)) as found:
            async with found.client:
                yield found


def table_of(model: type[Any]) -> str:
    """The name of a model's table."""
    return str(model.__tablename__)


def is_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Check that an answer is a problem as RFC 9457 has it, without a word of the machine's."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert {"type", "title", "detail"} <= problem.keys()
    assert set(problem) <= {"type", "title", "status", "detail", "errors"}
    for fault in problem.get("errors", []):
        assert fault.keys() - {"parameter"} == {"pointer", "detail"}
        assert fault["pointer"] == "" or fault["pointer"].startswith("/")
    for word in ("Traceback", "sqlite3", "IntegrityError", "rest_", 'File "'):
        assert word not in answer.text
    return problem
