"""Update operators by themselves: what each does, what is refused, and that nothing given is changed."""

from __future__ import annotations

import re
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest

from livecollections.errors import Conflict, InvalidDocument, MalformedRequest
from livecollections.operators import MOST_STEPS, apply_update, read_update

STORED: dict[str, Any] = {
    "n": 1, "half": 0.5, "text": "x", "none": None, "words": ["a", "b", "a"], "flag": True, "big": str(2**60),
    "price": "1.10", "mixed": [1, True, 1.0, {"a": 1}, [1]], "deep": {"list": [{"n": 1}], "n": None},
}  # fmt: skip
NUMBERS = {"big": 2**60, "price": Decimal("1.10")}

DONE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"$set": {"n": 2, "text": None}}, {"n": 2, "text": None}),
    ({"$set": {"unknown": 2}}, {"unknown": 2}),
    ({"$set": {"deep.list.0.n": 2}}, {"deep": {"list": [{"n": 2}], "n": None}}),
    ({"$set": {"deep.list.1": 2, "deep.m": 3}}, {"deep": {"list": [{"n": 1}, 2], "n": None, "m": 3}}),
    ({"$set": {"none.a.b": 1}}, {"none": {"a": {"b": 1}}}),
    ({"$unset": {"text": ""}}, {"text": None}),
    ({"$unset": {"deep.n": "", "deep.list.0": ""}}, {"deep": {"list": [None]}}),
    ({"$unset": {"deep.x.y": "", "deep.list.7": ""}}, {"deep": STORED["deep"]}),
    ({"$inc": {"n": 2, "half": 1, "none": -1}}, {"n": 3, "half": 1.5, "none": -1}),
    ({"$inc": {"big": 1, "price": 0.2}}, {"big": 2**60 + 1, "price": Decimal("1.30")}),
    ({"$inc": {"deep.n": 5, "deep.list.0.n": 1}}, {"deep": {"list": [{"n": 2}], "n": 5}}),
    ({"$push": {"words": "c"}}, {"words": ["a", "b", "a", "c"]}),
    ({"$push": {"words": {"$each": ["c", "c"]}, "none": [1]}}, {"words": [*"abacc"], "none": [[1]]}),
    ({"$push": {"words": {"plain": 1}}}, {"words": [*"aba", {"plain": 1}]}),
    ({"$pull": {"words": "a"}}, {"words": ["b"]}),
    ({"$pull": {"words": {"$in": ["a", "b"]}, "none": 1}}, {"words": [], "none": None}),
    ({"$pull": {"mixed": 1}}, {"mixed": [True, {"a": 1}, [1]]}),
    ({"$pull": {"mixed": {"a": 1.0}}}, {"mixed": [1, True, 1.0, [1]]}),
    ({"$addToSet": {"words": "a", "mixed": [1]}}, {"words": [*"aba"], "mixed": STORED["mixed"]}),
    ({"$addToSet": {"words": {"$each": ["c", "a", "c"]}}}, {"words": [*"abac"]}),
    ({"$addToSet": {"mixed": False}}, {"mixed": [*STORED["mixed"], False]}),
    ({"$pop": {"words": 1}}, {"words": ["a", "b"]}),
    ({"$pop": {"words": -1, "deep.nowhere": 1}}, {"words": ["b", "a"], "deep": STORED["deep"]}),
    ({"$set": {"n": 5}, "$push": {"words": "z"}, "$inc": {"half": 1}},
     {"n": 5, "words": [*"abaz"], "half": 1.5}),
]  # fmt: skip
CONFLICTS: list[dict[str, Any]] = [
    {"$inc": {"text": 1}}, {"$inc": {"flag": 1}}, {"$inc": {"words": 1}}, {"$push": {"n": 1}}, {"$pull": {"n": 1}},
    {"$addToSet": {"text": "x"}}, {"$pop": {"deep": 1}}, {"$set": {"text.a": 1}}, {"$set": {"words.x": 1}},
    {"$set": {"words.9": 1}}, {"$unset": {"n.a": ""}}, {"$set": {"words.-1": 1}},
    {"$inc": {"half": 1.7976931348623157e308, "n": 1}, "$set": {"text.a": 1}},
]  # fmt: skip
MALFORMED: list[tuple[dict[str, Any], str]] = [
    ({"$rename": {"a": "b"}}, "/$rename"),
    ({"$set": {"a": 1}, "b": 1}, "/b"),
    ({"$set": 1}, "/$set"),
    ({"$set": {"": 1}}, "/$set/"),
    ({"$set": {"a..b": 1}}, "/$set/a..b"),
    ({"$set": {"$.a": 1}}, "/$set/$.a"),
    ({"$set": {"a.$.b.$": 1}}, "/$set/a.$.b.$"),
    ({"$set": {"a.$b": 1}}, "/$set/a.$b"),
    ({"$set": {"$where": 1}}, "/$set/$where"),
    ({"$inc": {"a": "1"}}, "/$inc/a"),
    ({"$inc": {"a": True}}, "/$inc/a"),
    ({"$pop": {"a": 2}}, "/$pop/a"),
    ({"$pop": {"a": True}}, "/$pop/a"),
    ({"$push": {"a": {"$each": 1}}}, "/$push/a"),
    ({"$push": {"a": {"$each": [], "$slice": 1}}}, "/$push/a"),
    ({"$pull": {"a": {"$gt": 1}}}, "/$pull/a"),
    ({"$set": {"a": 1}, "$inc": {"a": 1}}, "another operator"),
    ({"$set": {"a.b": 1}, "$unset": {"a": 1}}, "another operator"),
    ({"$set": {f"a{number}": 1 for number in range(MOST_STEPS + 1)}}, "at most"),
]


def test_what_is_done() -> None:
    kept = deepcopy(STORED)
    for update, after in DONE:
        steps = read_update(update)
        assert apply_update(steps, STORED, NUMBERS) == after, update
        assert apply_update(steps, STORED, NUMBERS) == after, f"{update}, once more"
        assert kept == STORED, update


def test_what_does_not_fit() -> None:
    for update in CONFLICTS:
        with pytest.raises(Conflict) as caught:
            apply_update(read_update(update), STORED, NUMBERS)
        assert caught.value.errors[0]["pointer"].startswith("/$"), update


def test_a_sum_that_no_number_holds() -> None:
    for stored, amount in ((1.7e308, 1.7e308), (2**2000, 0.5), (float("nan"), 1)):
        with pytest.raises(Conflict, match="beyond"):
            apply_update(read_update({"$inc": {"n": amount}}), {"n": None}, {"n": stored})


def test_what_is_not_shown_is_not_changed_in_part() -> None:
    for update in ({"$inc": {"secret": 1}}, {"$set": {"secret.a": 1}}, {"$pull": {"secret": 1}}):
        with pytest.raises(InvalidDocument, match="no such field"):
            apply_update(read_update(update), STORED, {"secret": 5})


def test_what_is_no_update() -> None:
    for update, says in MALFORMED:
        with pytest.raises(MalformedRequest, match=re.escape(says)):
            read_update(update)
