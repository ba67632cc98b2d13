"""The ways in which a PATCH says what is to change: each is judged by the model, and done within the transaction."""

from __future__ import annotations

import asyncio
import json
from copy import deepcopy
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, field_serializer

from tests.databases.database import Database
from tests.models import Everything
from tests.rest.conftest import Api, connected, is_problem

JSON_PATCH = {"Content-Type": "application/json-patch+json"}


async def everything(api: Api, **values: Any) -> dict[str, Any]:
    answer = await api.client.post("/api/everything", json=values)
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


async def patch(api: Api, steps: Any, path: str = "/api/everything/1") -> httpx.Response:
    return await api.client.patch(path, json=steps, headers=JSON_PATCH)


async def test_a_json_patch_changes_parts(api: Api) -> None:
    whole = await everything(api, words=["a"], meta={"n": 2**60, "list": [1]}, text="x", number=5)
    answer = await patch(
        api,
        [
            {"op": "test", "path": "/text", "value": "x"},
            {"op": "test", "path": "/meta/n", "value": str(2**60)},
            {"op": "add", "path": "/words/-", "value": "b"},
            {"op": "move", "from": "/meta/list", "path": "/meta/moved"},
            {"op": "copy", "from": "/text", "path": "/words/0"},
            {"op": "remove", "path": "/number"},
        ],
    )
    assert answer.status_code == 200, answer.text
    after = {**whole, "words": ["x", "a", "b"], "meta": {"n": str(2**60), "moved": [1]}, "number": 0}
    assert answer.json() == after == (await api.client.get("/api/everything/1")).json()
    assert api.database.rows(Everything)[0]["meta"] == {"n": 2**60, "moved": [1]}


async def test_what_a_json_patch_makes_is_judged_by_the_model(api: Api) -> None:
    await everything(api, text="x")
    await api.client.post("/api/people", json={"name": "Ada"})
    before = api.held()
    for path, steps, status, pointer in (
        ("/api/everything/1", [{"op": "add", "path": "/number", "value": "x"}], 422, "/number"),
        ("/api/everything/1", [{"op": "add", "path": "/nothing", "value": 1}], 422, "/nothing"),
        ("/api/everything/1", [{"op": "replace", "path": "/id", "value": 7}], 422, "/id"),
        ("/api/everything/1", [{"op": "remove", "path": "/id"}], 422, "/id"),
        ("/api/people/1", [{"op": "replace", "path": "/initial", "value": "Z"}], 422, "/initial"),
        ("/api/people/1", [{"op": "remove", "path": "/name"}], 422, "/name"),
        ("/api/people/1", [{"op": "add", "path": "/secret", "value": "s"}], 422, "/secret"),
        ("/api/everything/1", [{"op": "test", "path": "/text", "value": "y"}], 409, "/0"),
        ("/api/everything/1", [{"op": "remove", "path": "/words/0"}], 409, "/0"),
        ("/api/everything/1", [{"op": "add"}], 400, "/0"),
        ("/api/everything/1", {"text": "y"}, 400, None),
    ):
        answer = await patch(api, steps, path)
        problem = is_problem(answer, status)
        assert [fault["pointer"] for fault in problem.get("errors", [])] == ([pointer] if pointer else [])
    deep = [{"op": "add", "path": "/meta", "value": {}}]
    deep += [{"op": "add", "path": "/meta" + "/a" * level, "value": {}} for level in range(1, 40)]
    assert "nested deeper" in is_problem(await patch(api, deep), 422)["detail"]
    assert api.held() == before


async def test_operators_change_parts(api: Api) -> None:
    whole = await everything(api, words=["a", "b"], meta={"n": 2**60}, price="1.10", number=2**60, real=0.5)
    answer = await api.client.patch(
        "/api/everything/1",
        json={
            "$set": {"text": "new", "meta.list": []},
            "$inc": {"number": 1, "price": 0.2, "real": 1},
            "$push": {"words": {"$each": ["c", "c"]}},
            "$unset": {"moment": ""},
        },
    )
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        **whole, "text": "new", "meta": {"n": str(2**60), "list": []}, "number": str(2**60 + 1), "price": "1.30",
        "real": 1.5, "words": [*"abcc"],
    }  # fmt: skip
    assert (await api.client.get("/api/everything/1")).json() == answer.json()
    before = api.held()
    again = await api.client.patch("/api/everything/1", json={"$addToSet": {"words": "c"}})
    assert again.json() == answer.json()
    assert api.held() == before, "nothing changed, so nothing is logged"


