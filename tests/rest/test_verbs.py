"""Each method on each path: statuses, bodies, headers."""

from __future__ import annotations

import uuid
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI
from pydantic import computed_field, field_validator
from sqlmodel import Field, SQLModel
from starlette.applications import Starlette
from starlette.routing import Mount

from livecollections.resource import Resource
from livecollections.rest import answer
from livecollections.rest.formats import Format
from tests.databases.database import Database
from tests.databases.fixtures import only
from tests.models import Person, Todo
from tests.rest.conftest import Api, is_problem
from tests.serving import wait_until

RESETS = "SELECT seq FROM live_changes WHERE method = 'RESET'"


def was_reset(api: Api, times: int) -> bool:
    return len(api.sql(RESETS)) == times


class NamedTag(SQLModel, table=True):
    __tablename__ = "rest_named_tag"
    name: str = Field(primary_key=True)


async def test_an_empty_list(api: Api) -> None:
    answer = await api.client.get("/api/todos")
    assert (answer.status_code, answer.json()) == (200, [])
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["live-channel"] == "/api/todos"
    assert answer.headers["cache-control"] == "no-cache"
    empty = "0" * 20
    assert answer.headers["live-seq"][8:] == empty or api.database.kind == "mongo", "there it is a time"


async def test_create_read_replace_patch_delete(api: Api) -> None:
    created = await api.client.post("/api/todos", json={"title": "milk"})
    whole = {"id": 1, "title": "milk", "completed": False, "order": None}
    assert (created.status_code, created.json()) == (201, whole)
    assert created.headers["location"] == "/api/todos/1"

    read = await api.client.get(created.headers["location"])
    assert (read.status_code, read.json()) == (200, whole)
    assert api.database.is_level(read.headers["live-seq"], created.headers["live-seq"])
    assert read.headers["cache-control"] == "no-cache"

    replaced = await api.client.put("/api/todos/1", json={"id": 1, "title": "bread", "order": 3})
    assert (replaced.status_code, replaced.json()) == (200, {**whole, "title": "bread", "order": 3})
    patched = await api.client.patch("/api/todos/1", json={"completed": True, "order": None})
    assert (patched.status_code, patched.json()) == (200, {**whole, "title": "bread", "completed": True})
    seqs = [each.headers["live-seq"] for each in (created, replaced, patched)]
    assert seqs == sorted(set(seqs))

    gone = await api.client.delete("/api/todos/1")
    assert (gone.status_code, gone.content) == (204, b"")
    assert gone.headers["live-seq"] > seqs[-1]
    assert "content-type" not in gone.headers
    problem = is_problem(await api.client.get("/api/todos/1"), 404)
    assert problem["title"] == "Not Found"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
async def test_404_says_up_to_which_seq_it_holds(api: Api, method: str) -> None:
    await api.todo()
    head = (await api.client.get("/api/todos")).headers["live-seq"]
    before = api.held()
    body = {"json": {"title": "x"}} if method in ("PUT", "PATCH") else {}
    for key, status in (
        ("99", 404),
        *((key, 400) for key in ("abc", "07", str(2**70), "a%2Fb", "%FF", "null")),
    ):
        answer = await api.client.request(method, f"/api/todos/{key}", **body)  # type: ignore[arg-type]
        assert answer.status_code == status
        assert answer.headers.get("live-seq") == (head if status == 404 else None)
        if method != "HEAD":
            is_problem(answer, status)
    assert api.held() == before


async def test_a_no_op_is_answered_and_not_logged(api: Api) -> None:
    todo = await api.todo()
    before = api.held()
    head = (await api.client.get("/api/todos")).headers["live-seq"]
    for method, body in (("PUT", todo), ("PATCH", {}), ("PATCH", {"title": "milk"})):
        answer = await api.client.request(method, "/api/todos/1", json=body)
        assert (answer.status_code, answer.json()) == (200, todo)
        assert answer.headers["live-seq"] == head
    assert api.held() == before


