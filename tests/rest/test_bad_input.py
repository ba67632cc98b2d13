"""Bad input: a clear error, nothing changed in tables and log, and the server goes on (promise G7)."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import random
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest

from livecollections.place import encode
from livecollections.query import Order
from livecollections.rest import request
from tests.databases.fixtures import only
from tests.models import Everything, Todo
from tests.rest.conftest import Api, is_problem

JSON = {"Content-Type": "application/json"}

VALUES: dict[str, list[Any]] = {
    "null": [None],
    "boolean": [True],
    "number": [0, -1, 1.5, 2**53, 2**63, 1e308],
    "text": ["", "word", "12", "x" * 5_000, "\u0000\u001f", "2020-13-45", "2020-01-01T00:00:00Z"],
    "array": [[], [[1]]],
    "object": [{}, {"a": {"b": [1]}}],
}


async def attempt(api: Api, method: str, path: str, **request: Any) -> httpx.Response:
    """Send; check that it is either done, or refused with nothing changed."""
    before = api.held()
    answer = await api.client.request(method, path, **request)
    if answer.status_code >= 400:
        assert answer.status_code < 500, answer.text
        is_problem(answer, answer.status_code)
        assert api.held() == before, f"{method} {path} was refused, and yet something changed"
    return answer


@pytest.mark.parametrize("model", [Todo, Everything])
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
async def test_each_field_with_each_type(api: Api, model: type[Todo | Everything], values: list[Any]) -> None:
    path = "/api/todos" if model is Todo else "/api/everything"
    base = {"title": "x"} if model is Todo else {}
    created = (await api.client.post(path, json=base)).json()
    for field, value in itertools.product(model.model_fields, values):
        content = orjson.dumps({**base, field: value})
        for method, where in (("POST", path), ("PUT", f"{path}/1"), ("PATCH", f"{path}/1")):
            answer = await attempt(api, method, where, content=content, headers=JSON)
            if answer.status_code == 422:
                pointers = [fault["pointer"] for fault in answer.json()["errors"]]
                assert any(pointer == f"/{field}" or pointer.startswith(f"/{field}/") for pointer in pointers)
            elif answer.status_code == 409:
                assert (method, field) == ("POST", "id"), "a key that is taken"
                assert not api.database.draws_keys
            else:
                assert answer.status_code in (200, 201)
                assert (await api.client.get(answer.headers.get("location", where))).json() == answer.json()
    assert (await api.client.put(f"{path}/1", json=created)).status_code == 200


NOT_JSON = {
    "empty": b"", "space": b" ", "word": b"hello", "unfinished": b'{"title": "x"', "trailing": b'{"title": "x"} x',
    "two": b'{"title": "x"}{"title": "y"}', "single quotes": b"{'title': 'x'}", "comment": b'{"title": "x" /* */}',
    "nan": b'{"title": "x", "order": NaN}', "infinity": b'{"order": Infinity}', "beyond a double": b'{"order": 1e999}',
    "not utf-8": b'{"title": "\xff"}', "lone surrogate": rb'{"title": "\ud800"}',
    "utf-16": '{"title": "x"}'.encode("utf-16"),
    "mark": b'\xef\xbb\xbf{"title": "x"}', "control": b'{"title": "a\x01"}', "bad escape": rb'{"title": "\x41"}',
    "deep lists": b"[" * 100_000, "deep objects": b'{"a":' * 100_000,
    "closed deep": b'{"title": ' + b"[" * 40 + b"]" * 40 + b"}",
    "form": b"title=x", "ten thousand digits": b'{"order": ' + b"9" * 10_000 + b"}",
}  # fmt: skip
NO_OBJECT = [b'"title"', b"5", b"null", b"true"]
OTHER_TYPES = [
    None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json",
    "application/jsonx", "application/json-patch+json", "application/json; charset=utf-16", "json",
]  # fmt: skip
JSON_TYPES = [
    "application/json; charset=utf-8", "Application/JSON", "application/merge-patch+json",
    'application/json;charset="UTF-8"',
]  # fmt: skip
METHODS = [("POST", "/api/todos"), ("PUT", "/api/todos/1"), ("PATCH", "/api/todos/1")]


@pytest.mark.parametrize(("method", "path"), METHODS)
async def test_what_is_not_json(api: Api, method: str, path: str) -> None:
    await api.todo()
    for name, body in NOT_JSON.items():
        answer = await attempt(api, method, path, content=body, headers=JSON)
        assert answer.status_code in (400, 422), name


@pytest.mark.parametrize(("method", "path"), METHODS)
async def test_what_is_no_object(api: Api, method: str, path: str) -> None:
    await api.todo()
    for body in NO_OBJECT:
        answer = await attempt(api, method, path, content=body, headers=JSON)
        assert answer.status_code == 422, body
        assert answer.json()["errors"][0]["pointer"] == ""
    several = await attempt(api, method, path, content=b'[{"title": "x"}]', headers=JSON)
    assert several.status_code == (201 if method == "POST" else 422)


@pytest.mark.parametrize(("method", "path"), METHODS)
async def test_bodies_of_other_types(api: Api, method: str, path: str) -> None:
    await api.todo()
    for kind in OTHER_TYPES:
        headers = {} if kind is None else {"Content-Type": kind}
        answer = await attempt(api, method, path, content=b'{"title": "y"}', headers=headers)
        is_patch = method == "PATCH" and kind == "application/json-patch+json"
        assert answer.status_code == (400 if is_patch else 415), kind


@pytest.mark.parametrize(("method", "path"), METHODS)
async def test_nothing_is_unpacked(api: Api, method: str, path: str) -> None:
    """What is small when it comes is small."""
    await api.todo()
    bomb = gzip.compress(b'{"title": "' + b"x" * 2**24 + b'"}')
    for coding in ("gzip", "deflate", "br"):
        answer = await attempt(api, method, path, content=bomb, headers={**JSON, "Content-Encoding": coding})
        assert answer.status_code == 415
    answer = await api.client.patch(
        "/api/todos/1", content=b'{"title": "y"}', headers={**JSON, "Content-Encoding": "identity"}
    )
    assert answer.json()["title"] == "y"


async def test_bodies_of_json_types(api: Api) -> None:
    await api.todo()
    for count, kind in enumerate(JSON_TYPES):
        body = orjson.dumps({"order": count})
        answer = await api.client.patch("/api/todos/1", content=body, headers={"Content-Type": kind})
        assert answer.json()["order"] == count


async def test_a_body_over_the_limit(api: Api) -> None:
    await api.todo()
    body = orjson.dumps({"title": "x" * 1024 * 1024})
    for method, path in METHODS:
        assert (await attempt(api, method, path, content=body, headers=JSON)).status_code == 413

    async def chunks() -> Any:
        for _ in range(40):
            yield b"x" * 65_536

    before = api.held()
    answer = await api.client.post("/api/todos", content=chunks(), headers=JSON)
    assert answer.status_code == 413
    assert api.held() == before


async def test_a_body_that_does_not_come_in_its_time_is_408(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It began, and does not go on."""
    monkeypatch.setattr(request, "UPLOAD", 0.05)

    async def slow() -> AsyncIterator[bytes]:
        yield b'{"title": '
        await asyncio.Event().wait()

    await api.todo()
    for method, path in METHODS:
        answer = await attempt(api, method, path, content=slow(), headers=JSON)
        assert is_problem(answer, 408)["detail"] == "a body may take 0.05 seconds"