async def test_an_operator_named_by_a_header_as_baucis_has_it(api: Api) -> None:
    await everything(api, words=["a"])
    for method, operator, body, words in (
        ("PUT", "$push", {"words": "b"}, ["a", "b"]),
        ("PATCH", "$addToSet", {"words": "b"}, ["a", "b"]),
        ("PUT", "$pull", {"words": "a"}, ["b"]),
        ("PUT", "$pop", {"words": 1}, []),
        ("PUT", "$set", {"words": ["z"], "text": "y"}, ["z"]),
    ):
        answer = await api.client.request(
            method, "/api/everything/1", json=body, headers={"Update-Operator": operator}
        )
        assert answer.json()["words"] == words
    for operator in ("$where", "push", ""):
        headers = {"Update-Operator": operator}
        is_problem(await api.client.put("/api/everything/1", json={"words": "b"}, headers=headers), 400)


async def test_what_operators_make_is_judged_by_the_model(api: Api) -> None:
    await everything(api, number=2**63 - 1, text="x", words=["a"])
    await api.client.post("/api/people", json={"name": "Ada", "age": 150})
    before = api.held()
    for path, update, status, pointer in (
        ("/api/everything/1", {"$inc": {"number": 1}}, 422, "/number"),
        ("/api/everything/1", {"$inc": {"number": 0.5}}, 422, "/number"),
        ("/api/everything/1", {"$push": {"words": 5}}, 422, "/words/1"),
        ("/api/everything/1", {"$set": {"nothing": 5}}, 403, "/$set/nothing"),
        ("/api/everything/1", {"$set": {"id": 5}}, 422, "/id"),
        ("/api/everything/1", {"$inc": {"id": 1}}, 422, "/id"),
        ("/api/everything/1", {"$push": {"text": "x"}}, 409, "/$push/text"),
        ("/api/everything/1", {"$set": {"text": "y"}, "number": 1}, 400, "/number"),
        ("/api/people/1", {"$unset": {"name": ""}}, 422, "/name"),
        ("/api/people/1", {"$set": {"secret": "s"}}, 403, "/$set/secret"),
        ("/api/people/1", {"$set": {"eMail": "a@b"}}, 403, "/$set/eMail"),
        ("/api/people/1", {"$set": {"initial": "A"}}, 403, "/$set/initial"),
        ("/api/locked/1", {"$unset": {"text": ""}}, 403, "/$unset/text"),
        ("/api/people/1", {"$inc": {"age": 1}}, 422, ""),
    ):
        problem = is_problem(await api.client.patch(path, json=update), status)
        assert [fault["pointer"] for fault in problem["errors"]] == [pointer], update
    merge = {"Content-Type": "application/merge-patch+json"}
    update = {"$set": {"text": "y"}}
    problem = is_problem(await api.client.patch("/api/everything/1", json=update, headers=merge), 422)
    assert problem["errors"][0]["pointer"] == "/$set", "there, it would be the name of a field"
    assert api.held() == before


LINES: dict[str, Any] = {
    "lines": [{"n": 1, "tags": ["a"]}, {"n": 2, "tags": ["a", "b"]}, 3, {"n": 2, "tags": []}], "to": {"by": [5, 6, 6]},
}  # fmt: skip