@only("sqlite", "postgres", because="strangers speak SQL")
async def test_correctness_8_answers_are_read_back_after_triggers(api: Api) -> None:
    for number, (event, change) in enumerate(
        (("UPDATE OF title", '"order" = 100'), ("INSERT", "completed = (1 = 1)"))
    ):
        api.trigger(event, "rest_todo", f"UPDATE rest_todo SET {change} WHERE id = NEW.id")
        # Ours are put before SQLite's again, which is a RESET: an entry that is to be none of those compared below.
        if api.database.kind == "sqlite":
            await wait_until(partial(was_reset, api, number + 1))
    created = await api.client.post("/api/todos", json={"title": "milk"})
    assert created.json()["completed"] is True
    patched = await api.client.patch("/api/todos/1", json={"title": "bread"})
    assert patched.json() == {"id": 1, "title": "bread", "completed": True, "order": 100}
    listed = await api.client.get("/api/todos")
    assert listed.json() == [patched.json()]
    assert listed.headers["live-seq"] == patched.headers["live-seq"]


async def test_head_is_get_without_a_body(api: Api) -> None:
    for _ in range(3):
        await api.todo()
    for path in ("", "/1", "?title=x", "?limit=2", "?limit=3", "?skip=1&limit=1"):
        got, head = await api.client.get(f"/api/todos{path}"), await api.client.head(f"/api/todos{path}")
        assert head.status_code == 200
        assert head.content == b""
        meant = dict(got.headers)
        if not api.database.tells_versions and path != "/1":
            del meant["etag"]  # known, as the length is, only to who makes it
        assert {**head.headers, "content-length": got.headers["content-length"]} == meant


