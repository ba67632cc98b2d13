"""Filters as MongoDB writes them: what each means, and what is refused, with a pointer to the place."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from livecollections.conditions import DEEPEST, MOST_CONDITIONS, MOST_VALUES, read_conditions
from livecollections.errors import ConfigurationError, MalformedRequest
from livecollections.parameters import parse
from livecollections.query import And, Compare, Equal, In, Not, Or, Order, Size, Some, Text, meets
from tests.models import Colour, Everything, Person, Todo, resource_of

TODOS = resource_of(Todo)
EVERYTHING = resource_of(Everything)
MOMENT = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tree", "conditions"),
    [
        ({}, ()),
        ({"text": "a"}, (Equal("text", "a"),)),
        ({"text": None}, (Equal("text", None),)),
        ({"number": {"$gt": 5, "$lte": 1.5}}, (Compare("number", ">", 5), Compare("number", "<=", 1.5))),
        ({"number": "9007199254740993"}, (Equal("number", 2**53 + 1),)),
        ({"text": {"$ne": "a"}}, (Not(Equal("text", "a")),)),
        ({"text": {"$in": ["a", None]}}, (In("text", ("a", None)),)),
        ({"text": {"$nin": []}}, (Not(In("text", ())),)),
        ({"flag": True}, (Equal("flag", True),)),
        ({"flag": "false"}, (Equal("flag", False),)),
        ({"moment": {"$gte": "2020-01-02T03:04:05Z"}}, (Compare("moment", ">=", MOMENT),)),
        ({"day": "2020-01-02"}, (Equal("day", date(2020, 1, 2)),)),
        ({"price": 1.1}, (Equal("price", Decimal("1.1")),)),
        ({"price": {"$lt": "1.10"}}, (Compare("price", "<", Decimal("1.10")),)),
        ({"token": str(uuid.UUID(int=1))}, (Equal("token", uuid.UUID(int=1)),)),
        ({"colour": {"$in": ["red", "blue"]}}, (In("colour", (Colour.RED, Colour.BLUE)),)),
        ({"blob": "__4="}, (Equal("blob", b"\xff\xfe"),)),
        ({"text": {"$exists": True}}, (Not(Equal("text", None)),)),
        ({"text": {"$exists": False}}, (Equal("text", None),)),
        ({"text": {"$not": {"$gt": "a"}}}, (Not(And((Compare("text", ">", "a"),))),)),
        ({"text": {"$regex": "a"}}, (Text("text", "a"),)),
        ({"text": {"$regex": "^a"}}, (Text("text", "a", starts=True),)),
        ({"text": {"$regex": "a$", "$options": "i"}}, (Text("text", "a", ends=True, any_case=True),)),
        ({"text": {"$regex": r"^\.a\\\$$"}}, (Text("text", r".a\$", starts=True, ends=True),)),
        ({"text": {"$regex": r"a\$"}}, (Text("text", "a$"),)),
        (
            {"$or": [{"text": "a"}, {"number": 1, "flag": True}]},
            (Or((And((Equal("text", "a"),)), And((Equal("number", 1), Equal("flag", True))))),),
        ),
        ({"$nor": [{"text": "a"}]}, (Not(Or((And((Equal("text", "a"),)),))),)),
        ({"$and": [{"text": "a"}]}, (And((And((Equal("text", "a"),)),)),)),
        ({"words": "a"}, (Equal("words", "a"),)),
        ({"words": ["a", "b"]}, (Equal("words", ["a", "b"]),)),
        ({"words": {"$all": ["a", "b"]}}, (And((Equal("words", "a"), Equal("words", "b"))),)),
        ({"words": {"$all": []}}, (Or(()),)),
        ({"words": {"$size": 2}}, (Size("words", 2),)),
        (
            {"words": {"$elemMatch": {"$gte": "a", "$lt": "b"}}},
            (Some("words", And((Compare("", ">=", "a"), Compare("", "<", "b")))),),
        ),
        ({"meta": {"a": {"b": 1}}}, (Equal("meta", {"a": {"b": 1}}),)),
        ({"meta.a.b": 1}, (Equal("meta", 1, ("a", "b")),)),
        ({"meta.a.0": {"$gt": "x"}}, (Compare("meta", ">", "x", ("a", "0")),)),
        (
            {"meta.lines": {"$elemMatch": {"sort.of": "x", "n": {"$gt": 1}}}},
            (
                Some(
                    "meta",
                    And((Equal("", "x", ("sort", "of")), Compare("", ">", 1, ("n",)))),
                    ("lines",),
                ),
            ),
        ),
        (
            {"meta.lines": {"$elemMatch": {"$or": [{"a": 1}, {"b.c": 2}]}}},
            (
                Some(
                    "meta",
                    And((Or((And((Equal("", 1, ("a",)),)), And((Equal("", 2, ("b", "c")),)))),)),
                    ("lines",),
                ),
            ),
        ),
    ],
    ids=str,
)
def test_a_filter_is_read(tree: Any, conditions: Any) -> None:
    assert read_conditions(EVERYTHING, tree) == conditions
    assert parse(EVERYTHING, [("conditions", json.dumps(tree))]).where == conditions


@pytest.mark.parametrize(
    ("parameters", "tree"),
    [
        ([("conditions[text]", "a")], {"text": "a"}),
        (
            [("conditions[number][$gt]", "5"), ("conditions[number][$lt]", "9")],
            {"number": {"$gt": 5, "$lt": 9}},
        ),
        ([("conditions[text][$in][]", "a"), ("conditions[text][$in][]", "b")], {"text": {"$in": ["a", "b"]}}),
        (
            [("conditions[number][$in][1]", "2"), ("conditions[number][$in][0]", "1")],
            {"number": {"$in": [1, 2]}},
        ),
        (
            [("conditions[$or][0][text]", "a"), ("conditions[$or][1][flag]", "1")],
            {"$or": [{"text": "a"}, {"flag": True}]},
        ),
        ([("conditions[moment]", "null")], {"moment": None}),
        ([("conditions[text]", "null")], {"text": "null"}),
        ([("conditions[text][$exists]", "false")], {"text": {"$exists": False}}),
        ([("conditions[words][$size]", "2")], {"words": {"$size": 2}}),
        ([("conditions[meta.a]", "1")], {"meta.a": "1"}),
    ],
    ids=str,
)
def test_brackets_say_the_same(parameters: list[tuple[str, str]], tree: Any) -> None:
    assert parse(EVERYTHING, parameters).where == read_conditions(EVERYTHING, tree)


def deep(levels: int) -> Any:
    tree: Any = {"text": "a"}
    for _ in range(levels - 1):
        tree = {"$and": [tree]}
    return tree


REFUSED: list[tuple[Any, str]] = [
    (None, ""),
    (5, ""),
    ([], ""),
    ("text", ""),
    ({"wrong": 1}, "/wrong"),
    ({"wrong": {"$gt": 1}}, "/wrong"),
    ({"text.a": 1}, "/text.a"),
    ({"": 1}, "/"),
    ({"$where": "sleep(1)"}, "/$where"),
    ({"$expr": {}}, "/$expr"),
    ({"$text": {}}, "/$text"),
    ({"$explain": 1}, "/$explain"),
    ({"text": {"$where": 1}}, "/text/$where"),
    ({"text": {"$near": []}}, "/text/$near"),
    ({"text": {"$and": []}}, "/text/$and"),
    ({"text": {}}, "/text"),
    ({"text": {"a": 1}}, "/text/a"),
    ({"text": {"$gt": "a", "b": 1}}, "/text/b"),
    ({"text": 5}, "/text"),
    ({"text": True}, "/text"),
    ({"text": ["a"]}, "/text"),
    ({"text": {"$gt": None}}, "/text/$gt"),
    ({"number": "x"}, "/number"),
    ({"number": True}, "/number"),
    ({"number": 2**63}, "/number"),
    ({"number": []}, "/number"),
    ({"flag": 1}, "/flag"),
    ({"flag": "yes"}, "/flag"),
    ({"flag": {"$gt": True}}, "/flag/$gt"),
    ({"moment": "soon"}, "/moment"),
    ({"moment": 5}, "/moment"),
    ({"price": "NaN"}, "/price"),
    ({"price": "1e999"}, "/price"),
    ({"price": "1" * 501}, "/price"),
    ({"token": "x"}, "/token"),
    ({"token": {"$lt": "x"}}, "/token/$lt"),
    ({"colour": "green"}, "/colour"),
    ({"colour": {"$regex": "r"}}, "/colour/$regex"),
    ({"blob": "*"}, "/blob"),
    ({"text": {"$in": "a"}}, "/text/$in"),
    ({"text": {"$in": ["a", 5]}}, "/text/$in/1"),
    ({"text": {"$nin": {}}}, "/text/$nin"),
    ({"text": {"$exists": 5}}, "/text/$exists"),
    ({"text": {"$not": "a"}}, "/text/$not"),
    ({"text": {"$not": {}}}, "/text/$not"),
    ({"text": {"$regex": "(a+)+$"}}, "/text/$regex"),
    ({"text": {"$regex": "a.b"}}, "/text/$regex"),
    ({"text": {"$regex": "a|b"}}, "/text/$regex"),
    ({"text": {"$regex": "\\d"}}, "/text/$regex"),
    ({"text": {"$regex": "a\\"}}, "/text/$regex"),
    ({"text": {"$regex": 5}}, "/text/$regex"),
    ({"text": {"$regex": "a", "$options": "x"}}, "/text/$options"),
    ({"text": {"$options": "i"}}, "/text/$options"),
    ({"text": {"$size": 1}}, "/text/$size"),
    ({"words": {"$size": -1}}, "/words/$size"),
    ({"words": {"$size": 1.5}}, "/words/$size"),
    ({"words": {"$size": True}}, "/words/$size"),
    ({"words": {"$all": "a"}}, "/words/$all"),
    ({"words": {"$elemMatch": []}}, "/words/$elemMatch"),
    ({"words": {"$elemMatch": {"$where": 1}}}, "/words/$elemMatch/$where"),
    ({"words": {"$elemMatch": {"$or": []}}}, "/words/$elemMatch/$or"),
    ({"meta": {"$gt": {}}}, "/meta/$gt"),
    ({"meta.": 1}, "/meta."),
    ({"meta..a": 1}, "/meta..a"),
    ({"meta.$a": 1}, "/meta.$a"),
    ({"meta." + ".".join("a" * 9): 1}, "/meta." + ".".join("a" * 9)),
    ({"meta": 2**64}, "/meta"),
    ({"meta": {"a": [2**64]}}, "/meta/a/0"),
    ({"$or": {}}, "/$or"),
    ({"$or": []}, "/$or"),
    ({"$or": [1]}, "/$or/0"),
    ({"$and": [{"text": "a"}, {"x": 1}]}, "/$and/1/x"),
    ({"$nor": [{"text": {"$gte": 5}}]}, "/$nor/0/text/$gte"),
    ({"$not": {"text": "a"}}, "/$not"),
    ({"secret~/": 1}, "/secret~0~1"),
]


@pytest.mark.parametrize(("tree", "at"), REFUSED, ids=str)
def test_what_is_wrong_is_pointed_at(tree: Any, at: str) -> None:
    with pytest.raises(MalformedRequest, match=r"^conditions: ") as raised:
        read_conditions(EVERYTHING, tree)
    (fault,) = raised.value.errors
    assert (fault["parameter"], fault["pointer"]) == ("conditions", at)
    assert fault["detail"] in str(raised.value)
    with pytest.raises(MalformedRequest) as again:
        parse(EVERYTHING, [("conditions", json.dumps(tree))])
    assert again.value.errors == raised.value.errors


@pytest.mark.parametrize(
    "parameters",
    [
        [("conditions", "{")],
        [("conditions", "")],
        [("conditions", '{"number": NaN}')],
        [("conditions", '{"real": 1e999}')],
        [("conditions", "[" * 10_000)],
        [("conditions", "{}"), ("conditions", "{}")],
        [("conditions", "{}"), ("conditions[text]", "a")],
        [("conditions[text", "a")],
        [("conditions[text]x", "a")],
        [("conditions[]", "a")],
        [("conditions[0]", "a")],
        [("conditions[text]", "a"), ("conditions[text]", "b")],
        [("conditions[text]", "a"), ("conditions[text][$gt]", "b")],
        [("conditions[text][$gt]", "b"), ("conditions[text]", "a")],
        [("conditions" + "[$and][0]" * 50 + "[text]", "a")],
    ],
    ids=lambda parameters: str(parameters)[:60],
)
def test_what_is_no_filter_is_refused(parameters: list[tuple[str, str]]) -> None:
    with pytest.raises(MalformedRequest, match=r"^conditions: "):
        parse(EVERYTHING, parameters)


def test_what_a_filter_may_cost_is_bounded() -> None:
    for least, more in (
        (deep(DEEPEST), deep(DEEPEST + 1)),
        ({"$or": [{"text": "a"}] * MOST_CONDITIONS}, {"$or": [{"text": "a"}] * (MOST_CONDITIONS + 1)}),
        ({"number": {"$in": [1] * MOST_VALUES}}, {"number": {"$in": [1] * (MOST_VALUES + 1)}}),
    ):
        read_conditions(EVERYTHING, least)
        with pytest.raises(MalformedRequest, match=r"at most|deeper than"):
            read_conditions(EVERYTHING, more)
    with pytest.raises(MalformedRequest, match="deeper than"):
        read_conditions(EVERYTHING, {"meta": [[[[[[[[[]]]]]]]]]})


def test_a_resource_says_what_may_be_asked() -> None:
    some = resource_of(Todo, filters={"title": ["$eq", "$regex"], "order": ["$gt"]})
    assert read_conditions(some, {"title": {"$regex": "a"}, "order": {"$gt": 1}})
    assert parse(some, [("title", "a")]).where == (Equal("title", "a"),)
    for tree in (
        {"title": {"$ne": "a"}},
        {"title": {"$not": {"$regex": "a"}}},
        {"order": 1},
        {"completed": True},
    ):
        with pytest.raises(MalformedRequest, match="can't be"):
            read_conditions(some, tree)
    for name in ("order", "completed"):
        with pytest.raises(MalformedRequest, match=f"^{name}: lists can't be filtered by this field"):
            parse(some, [(name, "1")])
    assert parse(some, [("sort", "completed")]).sort[0] == Order("completed")
    names = resource_of(Todo, filters=["title"])
    assert read_conditions(names, {"title": {"$ne": "a"}}) == (Not(Equal("title", "a")),)


@pytest.mark.parametrize(
    "filters",
    [
        ["wrong"],
        {"wrong": ["$eq"]},
        {"title": ["$where"]},
        {"title": "$eq"},
        {"completed": ["$gt"]},
        "title",
        5,
    ],
    ids=str,
)
def test_a_wrong_option_is_an_error_that_names_it(filters: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^filters: "):
        resource_of(Todo, filters=filters)


def test_names_are_those_of_documents_and_no_others() -> None:
    people = resource_of(Person)
    assert read_conditions(people, {"eMail": {"$regex": "^a"}}) == (Text("mail", "a", starts=True),)
    refusals = set()
    for name in ("mail", "secret", "initial", "nothing"):
        with pytest.raises(MalformedRequest) as raised:
            read_conditions(people, {name: {"$regex": "^a"}})
        refusals.add(str(raised.value))
    assert len(refusals) == 1, "what is hidden is refused as what is not there"


def test_a_big_integer_in_a_structure_is_found_as_documents_show_it() -> None:
    big, row = str(2**53 + 1), {"meta": {"n": 2**53 + 1, "all": [-(2**60)], "text": str(2**53 + 1)}}
    found: list[Any] = [
        {"meta.n": big}, {"meta.text": big}, {"meta.n": {"$in": ["a", big]}}, {"meta.all": {"$all": [str(-(2**60))]}},
    ]  # fmt: skip
    for tree in found:
        assert all(meets(row, each) for each in read_conditions(EVERYTHING, tree)), tree
    others: list[Any] = [{"meta.n": {"$ne": big}}, {"meta.n": {"$nin": [big]}}, {"meta.n": str(2**53 + 2)}]
    for tree in others:
        assert not any(meets(row, each) for each in read_conditions(EVERYTHING, tree)), tree
    assert read_conditions(EVERYTHING, {"text": big}) == (Equal("text", big),)
    assert read_conditions(EVERYTHING, {"meta.n": "5"}) == (Equal("meta", "5", ("n",)),)