@pytest.mark.parametrize(
    ("update", "conditions", "status", "changed"),
    [
        ({"$set": {"meta.lines.$.n": 9}}, {"meta.lines.n": 2}, 200, {("lines", 1, "n"): 9}),
        ({"$set": {"meta.lines.$": 0}}, {"meta.lines": 3}, 200, {("lines", 2): 0}),
        ({"$inc": {"meta.to.by.$": 1}}, {"meta.to.by": {"$gt": 5}}, 200, {("to", "by", 1): 7}),
        ({"$push": {"meta.lines.$.tags": "c"}}, {"meta.lines": {"$elemMatch": {"n": 2, "tags": {"$size": 0}}}}, 200,
         {("lines", 3, "tags"): ["c"]}),
        ({"$set": {"meta.lines.$.n": 9}}, {"$and": [{"meta.lines.n": 2}, {"meta.lines.tags": "b"}], "text": "x"}, 200,
         {("lines", 1, "n"): 9}),
        ({"$set": {"meta.lines.$.n": 9, "meta.to.by.$": 0}}, {"meta.lines.n": 1, "meta.to.by": 6}, 200,
         {("lines", 0, "n"): 9, ("to", "by", 1): 0}),
        ({"$set": {"text": "y"}}, {"text": "z"}, 404, None),
        ({"$set": {"meta.lines.$.n": 9}}, {"meta.lines.n": 7}, 404, None),
        ({"$set": {"meta.lines.$.n": 9}}, {"meta.lines.n": 1, "meta.lines.tags": "b"}, 409, "/$set/meta.lines.$.n"),
        ({"$set": {"meta.lines.$.n": 9}}, {"text": "x"}, 400, "/$set/meta.lines.$.n"),
        ({"$set": {"meta.lines.$.n": 9}}, {"meta.lines": {"$size": 4}}, 400, "/$set/meta.lines.$.n"),
        ({"$set": {"meta.lines.$.n": 9}}, {"$or": [{"meta.lines.n": 2}]}, 400, "/$set/meta.lines.$.n"),
        ({"$set": {"meta.lines.$.n": 9, "meta.lines.1": 9}}, {"meta.lines.n": 2}, 400, "/$set/meta.lines.1.n"),
        ({"$set": {"meta.lines.$.n": 9}}, {"secret": 2}, 400, "/secret"),
        ({"text": "y"}, {"text": "x"}, 400, None),
    ],
)  # fmt: skip
async def test_conditions_choose_the_element_that_a_place_stands_for(
    api: Api, update: Any, conditions: Any, status: int, changed: Any
) -> None:
    await everything(api, text="x", meta=LINES)
    before = api.held()
    answer = await api.client.patch(
        "/api/everything/1", json=update, params={"conditions": json.dumps(conditions)}
    )
    assert answer.status_code == status, answer.text
    if status != 200:
        problem = is_problem(answer, status)
        assert [fault["pointer"] for fault in problem.get("errors", [])] == (
            [] if changed is None else [changed]
        )
        assert api.held() == before
        return
    after = deepcopy(LINES)
    for (*way, last), value in changed.items():
        inner: Any = after
        for step in way:
            inner = inner[step]
        inner[last] = value
    assert answer.json()["meta"] == after


async def test_who_may_not_read_finds_nothing_out_by_conditions(database: Database) -> None:
    live = database.live()
    rules = {"create": True, "update": True}
    live.add_resource("/api/everything", Everything, policy=rules, operators=["text"])
    async with connected(live, database) as api:
        await api.client.post("/api/everything", json={"text": "x"})
        update = {"$set": {"text": "y"}}
        for text in ("x", "z"):
            url = f"/api/everything/1?conditions[text]={text}"
            is_problem(await api.client.patch(url, json=update), 403)
        assert (await api.client.patch("/api/everything/1", json=update)).status_code == 204


class Shown(BaseModel):
    """Of a structure one member."""

    colour: str = "none"


class Masked(BaseModel):
    """A document that shows less than is stored."""

    id: int
    text: str
    meta: Shown
    number: int

    @field_serializer("number")
    def _masked(self, value: int) -> str:
        return "***"


