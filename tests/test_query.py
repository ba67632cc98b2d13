"""The filter language: what a query string asks for, what is refused, and which rows a query means."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from livecollections.errors import MalformedRequest
from livecollections.parameters import parse
from livecollections.query import Compare, Comparison, Equal, In, Order, Query, equal, holds, matches, meets
from tests.models import Colour, Everything, Person, Seat, Todo, resource_of

TODOS = resource_of(Todo)
BY_ID = (Order("id"),)


@pytest.mark.parametrize(
    ("parameters", "query"),
    [
        ([], Query(sort=BY_ID)),
        ([("_", "1700000000000")], Query(sort=BY_ID)),
        ([("sort", "-order,title")], Query(sort=(Order("order", True), Order("title"), Order("id")))),
        ([("sort", "-id")], Query(sort=(Order("id", True),))),
        ([("sort", "")], Query(sort=BY_ID)),
        ([("limit", "10"), ("skip", "20")], Query(sort=BY_ID, skip=20, limit=10)),
        ([("completed", "true")], Query((Equal("completed", True),), BY_ID)),
        (
            [("completed", "0"), ("title", "a b")],
            Query((Equal("completed", False), Equal("title", "a b")), BY_ID),
        ),
        ([("order", "null")], Query((Equal("order", None),), BY_ID)),
        ([("title", "null")], Query((Equal("title", "null"),), BY_ID)),
        ([("title", "")], Query((Equal("title", ""),), BY_ID)),
        ([("order", str(2**60))], Query((Equal("order", 2**60),), BY_ID)),
    ],
)
def test_a_query_string_is_read(parameters: list[tuple[str, str]], query: Query) -> None:
    assert parse(TODOS, parameters) == query


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("moment", "2020-01-02T03:04:05Z", datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("price", "1.10", Decimal("1.10")),
        ("token", str(uuid.UUID(int=1)), uuid.UUID(int=1)),
        ("colour", "red", Colour.RED),
        ("blob", "__4=", b"\xff\xfe"),
        ("real", "1.5", 1.5),
        ("flag", "false", False),
        ("moment", "null", None),
    ],
)
def test_values_are_read_by_their_type(name: str, text: str, value: Any) -> None:
    (condition,) = parse(resource_of(Everything), [(name, text)]).where
    assert condition == Equal(name, value)


@pytest.mark.parametrize(
    "parameters",
    [
        [("wrong", "1")],
        [("sort", "wrong")],
        [("sort", "title,-wrong")],
        [("sort", "--title")],
        [("limit", "0")],
        [("limit", "-1")],
        [("limit", "")],
        [("limit", "ten")],
        [("limit", "1.0")],
        [("limit", "\u0661")],
        [("limit", "9" * 16)],
        [("skip", "-1")],
        [("skip", "x")],
        [("completed", "yes")],
        [("completed", "")],
        [("completed", "null")],
        [("order", "1.0")],
        [("order", str(2**63))],
        [("title", "a"), ("title", "b")],
        [("limit", "1"), ("limit", "2")],
    ],
)
def test_what_is_wrong_is_named(parameters: list[tuple[str, str]]) -> None:
    with pytest.raises(MalformedRequest, match=f"^{parameters[-1][0]}: "):
        parse(TODOS, parameters)


@pytest.mark.parametrize(
    ("model", "parameter"),
    [(Everything, "meta"), (Everything, "real"), (Person, "secret"), (Person, "mail"), (Person, "initial")],
)
def test_what_is_not_shown_or_has_no_text_cant_be_asked_for(model: type, parameter: str) -> None:
    with pytest.raises(MalformedRequest):
        parse(resource_of(model), [(parameter, "inf")])
    if parameter not in ("meta", "real"):
        with pytest.raises(MalformedRequest):
            parse(resource_of(model), [("sort", parameter)])


def test_names_are_those_of_documents() -> None:
    query = parse(resource_of(Person), [("eMail", "a@b"), ("sort", "-eMail")])
    assert query == Query((Equal("mail", "a@b"),), (Order("mail", True), Order("id")))


def test_the_order_of_the_resource_holds_where_none_is_asked_for() -> None:
    todos = resource_of(Todo, sort="-order")
    assert parse(todos, []).sort == (Order("order", True), Order("id"))
    assert parse(todos, [("sort", "title")]).sort == (Order("title"), Order("id"))
    assert parse(resource_of(Seat), []).sort == (Order("row"), Order("place"))


def test_more_than_a_resource_gives_at_once_is_refused() -> None:
    todos = resource_of(Todo, limit=10)
    assert parse(todos, [("limit", "10")]).limit == 10
    assert parse(todos, []).limit is None
    with pytest.raises(MalformedRequest, match="limit: 10"):
        parse(todos, [("limit", "11")])


def test_correctness_20_only_an_unfiltered_list_is_whole() -> None:
    assert parse(TODOS, [("sort", "-title")]).is_whole
    for name, value in (("limit", "5"), ("skip", "1"), ("completed", "true")):
        assert not parse(TODOS, [(name, value)]).is_whole


@pytest.mark.parametrize(
    ("stored", "value", "holds"),
    [
        ("a", "a", True),
        ("a", "A", False),
        (None, None, True),
        ("", None, False),
        (None, "", False),
        (True, True, True),
        (1, True, True),
        (1, 1.0, True),
        ("1", 1, False),
        (b"1", "1", False),
    ],
)
def test_a_row_meets_a_query(stored: Any, value: Any, holds: bool) -> None:
    query = Query((Equal("field", value), Equal("other", 1)))
    assert matches({"field": stored, "other": 1}, query) is holds
    assert not matches({"field": stored, "other": 2}, query)
    assert matches({"field": stored}, Query())


@pytest.mark.parametrize("nan", [float("nan"), Decimal("nan")], ids=repr)
def test_nan_is_before_and_after_nothing(nan: Any) -> None:
    """A Decimal that is none raised where it was compared, and ended whatever judged a filter."""
    operators: tuple[Comparison, ...] = ("<", "<=", ">", ">=")
    for operator in operators:
        for stored, asked in ((nan, 1), (1, nan), (nan, Decimal(1))):
            assert not matches({"field": stored}, Query((Compare("field", operator, asked),)))


def test_many_values_are_looked_up_and_not_gone_through() -> None:
    class Counted(str):
        """A text that counts how often it is compared."""

        compared = 0

        def __eq__(self, other: object) -> bool:
            Counted.compared += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    among = In("words", tuple(Counted(number) for number in range(1_000)), ("a",))
    assert not meets({"words": {"a": [Counted(-1 - number) for number in range(1_000)]}}, among)
    assert Counted.compared < 5_000, "a million of them take seconds for each row"


def test_values_that_are_looked_up_are_as_equal_as_others() -> None:
    noon = datetime(2020, 1, 1, 12, tzinfo=UTC)
    values: list[Any] = [0, 1, 1.0, True, False, "1", None, Decimal("1.0"), [1], {"a": [1.0]}, b"1", noon]
    values += [noon.replace(tzinfo=None), noon.astimezone(timezone(timedelta(hours=2))), 2**60, float(2**60)]
    for value in values:
        for each in values:
            assert In("a", ("x", each)).has(value) == equal(value, each), (value, each)
            assert holds(In("a", ("x", each)), value) == holds(Equal("a", each), value), (value, each)