async def test_head_makes_no_form_of_a_document(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.todo()
    csv = {"Accept": "text/csv"}
    tag = (await api.client.get("/api/todos/1", headers=csv)).headers["etag"]
    monkeypatch.delattr(Format, "whole")
    head = await api.client.head("/api/todos/1", headers=csv)
    assert (head.status_code, head.headers["etag"]) == (200, tag)
    assert head.headers["content-type"].startswith("text/csv")
    assert (await api.client.get("/api/todos/1", headers=csv)).status_code == 500


@only("sqlite", "postgres", because="on MongoDB what is not read has no tag")
@pytest.mark.parametrize("query", ["distinct=title", "count=true", "distinct=title&title=milk"])
async def test_head_reads_neither_values_nor_a_number(
    api: Api, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    await api.todo()
    url = f"/api/todos?{query}"
    got = await api.client.get(url)
    lists = api.live._store._lists  # type: ignore[attr-defined]
    for read in ("distinct", "count"):
        monkeypatch.setattr(type(lists), read, None)
    head = await api.client.head(url)
    assert (head.status_code, head.content) == (200, b"")
    assert {**head.headers, "content-length": got.headers["content-length"]} == dict(got.headers)
    assert (await api.client.head(url, headers={"If-None-Match": got.headers["etag"]})).status_code == 304
    assert (await api.client.get(url)).status_code == 500


async def test_head_shows_no_row_of_a_list(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.todo()
    monkeypatch.delattr(Resource, "documents")
    assert (await api.client.head("/api/todos")).status_code == 200
    assert (await api.client.get("/api/todos")).status_code == 500


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/todos", "GET, POST, QUERY, HEAD, OPTIONS"),
        ("/api/todos/1", "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"),
        ("/api/few", "GET, QUERY, HEAD, OPTIONS"),
    ],
)
async def test_options_and_405_name_what_is_allowed(api: Api, path: str, allowed: str) -> None:
    options = await api.client.options(path)
    assert (options.status_code, options.content) == (204, b"")
    assert options.headers["allow"] == allowed
    for method in {"POST", "PUT", "PATCH", "DELETE", "TRACE", "FOO"} - set(allowed.split(", ")):
        answer = await api.client.request(method, path)
        is_problem(answer, 405)
        assert answer.headers["allow"] == allowed


async def test_a_trailing_slash_is_tolerated(api: Api) -> None:
    created = await api.client.post("/api/todos/", json={"title": "milk"})
    assert created.headers["location"] == "/api/todos/1"
    assert (await api.client.get("/api/todos/")).json() == [created.json()]
    assert (await api.client.get("/api/todos/1/")).json() == created.json()
    assert (await api.client.get("/api/todos/1/comments")).status_code == 404


# Lists


async def test_lists_are_filtered_sorted_and_cut(api: Api) -> None:
    for title, order in (("c", 1), ("a", 2), ("b", None), ("a", 1)):
        await api.todo(title=title, order=order, completed=order == 2)

    async def ids(query: str, whole: bool = False) -> list[int]:
        answer = await api.client.get(f"/api/todos?{query}")
        assert answer.status_code == 200, answer.text
        assert ("live-channel" in answer.headers, "live-signal" in answer.headers) == (whole, not whole)
        return [document["id"] for document in answer.json()]

    assert await ids("", whole=True) == [1, 2, 3, 4]
    assert await ids("_=1", whole=True) == [1, 2, 3, 4]
    assert await ids("sort=title", whole=True) == [2, 4, 3, 1]
    assert await ids("sort=-title,-id", whole=True) == [1, 3, 4, 2]
    assert await ids("title=a") == [2, 4]
    assert await ids("title=a&order=1") == [4]
    assert await ids("order=null") == [3]
    assert await ids("skip=1&limit=2") == [2, 3]
    assert await ids("skip=3") == [4]
    assert await ids("limit=9&sort=-id") == [4, 3, 2, 1]


async def test_a_part_says_where_it_goes_on(api: Api) -> None:
    for title in "abcde":
        await api.todo(title=title)
    seen, link, kind = [], "?sort=-title", "live-channel"
    while link:
        answer = await api.client.get(f"/api/few{link}")
        assert answer.headers[kind] == "/api/few", "the first of pages by place stands for the whole"
        kind = "live-signal"
        seen += [document["title"] for document in answer.json()]
        link = answer.links.get("next", {}).get("url", "")
    assert seen == list("edcba")
    assert (await api.client.get("/api/few?limit=3")).status_code == 400


async def test_a_list_is_whole_within_its_limit_and_beyond(api: Api) -> None:
    for count in range(4):
        answer = await api.client.get("/api/few")
        assert answer.headers["live-channel"] == "/api/few"
        assert ("next" in answer.links) == (count > 2)
        unchanged = await api.client.get("/api/few", headers={"If-None-Match": answer.headers["etag"]})
        assert (unchanged.status_code, unchanged.headers["live-channel"]) == (304, "/api/few")
        await api.todo()
    for query in ("limit=2", "skip=1", "select=title", "title=a", "count=true"):
        assert "live-channel" not in (await api.client.get(f"/api/few?{query}")).headers


@only("sqlite", "mongo", because="PostgreSQL's columns take no text beyond their length")
async def test_a_list_that_no_place_can_be_told_of_is_not_whole(api: Api) -> None:
    for _ in range(4):
        await api.todo()
    api.database.update(Todo, {"title": "x" * 9_000})
    answer = await api.client.get("/api/few?sort=title")
    assert "skip=2" in answer.links["next"]["url"]
    assert "live-channel" not in answer.headers, "pages by number may miss what moves"


async def test_a_long_list_is_whole_and_in_order(api: Api) -> None:
    api.database.insert(Todo, *({"id": n, "title": f"t{n}"} for n in range(1, 1702)))
    answer = await api.client.get("/api/todos")
    assert [document["id"] for document in answer.json()] == list(range(1, 1702))


# Keys


KEYS = [
    "a", "a b", "a/b", "a,b", "a%b", "a?b#c", "\u00e9\u4e2d", "a+b", "..x", "a\\b", "a&b=c", "\U0001f600", "a/",
    "~", "null", "/", "//", "a//b", "/a", "\n", "a\n", "a\n/\nb",
]  # fmt: skip


@only("sqlite", "postgres", because="MongoDB's documents have one key, called id")
async def test_string_keys_of_any_characters(api: Api) -> None:
    for key in KEYS:
        created = await api.client.post("/api/books", json={"isbn": key, "title": "t"})
        assert created.status_code == 201
        path = created.headers["location"]
        assert path == f"/api/books/{quote(key, safe='')}"
        assert (await api.client.get(path)).json() == created.json()
        put = await api.client.put(path, json={**created.json(), "pages": 7})
        assert (put.status_code, put.json()["pages"]) == (200, 7)
        assert (await api.client.delete(path)).status_code == 204
        assert (await api.client.get("/api/books")).json() == []


@only("sqlite", "postgres", because="MongoDB's documents have one key, called id")
async def test_uuid_and_composite_keys(api: Api) -> None:
    token = uuid.uuid4()
    created = await api.client.post("/api/tokens", json={"id": str(token), "label": "x"})
    assert created.headers["location"] == f"/api/tokens/{token}"
    assert (await api.client.get(f"/api/tokens/{str(token).upper()}")).json() == created.json()
    made = await api.client.post("/api/tokens", json={})
    assert uuid.UUID(made.json()["id"]) != token

    seat = await api.client.post("/api/seats", json={"row": "a,b", "place": 3})
    assert seat.headers["location"] == "/api/seats/a%2Cb,3"
    path = seat.headers["location"]
    put = await api.client.put(path, json={"row": "a,b", "place": 3, "taken": True})
    assert put.json() == {"row": "a,b", "place": 3, "taken": True}
    is_problem(await api.client.patch(path, json={"place": 4}), 422)
    assert (await api.client.delete(path)).status_code == 204


async def test_a_key_that_a_foreign_writer_made(api: Api) -> None:
    api.database.insert(Todo, {"id": -5, "title": "x"})
    assert (await api.client.get("/api/todos/-5")).json()["id"] == -5


# Values


@only("sqlite", "mongo", because="these keep long integers where none is asked for")
async def test_big_integers_travel_as_strings_both_ways(api: Api) -> None:
    big = 2**60 + 1
    api.database.insert(Todo, {"id": big, "title": "x"})
    listed = (await api.client.get("/api/todos")).json()
    assert listed[0]["id"] == str(big)
    path = f"/api/todos/{big}"
    assert (await api.client.get(path)).json() == listed[0]
    for order in (str(big), big):
        put = await api.client.put(
            path,
            content=f'{{"id": "{big}", "title": "x", "order": {order!r}}}'.replace("'", '"'),
            headers={"Content-Type": "application/json"},
        )
        assert (put.status_code, put.json()["order"]) == (200, str(big))
    [row] = api.database.rows(Todo)
    assert (row["id"], row["order"]) == (big, big)
    for query in (f"order={big}", f"id={big}"):
        assert len((await api.client.get(f"/api/todos?{query}")).json()) == 1
    created = await api.client.post("/api/everything", json={"number": str(-big), "meta": {"deep": [1]}})
    assert created.json()["number"] == str(-big)


async def test_exact_values_come_back(api: Api) -> None:
    body = {
        "text": f"\u00e9{api.database.nul}\U0001f600", "number": -5, "real": 0.1 + 0.2, "flag": True,
        "moment": api.database.moment, "day": "2020-01-02", "price": "1.10",
        "token": str(uuid.uuid4()), "colour": "blue", "blob": "__4=",
        "meta": {"a": [1, {"b": None}], "big": str(2**60)}, "words": ["x", "\u4e2d"],
    }  # fmt: skip
    created = await api.client.post("/api/everything", json=body)
    assert created.status_code == 201, created.text
    assert created.json() == {"id": 1, **body}
    again = await api.client.put("/api/everything/1", json=created.json())
    assert again.json() == created.json()
    assert api.database.is_level(again.headers["live-seq"], created.headers["live-seq"])


@only("sqlite", because="its columns take any value")
async def test_correctness_13_odd_stored_values_are_shown(api: Api) -> None:
    api.sql(
        "INSERT INTO rest_everything (id, text, number, real, flag, blob) VALUES (1, x'80ff', 'abc', 9e999, 7, 'text')"
    )
    api.sql(
        "INSERT INTO rest_everything (id, text, number, real, flag, moment) "
        "VALUES (2, CAST(x'6180' AS TEXT), 1.5, 'x', 0, 'never')"
    )
    answer = await api.client.get("/api/everything")
    assert answer.status_code == 200
    one, two = answer.json()
    assert (one["number"], one["real"]) == ("abc", None)
    assert (two["number"], two["real"], two["moment"]) == (1.5, "x", "never")
    assert two["text"].startswith("a")
    renamed = await api.client.patch(
        "/api/everything/1",
        json={**one, "text": "fine", "number": 1, "flag": True, "blob": None, "real": 1.0},
    )
    assert renamed.status_code == 200, renamed.text


async def test_a_field_with_rules_of_its_own(api: Api) -> None:
    created = await api.client.post("/api/people", json={"name": " ada ", "age": 36, "eMail": "a@b"})
    assert created.json() == {"id": 1, "name": "ada", "age": 36, "eMail": "a@b", "seen": None, "initial": "A"}
    assert api.database.rows(Person)[0]["secret"] == "s3cret"
    assert (await api.client.put("/api/people/1", json={**created.json(), "age": 37})).json()["age"] == 37
    assert api.database.rows(Person)[0]["secret"] == "s3cret"
    assert (await api.client.get("/api/people?eMail=a@b")).json()[0]["id"] == 1
    problem = is_problem(await api.client.patch("/api/people/1", json={"age": 200}), 422)
    assert problem["errors"] == [{"pointer": "", "detail": "nobody is that old"}]


@only("sqlite", "postgres", because="MongoDB's documents have one key, called id")
async def test_defaults_of_the_database(api: Api) -> None:
    created = await api.client.post("/api/books", json={"isbn": "1", "title": "t"})
    assert created.json() == {
        "isbn": "1",
        "title": "t",
        "pages": 100,
        "shelf": "hall",
        "weight": None,
        "after": None,
    }
    await api.client.patch("/api/books/1", json={"shelf": "cellar", "weight": 1.5})
    put = await api.client.put("/api/books/1", json={"title": "u"})
    assert put.json() == {
        "isbn": "1",
        "title": "u",
        "pages": 100,
        "shelf": "cellar",
        "weight": None,
        "after": None,
    }


@only("sqlite", "postgres", because="MongoDB's documents have one key, called id")
async def test_constraints_of_the_database(api: Api) -> None:
    await api.client.post("/api/books", json={"isbn": "1", "title": "t"})
    await api.client.post("/api/books", json={"isbn": "2", "title": "u", "after": "1"})
    before = api.held()
    problem = is_problem(await api.client.post("/api/books", json={"isbn": "3", "title": "t"}), 409)
    assert problem["errors"][0]["pointer"] == "/title"
    assert (
        is_problem(await api.client.post("/api/books", json={"isbn": "1", "title": "v"}), 409)["errors"][0][
            "pointer"
        ]
        == "/isbn"
    )
    is_problem(await api.client.patch("/api/books/2", json={"title": "t"}), 409)
    problem = is_problem(await api.client.patch("/api/books/1", json={"pages": -1}), 422)
    assert problem["title"] == "Unprocessable Content"
    is_problem(await api.client.post("/api/books", json={"isbn": "3", "title": "w", "after": "9"}), 422)
    is_problem(await api.client.delete("/api/books/1"), 409)
    assert api.held() == before


# Headers of requests


@pytest.mark.parametrize("token", ["a", "A.b_c-9", "x" * 64])
async def test_the_origin_is_stamped_on_the_documents_change(api: Api, token: str) -> None:
    async with api.live.bayeux.stream("/api/todos") as stream:
        headers = {"Live-Origin": token}
        await api.client.post("/api/todos", json={"title": "x"}, headers=headers)
        await api.client.put("/api/todos/1", json={"title": "y"}, headers=headers)
        await api.client.patch("/api/todos/1", json={"title": "z"}, headers=headers)
        await api.client.delete("/api/todos/1", headers=headers)
        heard = [(await anext(stream))["data"] for _ in range(4)]
    assert [(data["method"], data["origin"]) for data in heard] == [
        (method, token) for method in ("POST", "PUT", "PUT", "DELETE")
    ]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_malformed_origin_is_refused(api: Api, method: str) -> None:
    await api.todo()
    before = api.held()
    path = "/api/todos" if method == "POST" else "/api/todos/1"
    for token in ("", " ", "a b", "x" * 65, "\u00e9", "a/b"):
        headers = {b"Live-Origin": token.encode("latin-1"), b"Content-Type": b"application/json"}
        answer = await api.client.request(method, path, content=b'{"title": "x"}', headers=headers)
        assert "Live-Origin" in is_problem(answer, 400)["detail"]
    assert api.held() == before


async def test_a_repeated_post_is_done_once(api: Api) -> None:
    headers = {"Idempotency-Key": "k 1", "Live-Origin": "me"}
    first = await api.client.post("/api/todos", json={"title": "milk"}, headers=headers)
    await api.client.patch("/api/todos/1", json={"title": "bread"})
    again = await api.client.post("/api/todos", json={"title": "milk"}, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["live-seq"] == first.headers["live-seq"]
    before = api.held()
    other = await api.client.post("/api/todos", json={"title": "other"}, headers=headers)
    assert other.status_code in (409, 422)
    is_problem(other, other.status_code)
    assert api.held() == before
    elsewhere = await api.client.post("/api/tokens", json={"label": "milk"}, headers=headers)
    assert elsewhere.status_code == 201, "another path has keys of its own"


@pytest.mark.parametrize("key", ["", "x" * 256, "\u00e9", "a\tb"])
async def test_a_malformed_idempotency_key_is_refused(api: Api, key: str) -> None:
    headers = {b"Idempotency-Key": key.encode("latin-1")}
    answer = await api.client.post("/api/todos", json={"title": "x"}, headers=headers)
    assert "Idempotency-Key" in is_problem(answer, 400)["detail"]
    assert api.database.rows(Todo) == []


# Across origins


async def test_correctness_23_an_allowed_origin_sees_the_live_headers(api: Api) -> None:
    answer = await api.client.get("/api/todos", headers={"Origin": "https://app.example"})
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert answer.headers["access-control-allow-credentials"] == "true"
    exposed = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert exposed == {
        "Live-Seq", "Live-Until", "Live-Channel", "Live-Signal", "Live-Created", "ETag", "Link", "Location",
        "API-Version",
    }  # fmt: skip
    assert "Origin" in answer.headers["vary"]
    for path in ("/api/todos/9", "/api/todos?wrong=1"):
        refused = await api.client.get(path, headers={"Origin": "https://app.example"})
        assert refused.headers["access-control-allow-origin"] == "https://app.example"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://app.example.evil", ""])
async def test_another_origin_sees_nothing(api: Api, origin: str) -> None:
    for method in ("GET", "OPTIONS"):
        headers = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
        answer = await api.client.request(method, "/api/todos", headers=headers)
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "Origin" in answer.headers["vary"]


async def test_a_preflight_allows_our_headers_and_methods(api: Api) -> None:
    headers = {"Origin": "https://app.example", "Access-Control-Request-Method": "PATCH"}
    answer = await api.client.options("/api/todos/1", headers=headers)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    methods = {name.strip() for name in answer.headers["access-control-allow-methods"].split(",")}
    assert {"PUT", "PATCH", "DELETE"} <= methods
    allowed = {name.strip() for name in answer.headers["access-control-allow-headers"].split(",")}
    assert {
        "Content-Type", "Live-Origin", "Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-ID", "API-Version",
    } <= allowed  # fmt: skip


async def test_a_star_lets_all_in_without_credentials(database: Database) -> None:
    live = database.live(allowed_origins=["*"])
    live.add_resource("/api/todos", Todo)
    async with (
        live,
        httpx.AsyncClient(transport=httpx.ASGITransport(live.app), base_url="http://t") as client,
    ):
        answer = await client.get("/api/todos", headers={"Origin": "https://any.example"})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers


# Where it stands


@pytest.mark.parametrize("host", [FastAPI, Starlette])
async def test_below_a_mount_locations_are_those_of_the_client(database: Database, host: Any) -> None:
    live = database.live()
    live.add_resource("/api/todos", Todo)
    inner = host(routes=[live.router]) if host is Starlette else host()
    if host is FastAPI:
        inner.router.routes.append(live.router)
    app = Starlette(routes=[Mount("/in/ner", app=inner)])
    async with live, httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        created = await client.post("/in/ner/api/todos", json={"title": "x"})
        assert created.headers["location"] == "/in/ner/api/todos/1"
        assert (await client.get("/in/ner/api/todos/1")).json() == created.json()
        assert (await client.get("/in/ner/api/todos/9")).status_code == 404


async def test_a_failure_is_told_by_its_number_only(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*of: Any) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(type(api.live._store), "listing", fail)
    problem = is_problem(await api.client.get("/api/tokens"), 500)
    monkeypatch.undo()
    number = problem["detail"].rpartition(" ")[2]
    (record,) = [each for each in caplog.records if each.name == answer.logger.name]
    assert number in record.getMessage()
    assert record.exc_info
    assert (await api.client.get("/api/todos")).status_code == 200


async def test_a_stopped_store_is_503(database: Database) -> None:
    live = database.live()
    live.add_resource("/api/todos", Todo)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(live.app), base_url="http://t") as client:
        async with live:
            await live._store.stop()
            for answered in (
                await client.get("/api/todos"),
                await client.post("/api/todos", json={"title": "x"}),
            ):
                is_problem(answered, 503)
                assert answered.headers["retry-after"] == "1"
        is_problem(await client.get("/api/todos"), 503)


async def test_each_type_is_found_by_what_its_document_shows(api: Api) -> None:
    body = {
        "text": "a&b", "number": 2**60, "real": 0.1, "flag": True, "moment": "2020-01-02T03:04:05Z",
        "day": "2020-01-02", "price": "1.10", "token": str(uuid.UUID(int=7)), "colour": "blue", "blob": "__4=",
    }  # fmt: skip
    created = (await api.client.post("/api/everything", json=body)).json()
    await api.client.post("/api/everything", json={})
    for field in ("id", *body):
        found = await api.client.get(
            "/api/everything", params={field: str(created[field]).replace("True", "true")}
        )
        assert [document["id"] for document in found.json()] == [1], (field, found.text)
        is_null = await api.client.get("/api/everything", params={field: "null"})
        assert is_null.status_code == (400 if field in ("id", "number", "real", "flag") else 200)
        if is_null.status_code == 200 and field not in ("text", "blob"):
            assert [document["id"] for document in is_null.json()] == [2]


async def test_a_path_of_other_characters(database: Database) -> None:
    live = database.live()
    live.add_resource("/api/order.items/\u00e9 x", Todo)
    async with (
        live,
        httpx.AsyncClient(transport=httpx.ASGITransport(live.app), base_url="http://t") as client,
    ):
        created = await client.post("/api/order.items/%C3%A9%20x", json={"title": "x"})
        assert created.headers["location"] == "/api/order.items/%C3%A9%20x/1"
        assert (await client.get(created.headers["location"])).json() == created.json()
        listed = await client.get("/api/order.items/\u00e9 x/")
        assert listed.headers["live-channel"] == "/api/order~2Eitems/~C3~A9~20x"
        assert (await client.get("/api/order.items/%C3%A9%20x%0A")).status_code == 404


class Fragile(SQLModel, table=True):
    """Its rules fail, rather than refuse."""

    __tablename__ = "rest_fragile"
    id: int | None = Field(default=None, primary_key=True)
    text: str = ""

    @field_validator("text")
    @classmethod
    def check_text(cls, value: str) -> str:
        if value == "boom":
            raise KeyError("a fault in the application")
        return value

    @computed_field
    def first(self) -> str:
        return self.text[0]


async def test_a_rule_that_fails_changes_nothing(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    live = database.live()
    live.add_resource("/api/fragile", Fragile)
    transport = httpx.ASGITransport(live.app)
    async with live, httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        await client.post("/api/fragile", json={"text": "ok"})
        for method, path in (("POST", ""), ("PUT", "/1"), ("PATCH", "/1")):
            problem = is_problem(
                await client.request(method, f"/api/fragile{path}", json={"text": "boom"}), 500
            )
            assert "fault" not in problem["detail"]
        assert (await client.get("/api/fragile")).json() == [{"id": 1, "text": "ok", "first": "o"}]
        emptied = await client.patch("/api/fragile/1", json={"text": ""})
        assert emptied.json() == {"id": 1, "text": ""}
        assert "Fragile can't show a row" in caplog.text


@only("sqlite", "postgres", because="MongoDB's documents have one key, called id")
@pytest.mark.parametrize("key", ["", ".", ".."])
async def test_a_key_that_no_url_can_name_is_refused(database: Database, key: str) -> None:
    live = database.live()
    live.add_resource("/api/tags", NamedTag)
    transport = httpx.ASGITransport(live.app)
    async with live, httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        problem = is_problem(await client.post("/api/tags", json={"name": key}), 422)
        assert problem["errors"][0]["pointer"] == "/name"
        listed = await client.get("/api/tags")
        assert (listed.json(), listed.headers["live-seq"][8:]) == ([], "0" * 20)
        assert (await client.post("/api/tags", json={"name": "..."})).status_code == 201


async def test_a_text_that_says_null_is_a_text(api: Api) -> None:
    await api.todo(title="null")
    await api.todo(title="other")
    assert [row["title"] for row in (await api.client.get("/api/todos?title=null")).json()] == ["null"]