async def test_a_change_of_parts_sees_what_is_shown_and_keeps_what_is_not(database: Database) -> None:
    live = database.live()
    live.add_resource("/api/everything", Everything, read=Masked, operators=["number", "meta"])
    async with connected(live, database) as api:
        stored = {"colour": "red", "secret": {"n": 2**60}}
        await everything(api, meta=stored, number=5)
        for steps in (
            [{"op": "test", "path": "/meta/secret/n", "value": 2**60}],
            [{"op": "copy", "from": "/meta/secret/n", "path": "/text"}],
            [{"op": "move", "from": "/meta/secret", "path": "/meta/colour"}],
        ):
            assert "there is no such place" in is_problem(await patch(api, steps), 409)["detail"]
        path = "/api/everything/1"
        assert (await api.client.patch(path, json={"$inc": {"number": 1}})).status_code == 409
        steps = [{"op": "replace", "path": "/meta/colour", "value": "blue"}]
        assert (await patch(api, steps)).json()["meta"] == {"colour": "blue"}
        assert (await api.client.patch(path, json={"$set": {"meta.colour": "green"}})).status_code == 200
        assert database.rows(Everything)[0]["meta"] == {**stored, "colour": "green"}


async def test_what_patch_takes_is_told(api: Api) -> None:
    accepted = "application/json, application/merge-patch+json, application/json-patch+json"
    assert (await api.client.options("/api/todos/1")).headers["accept-patch"] == accepted
    assert "accept-patch" not in (await api.client.options("/api/todos")).headers
    for kind in ("text/plain", "application/vnd.foo+json"):
        answer = await api.client.patch("/api/todos/1", content=b"{}", headers={"Content-Type": kind})
        is_problem(answer, 415)
        assert answer.headers["accept-patch"] == accepted


async def test_a_repeated_patch_is_done_once(api: Api) -> None:
    await api.todo(order=1)
    headers = {"Idempotency-Key": "k"}
    update = {"$inc": {"order": 1}}
    first = await api.client.patch("/api/todos/1", json=update, headers=headers)
    held = api.held()
    again = await api.client.patch("/api/todos/1", json=update, headers=headers)
    assert first.json()["order"] == again.json()["order"] == 2
    assert first.headers["live-seq"] == again.headers["live-seq"]
    is_problem(await api.client.patch("/api/todos/1", json={"$inc": {"order": 2}}, headers=headers), 422)
    for other in ({"Content-Type": "application/merge-patch+json"}, {"If-Match": first.headers["etag"]}):
        is_problem(await api.client.patch("/api/todos/1", json=update, headers={**headers, **other}), 422)
    assert api.held() == held
    key = {"Idempotency-Key": "other"}
    for operator, query, status in (("$inc", "", 200), ("$set", "", 422), ("$inc", "?conditions={}", 422)):
        named = {**key, "Update-Operator": operator}
        answer = await api.client.patch(f"/api/todos/1{query}", json={"order": 1}, headers=named)
        assert (answer.status_code, "Idempotency-Key" in answer.text) == (status, status == 422)


async def test_of_many_writers_on_one_row_no_update_is_lost(api: Api) -> None:
    writers = api.database.scaled(100, 300)
    await everything(api, words=[])
    start = (await api.client.get("/api/everything")).headers["live-seq"]

    async def add(number: int) -> None:
        update = {"$inc": {"number": 1}, "$push": {"words": f"w{number}"}}
        assert (await api.client.patch("/api/everything/1", json=update)).status_code == 200

    await asyncio.gather(*map(add, range(writers)))
    after = (await api.client.get("/api/everything/1")).json()
    assert after["number"] == writers
    assert sorted(after["words"]) == sorted(f"w{number}" for number in range(writers))
    changes = (await api.live._store.read(start, 2 * writers)).changes
    assert [each.after and each.after["number"] for each in changes] == list(range(1, writers + 1))


async def test_of_many_who_read_and_write_no_update_is_lost(api: Api) -> None:
    await api.todo(order=0)

    async def add() -> None:
        while True:
            seen = await api.client.get("/api/todos/1")
            answer = await api.client.patch(
                "/api/todos/1",
                json={"order": seen.json()["order"] + 1},
                headers={"If-Match": seen.headers["etag"]},
            )
            if answer.status_code == 200:
                return
            is_problem(answer, 412)

    await asyncio.gather(*(add() for _ in range(20)))
    assert (await api.client.get("/api/todos/1")).json()["order"] == 20