@only("sqlite", "postgres", because="SQLModel's type of columns wants an offset")
@pytest.mark.parametrize("moment", ["2020-01-02", "2020-01-02T03:04", "2020-01-02T03:04:05.6"])
async def test_a_moment_without_an_offset_is_told_what_it_lacks(api: Api, moment: str) -> None:
    held = api.held()
    refused = await api.client.post("/api/everything", json={"moment": moment})
    [fault] = is_problem(refused, 422)["errors"]
    assert (fault["pointer"], "needs an offset, such as Z" in fault["detail"]) == ("/moment", True)
    assert api.held() == held


async def test_a_length_that_lies_is_not_believed(api: Api) -> None:
    for size in ("-1", "1e3", "many"):
        headers = {**JSON, "Content-Length": size}
        answer = await api.client.post("/api/todos", content=b'{"title": "x"}', headers=headers)
        assert answer.status_code == 201


BAD_QUERIES = [
    "wrong=1", "limit=x", "limit=-1", "skip=x", "sort=wrong", "completed=maybe", "order=1.5", "order=" + "9" * 40,
    "%FF=1", "title=%FF", "title=a&title=b", "limit=1&limit=2", "select=wrong", "conditions={", "since=x",
    "order[$gt]=1", "conditions={\"order\":{\"$where\":1}}", "conditions[wrong]=1",
    "&".join(["a=1"] * 200), "sort=" + "title," * 3 + "$where", "sort=title,-title",
]  # fmt: skip


