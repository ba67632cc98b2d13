"""Hostile filters: whatever is asked is answered soon, with what it means or with the place of what is wrong, and tells
nothing that is hidden."""

from __future__ import annotations

import json
import random
import time
import uuid
from collections import Counter
from typing import Any

from livecollections.conditions import read_conditions
from livecollections.field import FILTERS
from livecollections.query import Query, matches
from tests.databases.fixtures import only
from tests.models import Everything, Person, resource_of
from tests.rest.conftest import Api, is_problem
from tests.scale import scaled

FIELDS = [
    "id", "text", "number", "real", "flag", "moment", "day", "price", "token", "colour", "blob", "meta", "words",
    "meta.a",
    "meta.a.b", "words.0", "meta.a.0.b", "name", "age", "eMail", "secret", "mail", "initial", "__class__",
    "_sa_instance_state",
    "text; DROP TABLE live_changes", "text'--", "", ".", "meta.", "meta.$where", "$where", "$expr", "$or",
    "$and", "$nor", "$not",
    "x" * 3000, "\u202e", "a\u0000b",
]  # fmt: skip
NAMES = [
    *FILTERS,
    "$or",
    "$and",
    "$nor",
    "$where",
    "$expr",
    "$function",
    "$options",
    "$near",
    "$type",
    "$mod",
    "$",
    "a",
]
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 1.5, -0.0, 2**53, 2**63, -(2**63), 2**64, 1e308, 5e-324, "", "a", "red",
    "A" * 5000, "1", "5.0",
    "true", "null", "2020-01-02", "2020-01-02T03:04:05Z", "9999-12-31T23:59:59.999999-23:59",
    "0001-01-01T00:00:00+23:59", "12:00",
    "00000000-0000-0000-0000-000000000005", "__4=", "^a", "a$", "(a+)+$", ".*", "\\", "\\a", "^", "$", "a|b", "[",
    "NaN", "Infinity",
    "1e999", "-", "\u0000", "\ud7ff", "\U0010ffff", "%", "_", "' OR 1=1 --", '"', [], {}, ["a"], [1, [2]], [None],
    {"a": 1},
    {"$gt": ""}, {"a": {"$ne": 1}}, {"$where": "sleep(5000)"}, [[[[[[[[[[1]]]]]]]]]], {"": {"": ""}}, ["a"] * 1500,
]  # fmt: skip


SENSIBLE: dict[str, list[Any]] = {
    "id": [1, 3], "text": ["a", "A", ""], "number": [0, 1], "real": [0, 1.5], "moment": ["2020-01-02T03:04:05Z"],
    "price": ["1.50", 2], "words": ["a", "b"], "meta.a.b": [1, "x"], "day": ["2020-01-02"],
}  # fmt: skip
PIECES = [
    "conditions", "[", "]", "[text]", "[$gt]", "[0]", "[]", "=", "&", "%", "%00", "%ff", "a", "1", "$or", "{", '"',
    "sort", "after", "limit", "select", "count", "distinct", "true", "-1", "999999999999999999999", "+", ";", "/",
]  # fmt: skip


def hostile(rng: random.Random, depth: int = 0) -> Any:
    """A filter of somebody who means no good, or knows no better; half of its parts are as they should be."""
    which = rng.random()
    if depth > rng.randint(2, 12) or which < 0.05:
        return rng.choice(VALUES)
    if which < 0.3:
        joined = [hostile(rng, depth + 1) for _ in range(rng.randint(0, 4))]
        return {
            rng.choice(("$or", "$and", "$nor")): joined,
            **({} if rng.random() < 0.7 else hostile_field(rng, depth)),
        }
    tree: dict[str, Any] = {}
    for _ in range(rng.randint(0, 3)):
        tree.update(hostile_field(rng, depth))
    return tree


def hostile_field(rng: random.Random, depth: int) -> dict[str, Any]:
    if rng.random() < 0.5:
        name, values = rng.choice(list(SENSIBLE.items()))
        return {name: {rng.choice(("$eq", "$ne", "$gt", "$gte", "$lt", "$lte")): rng.choice(values)}}
    if rng.random() < 0.7:
        return {rng.choice(FIELDS[:20]): plausible(rng, depth)}
    return {rng.choice(FIELDS): rng.choice((hostile(rng, depth + 1), hostile_operators(rng, depth)))}


def plausible(rng: random.Random, depth: int) -> Any:
    name, value = rng.choice(FILTERS), rng.choice(VALUES[:40])
    if name in ("$in", "$nin", "$all"):
        value = [rng.choice(VALUES[:40]) for _ in range(rng.randint(0, 3))]
    elif name == "$not":
        value = plausible(rng, depth + 1) if depth < 6 else {"$gt": 1}
    elif name == "$elemMatch":
        value = rng.choice(({"$gt": value}, {"a": value}, {"$or": [{"a": 1}, {"b": value}]}))
    return value if rng.random() < 0.2 else {name: value}


