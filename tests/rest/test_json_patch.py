"""JSON Patch by itself: the examples of RFC 6902, what is refused, and what it may cost."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import Any

import pytest

from livecollections.errors import Conflict, InvalidDocument, MalformedRequest
from livecollections.json_patch import MOST_STEPS, apply_patch, read_patch

Patch = list[dict[str, Any]]
LIMIT = 2**20


def add(path: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}


def copy(source: str, path: str) -> dict[str, Any]:
    return {"op": "copy", "from": source, "path": path}


def check(path: str, value: Any) -> dict[str, Any]:
    return {"op": "test", "path": path, "value": value}


DONE: dict[str, tuple[dict[str, Any], Patch, dict[str, Any]]] = {
    "A.1": ({"foo": "bar"}, [add("/baz", "qux")], {"baz": "qux", "foo": "bar"}),
    "A.2": ({"foo": ["bar", "baz"]}, [add("/foo/1", "qux")], {"foo": ["bar", "qux", "baz"]}),
    "A.3": ({"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}),
    "A.4": ({"foo": ["a", "b", "c"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["a", "c"]}),
    "A.5": ({"baz": "qux"}, [{"op": "replace", "path": "/baz", "value": "boo"}], {"baz": "boo"}),
    "A.6": (
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
    ),
    "A.7": (
        {"foo": ["all", "grass", "cows", "eat"]},
        [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
        {"foo": ["all", "cows", "eat", "grass"]},
    ),
    "A.8": (
        {"baz": "qux", "foo": ["a", 2, "c"]},
        [check("/baz", "qux"), check("/foo/1", 2)],
        {"baz": "qux", "foo": ["a", 2, "c"]},
    ),
    "A.10": (
        {"foo": "bar"},
        [add("/child", {"grandchild": {}})],
        {"foo": "bar", "child": {"grandchild": {}}},
    ),
    "A.11": ({"foo": "bar"}, [{**add("/baz", "qux"), "xyz": 123}], {"foo": "bar", "baz": "qux"}),
    "A.14": ({"/": 9, "~1": 10}, [check("/~01", 10)], {"/": 9, "~1": 10}),
    "A.16": ({"foo": ["bar"]}, [add("/foo/-", ["abc", "def"])], {"foo": ["bar", ["abc", "def"]]}),
    "whole": ({"a": 1}, [check("", {"a": 1}), add("", {"b": [1]})], {"b": [1]}),
    "empty name": ({"": 1}, [{"op": "replace", "path": "/", "value": 2}], {"": 2}),
    "numbers": ({"a": 1}, [check("/a", 1.0)], {"a": 1}),
    "big": ({"a": [2**60]}, [check("/a", [str(2**60)])], {"a": [2**60]}),
    "over itself": ({"a": 1}, [{"op": "move", "from": "/a", "path": "/a"}], {"a": 1}),
    "apart": (
        {"a": {"n": 1}},
        [{"op": "copy", "from": "/a", "path": "/b"}, {"op": "replace", "path": "/b/n", "value": 2}],
        {"a": {"n": 1}, "b": {"n": 2}},
    ),
}
CONFLICTS: dict[str, tuple[dict[str, Any], Patch]] = {
    "A.9": ({"baz": "qux"}, [check("/baz", "bar")]),
    "A.12": ({"foo": "bar"}, [add("/baz/bat", "qux")]),
    "A.15": ({"/": 9, "~1": 10}, [check("/~01", "10")]),
    "true is not 1": ({"a": 1}, [check("/a", True)]),
    "null is not false": ({"a": None}, [check("/a", False)]),
    "longer": ({"a": [1]}, [check("/a", [1, 2])]),
    "beyond": ({"a": [1]}, [add("/a/2", 1)]),
    "leading zero": ({"a": [1, 2]}, [{"op": "remove", "path": "/a/01"}]),
    "negative": ({"a": [1, 2]}, [{"op": "remove", "path": "/a/-1"}]),
    "end": ({"a": [1, 2]}, [{"op": "remove", "path": "/a/-"}]),
    "into a text": ({"a": "x"}, [add("/a/0", 1)]),
    "nothing to remove below": ({"a": None}, [{"op": "remove", "path": "/a/b"}]),
    "nothing to remove": ({}, [{"op": "remove", "path": "/a"}]),
    "nothing to replace": ({}, [{"op": "replace", "path": "/a", "value": 1}]),
    "nothing to copy": ({}, [{"op": "copy", "from": "/a", "path": "/b"}]),
    "nothing to move": ({}, [{"op": "move", "from": "/a", "path": "/a"}]),
    "no object": ({}, [add("", [])]),
}
MALFORMED: list[tuple[Any, str]] = [
    ({}, "an array"),
    (None, "an array"),
    ([1], "/0: "),
    ([{}], "/0: "),
    ([{"op": "spin", "path": "/a"}], "/0: "),
    ([{"op": ["add"], "path": "/a"}], "/0: "),
    ([{"op": "add", "value": 1}], "/0: "),
    ([add("/a", 1), {"op": "add", "path": "/a"}], "/1: "),
    ([{"op": "move", "path": "/a"}], "/0: "),
    ([{"op": "copy", "path": "/a", "from": 1}], "/0: "),
    ([add("a", 1)], "/0: "),
    ([add("/a~2", 1)], "/0: "),
    ([add("/a~", 1)], "/0: "),
    ([{"op": "move", "from": "/a", "path": "/a/b"}], "/0: "),
    ([{"op": "move", "from": "", "path": "/a"}], "/0: "),
    ([{"op": "remove", "path": ""}], "/0: "),
    ([add("/a", 1)] * (MOST_STEPS + 1), "at most"),
]


def test_what_is_done() -> None:
    for name, (before, patch, after) in DONE.items():
        kept, steps = deepcopy(before), read_patch(patch)
        assert apply_patch(steps, before, LIMIT) == after, name
        assert apply_patch(steps, before, LIMIT) == after, f"{name}, once more"
        assert before == kept, name


def test_what_does_not_fit() -> None:
    for name, (before, patch) in CONFLICTS.items():
        kept = deepcopy(before)
        with pytest.raises(Conflict):
            apply_patch(read_patch(patch), before, LIMIT)
        assert before == kept, name


def test_a_conflict_names_its_step() -> None:
    with pytest.raises(Conflict) as caught:
        apply_patch(read_patch([add("/a", 1), {"op": "remove", "path": "/b"}]), {}, LIMIT)
    assert [fault["pointer"] for fault in caught.value.errors] == ["/1"]


def test_copies_make_no_document_larger_than_one_that_is_sent_whole() -> None:
    text = "é" * 100
    patch = read_patch([copy("/a", f"/{name}") for name in "bc"])
    size = len(json.dumps(dict.fromkeys("abc", text), ensure_ascii=False, separators=(",", ":")).encode())
    assert apply_patch(patch, {"a": text}, size) == dict.fromkeys("abc", text)
    with pytest.raises(InvalidDocument, match=f"more than {size - 1} bytes"):
        apply_patch(patch, {"a": text}, size - 1)
    with pytest.raises(InvalidDocument, match="more than"):
        apply_patch([*read_patch([add("/d", text)]), *patch], {"a": text}, size)
    assert len(apply_patch(read_patch([add("/d", text)]), {"a": text}, 10)) == 2, "a body is bounded already"


def test_what_copies_cost_is_bounded_even_if_nothing_of_them_is_left() -> None:
    over = read_patch([copy("/a", "/b")] * 6)
    with pytest.raises(InvalidDocument, match=r"^/5: copy: at most 1024 bytes"):
        apply_patch(over, {"a": "x" * 200}, 1024)
    growth = read_patch([copy("/a", "/a/-")] * 100)
    for stored, says in (([0], "values"), (["x" * 1000], "bytes")):
        with pytest.raises(InvalidDocument, match=f"at most [0-9]+ {says} are copied"):
            apply_patch(growth, {"a": stored}, LIMIT)


def test_what_is_nested_thousands_deep_is_not_copied() -> None:
    nest: dict[str, Any] = {}
    for _ in range(25):
        nest = {"x": nest}
    deeper = [
        add("/b", nest),
        {"op": "move", "from": "/a", "path": "/b" + "/x" * 26},
        {"op": "move", "from": "/b", "path": "/a"},
    ]
    steps = read_patch([*deeper * 300, copy("/a", "/c")])
    with pytest.raises(InvalidDocument, match=r"^/900: copy: this is nested deeper than 100 levels"):
        apply_patch(steps, {"a": {}}, LIMIT)


def test_what_is_no_patch() -> None:
    for patch, says in MALFORMED:
        with pytest.raises(MalformedRequest, match=re.escape(says)):
            read_patch(patch)