async def test_bad_query_values(api: Api) -> None:
    await api.todo()
    before = api.held()
    for query in BAD_QUERIES:
        is_problem(await api.client.get(f"/api/todos?{query}"), 400)
        assert (await api.client.head(f"/api/todos?{query}")).status_code == 400
    assert api.held() == before


async def test_a_sort_is_bounded(api: Api) -> None:
    names = ["id", "text", "number", "real", "flag", "moment", "day", "price", "token"]
    assert (await api.client.get(f"/api/everything?sort={','.join(names[:8])}")).status_code == 200
    is_problem(await api.client.get(f"/api/everything?sort={','.join(names)}"), 400)
    # With a place each step costs as many comparisons as there are before it.
    place = encode([Order("title")] * 300, ["x"] * 300)
    is_problem(await api.client.post("/api/todos/search", json={"sort": "title," * 300, "after": place}), 400)


@pytest.mark.parametrize(("method", "path"), [*METHODS, ("DELETE", "/api/todos/1"), ("GET", "/api/todos/1")])
async def test_nothing_is_written_where_a_parameter_is_wrong(api: Api, method: str, path: str) -> None:
    await api.todo()
    body = {"json": {"title": "y"}} if method in ("POST", "PUT", "PATCH") else {}
    for query in ("limit=0", "wrong=1", "select=%2Bx", "count=true"):
        assert (await attempt(api, method, f"{path}?{query}", **body)).status_code == 400, query


async def test_all_faults_are_told_at_once(api: Api) -> None:
    body = {"id": 5, "title": "", "completed": "perhaps", "order": [], "extra": 1, "a/b~c": 2}
    problem = is_problem(await attempt(api, "POST", "/api/todos", json=body), 422)
    pointers = {fault["pointer"] for fault in problem["errors"]}
    wrong = {"/title", "/completed", "/order", "/extra", "/a~1b~0c"}
    assert pointers == (wrong | {"/id"} if api.database.draws_keys else wrong)


async def test_values_are_not_repeated_in_errors(api: Api) -> None:
    secret = "hunter2-hunter2"
    answer = await attempt(
        api, "POST", "/api/todos", json={"title": "x", "order": secret, "completed": secret}
    )
    assert secret not in answer.text


@only("sqlite", "postgres", because="MongoDB's documents have one key, called id")
async def test_random_requests_change_nothing_where_they_fail(api: Api) -> None:
    rng = random.Random(8)
    refused = 0
    rounds = api.database.scaled(150, 600)
    for _ in range(rounds):
        method = rng.choice(["POST", "PUT", "PATCH", "DELETE"])
        path = rng.choice(
            ["/api/todos", "/api/everything", "/api/books", "/api/seats", "/api/people", "/api/tokens"]
        )
        if method != "POST":
            path += "/" + rng.choice(["1", "2", "a", "a,1", "%2C", "99999999999999999999"])
        names = [
            "id",
            "title",
            "completed",
            "order",
            "isbn",
            "pages",
            "after",
            "row",
            "place",
            "name",
            "age",
            "number",
            "meta",
            "x",
        ]
        keys = rng.sample(names, rng.randint(0, 6))
        body = {key: rng.choice([*itertools.chain(*VALUES.values()), 1, 2, "a", "x"]) for key in keys}
        answer = await attempt(api, method, path, content=orjson.dumps(body), headers=JSON)
        refused += answer.status_code >= 400
    assert rounds // 4 < refused < rounds
    assert (await api.client.get("/api/todos")).status_code == 200