def hostile_operators(rng: random.Random, depth: int) -> dict[str, Any]:
    return {
        rng.choice(NAMES): rng.choice((rng.choice(VALUES), hostile(rng, depth + 1)))
        for _ in range(rng.randint(0, 4))
    }


def at(tree: Any, pointer: str) -> Any:
    """What a JSON pointer leads to. Fails if it leads nowhere."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        tree = tree[int(name)] if isinstance(tree, list) else tree[name]
    return tree


async def fill(api: Api) -> None:
    bodies: list[dict[str, Any]] = [
        {
            "text": "a",
            "number": 1,
            "flag": True,
            "words": ["a", "b"],
            "meta": {"a": {"b": 1}},
            "colour": "red",
        },
        {"text": "A", "moment": "2020-01-02T03:04:05Z", "day": "2020-01-02", "price": "1.50", "blob": "__4="},
        {
            "text": "",
            "real": 1.5,
            "meta": {"a": [{"b": 1}, {"b": "x"}]},
            "words": [],
            "token": str(uuid.UUID(int=5)),
        },
        {},
    ]
    for body in bodies:
        assert (await api.client.post("/api/everything", json=body)).status_code == 201
    if api.database.kind == "sqlite":  # which takes any value in any column
        strange = "x'61', 'a', 2, 7, '2020-01-02T03:04:05Z'"
        api.sql(f"INSERT INTO rest_everything (text, number, real, flag, moment) VALUES ({strange})")
    for number, name in enumerate("abc"):
        person = {"name": name, "age": number, "eMail": f"{name}@example.org"}
        assert (await api.client.post("/api/people", json=person)).status_code == 201


@only("sqlite", because="it compares with rows as SQLite's store reads them")
async def test_hostile_filters_do_what_they_say_or_are_refused(api: Api) -> None:
    """Each is answered, soon: with what it means of each row in memory, or with the place of what is wrong."""
    await fill(api)
    resource = resource_of(Everything)
    rows = (await api.live._store.find(resource.source, Query())).rows
    whole = resource.documents(rows)
    before, rng, counts = api.held(), random.Random(6), Counter[int]()
    for _ in range(scaled(400, 2500)):
        tree = hostile(rng)
        started = time.process_time()
        answer = await api.client.request("QUERY", "/api/everything", json={"conditions": tree})
        assert time.process_time() - started < 2
        counts[answer.status_code] += 1
        if answer.status_code == 200:
            query = Query(read_conditions(resource, tree))
            meant = [document for row, document in zip(rows, whole, strict=True) if matches(row, query)]
            assert answer.json() == meant, tree
            counts[len(meant) % len(rows)] += 1
        else:
            for fault in is_problem(answer, 400)["errors"]:
                assert fault["parameter"] == "conditions"
                at(tree, fault["pointer"])
    assert counts[200] > sum(counts[status] for status in (200, 400)) // 5
    assert counts[400] > 20
    assert counts[1] + counts[2] + counts[3] > 5, "filters that find some and not all"
    assert api.held() == before


async def test_no_filter_tells_what_is_hidden(api: Api) -> None:
    """The same questions, of people whose secrets are others, have the same answers, byte for byte."""
    await fill(api)
    rng = random.Random(7)
    names = ["secret", "mail", "initial", "name", "age", "eMail", "seen", "id"]
    asked: list[dict[str, str]] = []
    for _ in range(api.database.scaled(100, 500)):
        operator, value = rng.choice(NAMES), rng.choice([*VALUES[:40], "s3cret", "^s"])
        name = rng.choice(names)
        asked += [
            {"conditions": json.dumps({name: {operator: value}})},
            {"conditions": json.dumps({"$or": [{name: value}, {"name": "a"}]})},
            {name: str(value)[:100]},
            {rng.choice(("sort", "select", "distinct")): rng.choice(("", "-")) + name},
        ]

    async def answers() -> list[tuple[int, bytes]]:
        found = [await api.client.get("/api/people", params=each) for each in asked]
        return [(answer.status_code, answer.content) for answer in found]

    first = await answers()
    api.database.update(Person, {"secret": "zzz"})
    assert await answers() == first
    assert {status for status, _ in first} == {200, 400}


async def test_hostile_query_strings(api: Api) -> None:
    await fill(api)
    rng, before = random.Random(8), api.held()

    for _ in range(api.database.scaled(200, 1500)):
        text = "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 25)))
        answer = await api.client.get(f"/api/everything?{text}")
        assert answer.status_code in (200, 400), text
        if answer.status_code == 400:
            is_problem(answer, 400)
    for deep in (
        "conditions" + "[a]" * 1_000 + "=1",
        "conditions=" + "[" * 5_000,
        'conditions={"$and":[' + '{"$and":[' * 500,
    ):
        is_problem(await api.client.get(f"/api/everything?{deep}"), 400)
    assert api.held() == before
