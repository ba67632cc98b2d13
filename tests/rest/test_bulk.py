"""Several documents in one request: one transaction, each fault by its place; deleting all; answers without them."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httpx
import pytest
from sqlmodel import Field, SQLModel

from livecollections import ConfigurationError, InvalidDocument, Operation
from livecollections.rest.bulk import MOST, MOST_TOLD
from tests.databases.database import Database
from tests.databases.fixtures import only
from tests.models import Todo, resource_of
from tests.rest.conftest import Api, is_problem

LOGGED = "SELECT method, key, origin FROM live_changes WHERE method <> 'RESET' ORDER BY seq"
MINIMAL = {"Prefer": "return=minimal"}


def titled(*titles: str) -> list[dict[str, Any]]:
    return [{"title": title} for title in titles]


async def test_several_are_created_in_their_order(api: Api) -> None:
    async with api.live.bayeux.stream("/api/todos") as stream:
        headers = {"Live-Origin": "token"}
        answer = await api.client.post("/api/todos", json=titled("a", "b", "c"), headers=headers)
        heard = [await anext(stream) for _ in range(3)]
    assert answer.status_code == 201
    assert [(each["id"], each["title"]) for each in answer.json()] == [(1, "a"), (2, "b"), (3, "c")]
    listed = await api.client.get("/api/todos")
    assert listed.json() == answer.json()
    assert listed.headers["live-seq"] >= answer.headers["live-seq"] == heard[2]["data"]["seq"]
    assert [message["data"]["origin"] for message in heard] == ["token.0", "token.1", "token.2"]
    assert "location" not in answer.headers, "there is no one place where they are"
    assert (await api.client.post("/api/todos", json=titled("d"))).json() == [
        {"id": 4, "title": "d", "completed": False, "order": None}
    ]


async def test_the_log_of_the_process_tells_each_that_was_committed(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "livecollections.store")
    async with api.live.bayeux.stream("/api/todos") as stream:
        await api.client.post("/api/todos", json=titled("a", "b", "c"))
        await api.client.patch("/api/todos/2", json={"title": "d"})
        await api.client.patch("/api/todos/2", json={"title": "d"})
        await api.client.delete("/api/cleared")
        heard = [await anext(stream) for _ in range(7)]
    told = committed(caplog)
    assert [record.seq for record in told] == [each["data"]["seq"] for each in heard]
    assert [record.documents for record in told] == [3, 3, 3, 1, 3, 3, 3]
    assert len({record.source for record in told}) == 1


@only("sqlite", because="strangers speak SQLite's SQL")
async def test_and_what_triggers_and_cascades_have_written_with_it(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    api.sql("CREATE TRIGGER clerk AFTER INSERT ON rest_book BEGIN "
            "INSERT INTO rest_todo (title, completed) VALUES (NEW.title, 0); END")  # fmt: skip
    caplog.set_level(logging.DEBUG, "livecollections.store")
    answer = await api.client.post("/api/books", json={"isbn": "1", "title": "a"})
    told = committed(caplog)
    assert [record.source for record in told] == ["rest_todo", "rest_book"]
    assert told[-1].seq == answer.headers["live-seq"]


def committed(caplog: pytest.LogCaptureFixture) -> list[Any]:
    """What was told to be committed."""
    return [record for record in caplog.records if record.getMessage().startswith("committed seq=")]


@only("sqlite", "postgres", because="strangers speak SQL")
async def test_what_is_answered_is_what_all_have_left(api: Api) -> None:
    body = [{"isbn": "1", "title": "a"}, {"isbn": "2", "title": "b", "after": "1"}]
    api.trigger("INSERT", "rest_book", "UPDATE rest_book SET shelf = 'sequels' WHERE isbn = NEW.after")
    answer = await api.client.post("/api/books", json=body)
    assert [each["shelf"] for each in answer.json()] == ["sequels", "hall"]
    assert (await api.client.get("/api/books")).json() == answer.json()


@only("sqlite", "postgres", because="MongoDB's documents have one key, called id")
async def test_one_that_is_wrong_is_told_by_its_place_and_none_is_done(api: Api) -> None:
    await api.client.post("/api/books", json={"isbn": "1", "title": "taken"})
    before = api.held()
    for path, body, status, pointers in (
        ("todos", [{"title": "a"}, {"title": ""}, 5, {"title": "b", "x": 1}, {}], 422,
         ["/1/title", "/2", "/3/x", "/4/title"]),
        ("todos", [], 422, [""]),
        ("todos", [{"title": "a"}, {"title": "b", "order": 2**63}], 422, ["/1/order"]),
        ("books", [{"isbn": "2", "title": "a"}, {"isbn": "3", "title": "taken"}], 409, ["/1/title"]),
        ("books", [{"isbn": "2", "title": "a"}, {"isbn": "2", "title": "b"}], 409, ["/1/isbn"]),
        ("books", [{"isbn": "2", "title": "a"}, {"isbn": "3", "title": "b", "after": "9"}], 422, None),
        ("books", [{"isbn": "2", "title": "a", "pages": -1}], 422, ["/0"]),
        ("todos", [{"id": 5, "title": "a"}], 422, ["/0/id"]),
        ("todos", titled("a") * (MOST + 1), 413, []),
        ("todos", [5] * MOST, 422, [f"/{place}" for place in range(MOST_TOLD)]),
    ):  # fmt: skip
        problem = is_problem(await api.client.post(f"/api/{path}", json=body), status)
        if pointers is not None:
            assert [fault["pointer"] for fault in problem.get("errors", [])] == pointers
        assert api.held() == before


async def test_a_repeated_bulk_is_done_once(api: Api) -> None:
    headers = {"Idempotency-Key": "k"}
    first = await api.client.post("/api/todos", json=titled("a", "b"), headers=headers)
    await api.client.delete("/api/todos/1")
    held = api.held()
    again = await api.client.post("/api/todos", json=titled("a", "b"), headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["live-seq"] == first.headers["live-seq"]
    for body in (titled("a"), {"title": "a"}, titled("a", "b", "c")):
        is_problem(await api.client.post("/api/todos", json=body, headers=headers), 422)
    assert api.held() == held


async def test_bulks_at_once_are_whole(api: Api) -> None:
    good = [titled(*(f"{bulk} {place}" for place in range(20))) for bulk in range(10)]
    bad = [[*titled("x", "y"), {"title": ""}] for _ in range(5)]
    answers = await asyncio.gather(*(api.client.post("/api/todos", json=body) for body in [*good, *bad]))
    assert [answer.status_code for answer in answers] == [201] * 10 + [422] * 5
    assert len((await api.client.get("/api/todos")).json()) == 200
    for answer in answers[:10]:
        numbers = [each["id"] for each in answer.json()]
        assert numbers == list(range(numbers[0], numbers[0] + 20)), "nobody else's is among them"


async def test_deleting_all_is_off_unless_it_is_wanted(api: Api) -> None:
    await api.todo()
    before = api.held()
    answer = await api.client.delete("/api/todos")
    is_problem(answer, 405)
    assert "DELETE" not in answer.headers["allow"]
    assert api.held() == before
    assert "DELETE" in (await api.client.options("/api/cleared")).headers["allow"]
    with pytest.raises(ConfigurationError, match="delete_all: True or False"):
        resource_of(Todo, delete_all=1)


async def test_deleting_all_that_a_list_shows(api: Api) -> None:
    await api.client.post("/api/todos", json=[{"title": "a", "order": n % 2} for n in range(10)])
    headers = {"Live-Origin": "sweep"}
    async with api.live.bayeux.stream("/api/todos") as stream:
        answer = await api.client.delete("/api/cleared?order=1&sort=-id&limit=2", headers=headers)
        heard: list[dict[str, Any]] = []
        while len(heard) < 2:  # what was created before may be told now
            data = (await anext(stream))["data"]
            heard += [data] if data["method"] == "DELETE" else []
    assert (answer.status_code, answer.json()) == (200, 2)
    told = [(message["method"], message["body"]["id"], message["origin"]) for message in heard]
    assert told == [("DELETE", 10, "sweep.0"), ("DELETE", 8, "sweep.1")]
    assert answer.headers["live-seq"] == heard[1]["seq"]
    before = api.held()
    for wrong in ("?order=x", "?nothing=1", "?limit=-1"):
        is_problem(await api.client.delete(f"/api/cleared{wrong}"), 400)
    is_problem(await api.client.delete("/api/cleared", headers={"If-Match": '"x"'}), 412)
    is_problem(await api.client.delete("/api/cleared", headers={"If-None-Match": "*"}), 412)
    assert api.held() == before
    assert (await api.client.delete("/api/cleared", headers={"If-Match": "*"})).json() == 8
    nothing = await api.client.delete("/api/cleared")
    assert (nothing.status_code, nothing.json()) == (200, 0)
    assert nothing.headers["live-seq"] == (await api.client.get("/api/todos")).headers["live-seq"]


@only("sqlite", "postgres", because="MongoDB's documents have one key, called id")
async def test_deleting_all_deletes_none_if_one_is_needed(api: Api) -> None:
    await api.client.post(
        "/api/books",
        json=[{"isbn": "1", "title": "a"}, {"isbn": "2", "title": "b"}, {"isbn": "3", "title": "c"}],
    )
    await api.client.patch("/api/books/3", json={"after": "2"})
    before = api.held()
    problem = is_problem(await api.client.delete("/api/shelf?sort=isbn"), 409)
    assert "refer" in problem["detail"]
    assert api.held() == before


async def test_deleting_all_deletes_the_page_that_is_shown(api: Api) -> None:
    await api.client.post("/api/todos", json=titled("a", "b", "c"))
    shown = (await api.client.get("/api/two")).json()
    assert (await api.client.delete("/api/two")).json() == len(shown) == 2
    assert [each["title"] for each in (await api.client.get("/api/todos")).json()] == ["c"]


class Reply(SQLModel, table=True):
    __tablename__ = "rest_reply"
    id: int | None = Field(default=None, primary_key=True)
    to: int | None = Field(default=None, foreign_key="rest_reply.id", ondelete="CASCADE")


async def test_deleting_all_counts_what_an_earlier_one_takes_along(database: Database) -> None:
    told: list[Any] = []
    live = database.live()
    live.add_resource(
        "/api/replies", Reply, delete_all=True, after_commit=lambda done: told.append(done.before)
    )
    transport = httpx.ASGITransport(live.app)
    async with live, httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        await client.post("/api/replies", json=[{}, {"to": 1}, {"to": 2}, {}])
        told.clear()
        answer = await client.delete("/api/replies")
        assert (answer.status_code, answer.json()) == (200, 4)
        assert (await client.get("/api/replies")).json() == []
    assert [(row["id"], row["to"]) for row in told] == [(1, None), (2, 1), (3, 2), (4, None)]


async def test_a_client_may_want_no_document_back(api: Api) -> None:
    created = await api.client.post("/api/todos", json={"title": "a"}, headers=MINIMAL)
    assert (created.status_code, created.content) == (201, b"")
    assert created.headers["location"] == "/api/todos/1"
    assert created.headers["content-length"] == "0"
    several = await api.client.post("/api/todos", json=titled("b", "c"), headers=MINIMAL)
    assert (several.status_code, several.json()) == (201, [{"id": 2}, {"id": 3}])
    put = await api.client.put("/api/todos/1", json={"title": "b"}, headers=MINIMAL)
    patched = await api.client.patch("/api/todos/1", json={"title": "c"}, headers=MINIMAL)
    for answer in (put, patched):
        assert (answer.status_code, answer.content) == (204, b"")
        assert "content-type" not in answer.headers
    for answer in (created, several, put, patched):
        assert answer.headers["preference-applied"] == "return=minimal"
        assert answer.headers["live-seq"]
    assert created.headers["etag"]
    assert patched.headers["etag"] == (await api.client.get("/api/todos/1")).headers["etag"]
    assert "etag" not in put.headers, "it would be taken for that of what was sent"


@only("sqlite", "postgres", because="MongoDB's documents have one key, called id")
async def test_several_are_told_what_they_are_named_by_in_any_format(api: Api) -> None:
    body = [{"isbn": "1", "title": "a"}, {"isbn": "2", "title": "b/c"}]
    answer = await api.client.post("/api/titles", json=body, headers={**MINIMAL, "Accept": "text/csv"})
    assert answer.text.split() == ["isbn,title", '"1","a"', '"2","b/c"']
    seats = [{"row": "a", "place": 1}, {"row": "b", "place": 2}]
    assert (await api.client.post("/api/seats", json=seats, headers=MINIMAL)).json() == seats
    repeated = {**MINIMAL, "Idempotency-Key": "k"}
    first = await api.client.post("/api/todos", json=titled("a", "b"), headers=repeated)
    again = await api.client.post("/api/todos", json=titled("a", "b"), headers=repeated)
    assert first.json() == again.json() == [{"id": 1}, {"id": 2}]


async def test_which_preference_counts(api: Api) -> None:
    await api.todo()
    for stated, minimal in (
        ("respond-async, return=minimal; x=1", True), ('return="minimal"', True), ("RETURN=Minimal", True),
        ("return=minimal, return=representation", True), ("return=representation, return=minimal", False),
        ("return=representation", False), ("minimal", False), ("", False), ("return=minimally", False),
    ):  # fmt: skip
        answer = await api.client.patch("/api/todos/1", json={"title": "x"}, headers={"Prefer": stated})
        assert (answer.status_code == 204) is minimal, stated
        assert ("preference-applied" in answer.headers) is minimal


async def test_each_of_several_has_its_hooks(database: Database) -> None:
    seen: list[tuple[str, str, str]] = []

    def noting(stage: str) -> Any:
        def note(operation: Operation) -> None:
            row = operation.after or operation.before or operation.body or {}
            seen.append((stage, operation.method, row.get("title", "")))
            if stage == "after_write" and row.get("title") == "bad":
                raise InvalidDocument("not this one")

        return note

    live = database.live()
    stages = ("before_validate", "before_write", "after_write", "after_commit")
    live.add_resource("/api/todos", Todo, delete_all=True, **{stage: noting(stage) for stage in stages})
    transport = httpx.ASGITransport(live.app)
    async with live, httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        problem = is_problem(await client.post("/api/todos", json=titled("a", "bad")), 422)
        assert problem["errors"] == [{"pointer": "/1", "detail": "not this one"}]
        assert "after_commit" not in [stage for stage, _, _ in seen]
        assert (await client.get("/api/todos")).json() == []
        seen.clear()
        assert (await client.post("/api/todos", json=titled("a", "b"))).status_code == 201
        assert [(stage, title) for stage, _, title in seen if stage != "before_write"] == [
            (stage, title) for stage in stages if stage != "before_write" for title in "ab"
        ]
        seen.clear()
        assert (await client.delete("/api/todos?sort=title")).json() == 2
        assert seen[0] == ("before_validate", "DELETE", "")
        assert [(stage, title) for stage, _, title in seen[1:]] == [
            ("before_write", "a"), ("after_write", "a"), ("before_write", "b"), ("after_write", "b"),
            ("after_commit", "a"), ("after_commit", "b"),
        ]  # fmt: skip
