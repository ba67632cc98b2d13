"""Hostile patches: whatever is asked of a document, no writer waits for long, and what is refused writes nothing."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from livecollections.errors import StoreUnavailable
from livecollections.rest import judgement
from livecollections.rest.judgement import JUDGED, Judgement
from livecollections.stores.base import Write
from tests.rest.conftest import Api, is_problem

PATH = "/api/everything/1"
MANY = 5_000
JSON_PATCH = {"Content-Type": "application/json-patch+json"}


async def operate(api: Api, update: Any, conditions: Any) -> Any:
    return await api.client.patch(PATH, json=update, params={"conditions": json.dumps(conditions)})


async def fill(api: Api) -> None:
    meta = {"lines": [{"n": number} for number in range(MANY)]}
    assert (await api.client.post("/api/everything", json={"meta": meta})).status_code == 201


@pytest.mark.parametrize(
    ("update", "asked"),
    [
        ({"$inc": {"number": 1}}, {"$or": [{f"a{number}": 5} for number in range(95)]}),
        ({"$set": {f"meta.lines.$.a{number}": 1 for number in range(500)}}, {"n": MANY - 1}),
    ],
    ids=["conditions", "places"],
)
async def test_what_is_judged_for_too_long_is_given_up_and_writes_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch, update: Any, asked: Any
) -> None:
    await fill(api)
    before = api.held()
    monkeypatch.setattr(judgement, "JUDGED", 0.1)
    begun = time.process_time()
    answer = await operate(api, update, {"meta.lines": {"$elemMatch": asked}})
    assert time.process_time() - begun < 1
    assert "take more than 0.1 s to judge" in is_problem(answer, 503)["detail"]
    assert answer.headers["retry-after"] == "1"
    assert api.held() == before
    monkeypatch.setattr(judgement, "JUDGED", JUDGED)
    answer = await operate(api, {"$inc": {"number": 1}}, {"meta.lines.n": MANY - 1})
    assert answer.json()["number"] == 1


async def test_conditions_are_never_judged_on_the_loop(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a store works on it, as PostgreSQL's does."""
    await fill(api)
    told, write = [], api.live._store.write

    async def written(each: Write) -> Any:
        told.append(each.blocks)
        return await write(each)

    monkeypatch.setattr(api.live._store, "write", written)
    assert (await operate(api, {"$inc": {"number": 1}}, {"number": 0})).status_code == 200
    assert (await api.client.patch(PATH, json={"number": 2})).status_code == 200
    assert told == [True, False]


def test_a_transaction_that_is_tried_again_is_given_no_more_time() -> None:
    now = 0.0
    judged = Judgement(lambda: now)
    for _ in range(2):
        with judged.bounded() as look:
            now += 0.4 * JUDGED
            look()
        now += 10 * JUDGED  # when nothing was judged
    with judged.bounded() as look:
        now += 0.4 * JUDGED
        with pytest.raises(StoreUnavailable):
            look()


async def test_copies_make_no_document_larger_than_a_body(api: Api) -> None:
    steps: list[dict[str, Any]] = [{"op": "add", "path": "/meta", "value": {"a": "x" * 50_000}}]
    steps += [{"op": "copy", "from": "/meta/a", "path": f"/meta/b{number}"} for number in range(400)]
    await fill(api)
    before = api.held()
    answer = await api.client.patch(PATH, json=steps, headers=JSON_PATCH)
    assert "bytes are copied in one patch" in is_problem(answer, 422)["detail"]
    assert api.held() == before
