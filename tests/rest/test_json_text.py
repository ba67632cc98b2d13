"""Texts of JSON: names that stand twice in one object are noticed wherever they stand, and taken from nobody."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecollections.json_text import read
from tests.rest.conftest import Api, is_problem

TEXTS = st.text(st.sampled_from(['"', "\\", ":", "{", "a", "é", "\n", "\u2028"]), max_size=4)
TREES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.integers(-1, 1), TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(TEXTS, inner), max_size=3).map(tuple),
)
"""Values of JSON, of which an object is a tuple of its pairs."""


def written(tree: Any) -> str:
    if isinstance(tree, tuple):
        return "{" + ", ".join(f"{json.dumps(name)} : {written(each)}" for name, each in tree) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(map(written, tree)) + "]"
    return json.dumps(tree, ensure_ascii=False)


@given(TREES)
def test_they_are_noticed_at_any_depth_and_nothing_else_is(tree: Any) -> None:
    text, found = written(tree), []
    json.loads(text, object_pairs_hook=lambda pairs: found.append(len(dict(pairs)) < len(pairs)))
    for told in (text, text.encode()):
        if any(found):
            with pytest.raises(ValueError, match="a name is given twice"):
                read(told)
        else:
            assert read(told) == json.loads(text)


DOCUMENT = b'{"title": "milk", "completed": false, "title": "bread"}'
PATCH = b'[{"op": "replace", "path": "/title", "value": "a", "op": "remove"}]'


@pytest.mark.parametrize(
    ("verb", "path", "kind", "body"),
    [
        ("POST", "/api/todos", "json", DOCUMENT),
        ("POST", "/api/todos", "json", b"[" + DOCUMENT + b"]"),
        ("PUT", "/api/todos/1", "json", DOCUMENT),
        ("PATCH", "/api/todos/1", "merge-patch+json", DOCUMENT),
        ("PATCH", "/api/todos/1", "json", b'{"$set": {"order": 1}, "$set": {"order": 2}}'),
        ("PATCH", "/api/todos/1", "json-patch+json", PATCH),
        ("QUERY", "/api/todos", "json", b'{"conditions": {"title": "a", "title": "b"}}'),
        ("DELETE", '/api/cleared?conditions={"title": "bread", "title": "milk"}', "json", b""),
        ("DELETE", '/api/cleared?conditions={"$or": [{"id": {"$gt": 5, "$gt": 0}}]}', "json", b""),
        ("GET", '/api/todos?populate={"path": "nothing", "path": "title"}', "json", b""),
    ],
)
async def test_who_says_something_twice_is_refused(
    api: Api, verb: str, path: str, kind: str, body: bytes
) -> None:
    await api.todo()
    held, headers = api.held(), {"Content-Type": f"application/{kind}"}
    answer = await api.client.request(verb, path, content=body, headers=headers)
    assert "a name is given twice" in is_problem(answer, 400)["detail"]
    assert api.held() == held
