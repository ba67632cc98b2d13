"""Hooks: their order, where they run, and that what is raised before the commit leaves nothing behind."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.exceptions import HTTPException

from livecollections import ConfigurationError, InvalidDocument, Live, Operation
from livecollections.hooks import STAGES
from livecollections.rest import hooks
from tests.databases.database import Database
from tests.models import Todo
from tests.rest.conftest import Api, connected, is_problem

WRITES: list[tuple[str, str, dict[str, Any] | None]] = [
    ("POST", "/api/todos", {"title": "bread"}),
    ("PUT", "/api/todos/1", {"title": "bread"}),
    ("PATCH", "/api/todos/1", {"title": "bread"}),
    ("DELETE", "/api/todos/1", None),
]


@asynccontextmanager
async def serving(database: Database, **options: Any) -> AsyncIterator[Api]:
    """A Live whose todos have hooks, with one todo in it."""
    live = database.live()
    live.add_resource("/api/todos", Todo, **options)
    async with connected(live, database) as api:
        database.insert(Todo, {"title": "milk", "completed": False})
        yield api


@pytest.mark.parametrize("is_async", [False, True])
async def test_they_run_in_order_and_never_block_the_loop(database: Database, is_async: bool) -> None:
    ran: list[tuple[str, str, bool]] = []
    loop_thread = threading.get_ident()

    def hook(stage: str) -> Callable[[Operation], Any]:
        def note(operation: Operation) -> None:
            ran.append((operation.method, stage, threading.get_ident() == loop_thread))

        async def note_later(operation: Operation) -> None:
            await asyncio.sleep(0)
            note(operation)

        return note_later if is_async else note

    async with serving(database, **{stage: [hook(stage), hook(stage)] for stage in STAGES}) as api:
        for method, path, body in WRITES:
            ran.clear()
            assert (await api.client.request(method, path, json=body)).is_success
            assert ran == [(method, stage, is_async) for stage in STAGES for _ in range(2)]


@pytest.mark.parametrize("is_async", [False, True])
async def test_an_error_before_the_commit_changes_nothing(database: Database, is_async: bool) -> None:
    failing = ""
    ran: list[str] = []

    def hook(stage: str) -> Callable[[Operation], Any]:
        def refuse(operation: Operation) -> None:
            if stage == failing:
                raise InvalidDocument("not today")
            ran.append(stage)

        async def refuse_later(operation: Operation) -> None:
            refuse(operation)

        return refuse_later if is_async else refuse

    async with serving(database, **{stage: hook(stage) for stage in STAGES}) as api:
        before = api.held()
        for failing in STAGES[:-1]:
            for method, path, body in WRITES:
                ran.clear()
                problem = is_problem(await api.client.request(method, path, json=body), 422)
                assert problem["detail"] == "not today"
                assert api.held() == before
                assert ran == list(STAGES[: STAGES.index(failing)])


async def test_what_they_see_and_may_change(database: Database) -> None:
    seen: list[Operation] = []

    def body(operation: Operation) -> None:
        assert (operation.before, operation.values, operation.after) == (None, {}, None)
        operation.body["title"] = operation.body["title"].strip()

    def values(operation: Operation) -> None:
        assert operation.values.get("title", "bread") == "bread"
        assert operation.before is not None
        operation.values["order"] = (operation.before["order"] or 0) + 1

    options: Any = {"read_only": ["order"], "before_validate": body, "after_validate": values}
    async with serving(database, **options, after_commit=seen.append) as api:
        for expected in (1, 2):
            answer = await api.client.patch("/api/todos/1", json={"title": "  bread "})
            assert answer.json() == {"id": 1, "title": "bread", "completed": False, "order": expected}
    (_, last) = seen
    assert (last.key, last.path) == ((1,), "/api/todos")
    assert last.before == {"id": 1, "title": "bread", "completed": False, "order": 1}
    assert last.after == {"id": 1, "title": "bread", "completed": False, "order": 2}


async def test_a_hook_inside_sees_each_row_as_the_writer_before_it_left_it(database: Database) -> None:
    def count(operation: Operation) -> None:
        assert operation.before is not None
        operation.values["order"] = (operation.before["order"] or 0) + 1

    async with serving(database, before_write=count) as api:
        writes = [api.client.patch("/api/todos/1", json={"title": f"t{n}"}) for n in range(30)]
        answers = await asyncio.gather(*writes)
        assert sorted(answer.json()["order"] for answer in answers) == list(range(1, 31))


async def test_a_plain_function_may_ask_the_database_and_wait_for_the_loop(database: Database) -> None:
    called = threading.Event()
    answered: list[Any] = []

    def ask(operation: Operation) -> None:
        assert called.wait(10), "the loop stood still"
        answered.append(len(database.rows(Todo)))

    async with serving(database, before_validate=ask, before_write=ask, after_commit=ask) as api:
        write = asyncio.ensure_future(api.client.post("/api/todos", json={"title": "bread"}))
        assert (await api.client.get("/api/todos")).status_code == 200
        called.set()
        assert (await write).status_code == 201
    assert answered == [1, 1, 2]


async def test_an_error_after_the_commit_is_logged_and_changes_no_answer(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[Operation] = []

    def fail(operation: Operation) -> None:
        raise ZeroDivisionError

    async with serving(database, after_commit=[fail, ran.append]) as api:
        with caplog.at_level(logging.ERROR, "livecollections.rest"):
            answer = await api.client.post("/api/todos", json={"title": "bread"})
        assert answer.status_code == 201
        assert (await api.client.get(answer.headers["location"])).json() == answer.json()
    (told,) = caplog.records
    assert told.getMessage() == f"/api/todos: after_commit failed seq={answer.headers['live-seq']}"
    assert len(ran) == 1


async def test_a_repeated_request_is_no_second_write(database: Database) -> None:
    ran: list[str] = []
    stages: Any = {
        stage: lambda operation, stage=stage: ran.append(stage) for stage in ("before_write", "after_commit")
    }
    async with serving(database, **stages) as api:
        key = {"Idempotency-Key": "k"}
        for _ in range(2):
            assert (await api.client.post("/api/todos", json={"title": "x"}, headers=key)).status_code == 201
    assert ran == ["before_write", "after_commit"]


async def test_frameworks_own_exceptions_are_problems(database: Database) -> None:
    def pay(operation: Operation) -> None:
        raise HTTPException(402, "the till is open", {"Retry-After": "5"})

    async with serving(database, before_write=pay) as api:
        answer = await api.client.post("/api/todos", json={"title": "x"})
        assert is_problem(answer, 402)["detail"] == "the till is open"
        assert answer.headers["retry-after"] == "5"


async def test_one_that_holds_the_transaction_too_long_is_undone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "PATIENCE", 0.05)
    cancelled = asyncio.Event()

    async def wait(operation: Operation) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with serving(database, after_write=wait) as api:
        before = api.held()
        is_problem(await api.client.delete("/api/todos/1"), 500)
        await asyncio.wait_for(cancelled.wait(), 10)
        assert api.held() == before


@pytest.mark.parametrize("policy", [None, True])
async def test_they_are_told_who_asks(database: Database, policy: bool | None) -> None:
    told: list[Any] = []
    live = database.live(
        authenticate=lambda connection, ext: connection.headers.get("x-user"),
    )
    hooks: Any = dict.fromkeys(("before_validate", "after_commit"), lambda found: told.append(found.user))
    live.add_resource("/api/todos", Todo, policy=policy, **hooks)
    transport = httpx.ASGITransport(live.app)
    async with live, httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        for method, path, body in (("POST", "/api/todos", {"title": "x"}), *WRITES[1:]):
            answer = await client.request(method, path, json=body, headers={"X-User": "ada"})
            assert answer.is_success, answer.text
        assert (await client.post("/api/todos", json=[{"title": "y"}], headers={"X-User": "ada"})).is_success
    assert told == ["ada"] * 10


async def test_what_a_hook_sets_must_be_a_column(database: Database) -> None:
    def mistype(operation: Operation) -> None:
        operation.values["titel"] = "x"

    async with serving(database, before_write=mistype) as api:
        before = api.held()
        is_problem(await api.client.post("/api/todos", json={"title": "x"}), 422)
        assert api.held() == before


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("value", [7, ["x"], [print, None]])
def test_no_function_is_an_error_at_declaration(stage: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"{stage}: a function"):
        Live("sqlite://").add_resource("/api/todos", Todo, **{stage: value})
