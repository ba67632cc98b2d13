"""A Live with a resource of each kind, asked without a socket; and what its database holds, byte for byte.

Each answer is held against the OpenAPI document. Of a test with many cases ``make test`` runs one in three.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from livecollections import Live
from tests.databases.database import Database
from tests.databases.fixtures import database as database
from tests.databases.fixtures import databases as databases
from tests.databases.fixtures import module_database as module_database
from tests.databases.fixtures import postgres as postgres
from tests.databases.fixtures import pytest_generate_tests as pytest_generate_tests
from tests.databases.tables import SQLite, Tables
from tests.models import Book, Everything, Person, Seat, Stamped, Todo, Token
from tests.scale import is_drawn, leave_out, name_of

from .described import Described

ORIGIN = "https://app.example"
MANY, ONE_IN = 8, 3
"""Cases of one test that are many; of so many one is drawn."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    cases = Counter(name_of(item) for item in items if item.path.is_relative_to(Path(__file__).parent))
    leave_out(config, items, lambda item: cases[name_of(item)] > MANY and not is_drawn(item.nodeid, ONE_IN))


class Api:
    """A started Live, a client of it, and its database seen from outside."""

    def __init__(self, live: Live, database: Database) -> None:
        self.live = live
        self.database = database
        transport = httpx.ASGITransport(live.app, raise_app_exceptions=False)
        hooks = {"response": [Described(live).check]}
        self.client = httpx.AsyncClient(transport=transport, base_url="http://test", event_hooks=hooks)

    def sql(self, statement: str) -> list[Any]:
        """Run a statement as a stranger would."""
        assert isinstance(self.database, Tables)
        return self.database.sql(statement)

    def trigger(self, event: str, table: str, statement: str) -> None:
        """Have a statement run after each INSERT or UPDATE of a row, which is NEW."""
        assert isinstance(self.database, Tables)
        self.database.trigger(event, table, statement)

    @property
    def path(self) -> Path:
        """Of the file that the database is."""
        assert isinstance(self.database, SQLite)
        return self.database.path

    def held(self) -> Any:
        """Every row of every table, the log, and the answers remembered, byte for byte."""
        return self.database.held()

    async def todo(self, **values: Any) -> dict[str, Any]:
        """Create a todo."""
        answer = await self.client.post("/api/todos", json={"title": "milk", **values})
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created


@asynccontextmanager
async def served(database: Database) -> AsyncIterator[Api]:
    """Serve a resource of each kind from a database."""
    live = database.live(allowed_origins=[ORIGIN])
    live.add_resource("/api/todos", Todo, tags=["todos"], operators=["order"])
    live.add_resource("/api/few", Todo, limit=2, methods=["get"])
    live.add_resource("/api/two", Todo, limit=2, delete_all=True)
    live.add_resource("/api/careful", Todo, require_if_match=True)
    live.add_resource("/api/cleared", Todo, delete_all=True)
    live.add_resource("/api/everything", Everything, operators=list(Everything.model_fields))
    live.add_resource("/api/locked", Everything, locking="number", operators={"text": ["$set"]})
    live.add_resource("/api/people", Person, operators=["name", "age"])
    if database.kind != "mongo":  # whose documents have one key, called id
        live.add_resource("/api/books", Book)
        live.add_resource("/api/shelf", Book, delete_all=True)
        live.add_resource("/api/titles", Book, find_by="title")
        live.add_resource("/api/seats", Seat)
    live.add_resource("/api/tokens", Token)
    live.add_resource("/api/stamped", Stamped, read_only=["touched"])
    async with connected(live, database) as found:
        yield found


@pytest.fixture
async def api(database: Database) -> AsyncIterator[Api]:
    async with served(database) as found:
        yield found


@asynccontextmanager
async def connected(live: Live, database: Database) -> AsyncIterator[Api]:
    """Start a Live of a database, and ask it."""
    async with live:
        found = Api(live, database)
        async with found.client:
            yield found


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
    for word in ("Traceback", "sqlite3", "asyncpg", "pymongo", "IntegrityError", "rest_", 'File "'):
        assert word not in answer.text
    return problem
