"""What a resource offers: documents, keys, the checks of input, and options that say what is wrong."""

from __future__ import annotations

import math
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AliasPath, BaseModel, ConfigDict, computed_field, field_validator, model_validator
from pydantic import Field as PydanticField

from livecollections.errors import ConfigurationError, InvalidDocument, MalformedRequest
from livecollections.portable import SAFE_INTEGER, Misfit, portable, same
from livecollections.resource import Resource
from tests.models import Book, Colour, Everything, Person, Seat, Stamped, Todo, Token, resource_of

TODO = {"id": 7, "title": "milk", "completed": False, "order": None}


def faults(error: pytest.ExceptionInfo[InvalidDocument]) -> dict[str, str]:
    """Each pointer of a refusal, with what is wrong there."""
    return {fault["pointer"]: fault["detail"] for fault in error.value.errors}


def refused(function: Any, *arguments: Any) -> dict[str, str]:
    with pytest.raises(InvalidDocument) as error:
        function(*arguments)
    return faults(error)


# Documents


def test_a_document_is_the_row_under_its_names() -> None:
    assert resource_of(Todo).document(TODO) == TODO


def test_each_type_is_shown_as_pydantic_writes_it() -> None:
    token = uuid.UUID(int=1)
    row = {
        "id": 1, "text": "a\u00e9", "number": 3, "real": 0.1, "flag": True, "moment": datetime(2020, 1, 2, 3, 4, 5, 6),
        "day": date(2020, 1, 2), "price": Decimal("1.10"), "token": token, "colour": Colour.RED, "blob": b"\xff\xfe",
        "meta": {"a": [1, {"b": None}]}, "words": ["x"],
    }  # fmt: skip
    shown = resource_of(Everything).document(row)
    assert shown == {
        "id": 1, "text": "a\u00e9", "number": 3, "real": 0.1, "flag": True, "moment": "2020-01-02T03:04:05.000006",
        "day": "2020-01-02", "price": "1.10", "token": str(token), "colour": "red", "blob": "__4=",
        "meta": {"a": [1, {"b": None}]}, "words": ["x"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        (2**53 - 1, 2**53 - 1),
        (2**53, "9007199254740992"),
        (-(2**53), "-9007199254740992"),
        (2**200, str(2**200)),
        (math.nan, None),
        (math.inf, None),
        (-math.inf, None),
        ("text in an integer column", "text in an integer column"),
        (b"\x80", "gA=="),
        ("broken \udcff utf-8", "broken \ufffd\ufffd\ufffd utf-8"),
        ("\ud83d\ude00", "\ufffd" * 6),
        (datetime(2020, 1, 1, tzinfo=UTC), "2020-01-01T00:00:00Z"),
        ({"deep": [2**60, math.nan, {"\udcff": 1}]}, {"deep": [str(2**60), None, {"\ufffd\ufffd\ufffd": 1}]}),
        ({1, 2}, [1, 2]),
        (object, "<class 'object'>"),
    ],
)
def test_correctness_13_whatever_is_stored_has_a_document(stored: Any, shown: Any) -> None:
    document = resource_of(Everything).document({"number": stored, "meta": stored})
    assert document["number"] == shown
    assert document["meta"] == shown
    orjson.dumps(document)


def test_what_is_nested_too_deep_is_cut() -> None:
    deep: Any = None
    for _ in range(500):
        deep = [deep]
    orjson.dumps(resource_of(Everything).document({"meta": deep}))


def test_a_row_that_lacks_a_column_has_a_document() -> None:
    assert resource_of(Todo).document({"id": 1})["title"] is None


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(anything)
def test_portable_is_json_that_javascript_reads_alike(value: Any) -> None:
    shown = portable(value)
    assert orjson.loads(orjson.dumps(shown)) == shown
    assert portable(shown) == shown
    check_safe(shown)


def check_safe(value: Any) -> None:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            check_safe(each)
    elif isinstance(value, int):
        assert abs(value) <= SAFE_INTEGER


def test_serializers_computed_fields_aliases_and_exclusions_show() -> None:
    people = resource_of(Person)
    row = {"id": 1, "name": "ada", "age": 36, "mail": "a@b", "seen": datetime(2020, 1, 2)}
    shown = {"id": 1, "name": "ada", "age": 36, "eMail": "a@b", "seen": "2020-01-02", "initial": "A"}
    assert people.document(row) == shown
    assert list(people.fields) == ["name", "id", "age", "eMail", "seen"]
    assert people.computed == {"initial"}


def test_a_row_that_its_serializers_cant_show_is_shown_plainly() -> None:
    people = resource_of(Person)
    shown = people.document({"id": 1, "name": 5, "age": "old", "mail": None, "seen": "never"})
    assert shown == {"id": 1, "name": 5, "age": "old", "eMail": None, "seen": "never"}


class TodoRead(BaseModel):
    id: int
    title: str = PydanticField(serialization_alias="label")

    @field_validator("title")
    @classmethod
    def shout(cls, value: str) -> str:
        return value.upper()

    @computed_field
    def length(self) -> int:
        return len(self.title)


def test_a_read_class_decides_what_is_shown() -> None:
    todos = resource_of(Todo, read=TodoRead)
    assert todos.document(TODO) == {"id": 7, "label": "MILK", "length": 4}
    assert todos.document({**TODO, "title": None}) == {"id": 7, "label": None}
    assert set(todos.fields) == {"id", "label"}
    assert todos.computed == {"length"}


# Keys


@pytest.mark.parametrize(
    ("model", "key", "text"),
    [
        (Todo, (7,), "7"),
        (Todo, (-1,), "-1"),
        (Todo, (2**62,), str(2**62)),
        (Book, ("a/b,c d%\u00e9",), "a%2Fb%2Cc%20d%25%C3%A9"),
        (Token, (uuid.UUID(int=5),), str(uuid.UUID(int=5))),
        (Seat, ("a,b", 3), "a%2Cb,3"),
    ],
)
def test_keys_are_written_and_read(model: type, key: tuple[Any, ...], text: str) -> None:
    resource = resource_of(model)
    assert resource.format_address(dict(zip(resource.address, key, strict=True))) == text
    assert resource.parse_address(text) == key


def test_commas_between_the_parts_of_a_key_may_be_encoded() -> None:
    seats = resource_of(Seat)
    for text, key in (
        ("a%2C7", ("a", 7)),
        ("a%2c7", ("a", 7)),
        ("a%2Cb,7", ("a,b", 7)),
        ("a%252C,7", ("a%2C", 7)),
    ):
        assert seats.parse_address(text) == key
    for text in ("a%2Cb%2C7", "a%2C,7,8"):
        with pytest.raises(MalformedRequest):
            seats.parse_address(text)


@given(st.text(min_size=1), st.integers(-(2**63), 2**63 - 1))
def test_any_composite_key_comes_back(row: str, place: int) -> None:
    seats = resource_of(Seat)
    row = row.encode("utf-8", "replace").decode()
    assert seats.parse_address(seats.format_address({"row": row, "place": place})) == (row, place)


@pytest.mark.parametrize(
    ("model", "text"),
    [
        *((Todo, text) for text in ("", "a", "07", "+7", " 7", "7.0", "1_0", "1e3", "\u0667", str(2**63))),
        *((Todo, text) for text in ("7,8", "%FF", "null")),
        *((Seat, text) for text in ("a", "a,b", "a,1,2", ",")),
        *((Token, text) for text in ("5", "x" * 36)),
    ],
)  # fmt: skip
def test_what_is_no_key_is_told(model: type, text: str) -> None:
    with pytest.raises(MalformedRequest):
        resource_of(model).parse_address(text)


# POST


def test_a_table_at_several_paths_is_read_into_one_class_unless_they_exclude_differently() -> None:
    one, other = resource_of(Todo), resource_of(Todo, "/api/others")
    assert one.read is one.create is other.read
    assert resource_of(Todo, "/api/few", exclude=["order"]).read is not one.read


def test_create_gives_the_models_defaults() -> None:
    todos = resource_of(Todo)
    assert todos.create_values({"title": "milk"}) == {"title": "milk", "completed": False}
    assert todos.create_values({"title": "milk", "order": None}) == {
        "title": "milk",
        "completed": False,
        "order": None,
    }


def test_create_refuses_all_that_is_wrong_at_once() -> None:
    found = refused(
        resource_of(Person).create_values,
        {"id": 1, "secret": "x", "initial": "A", "wrong/~": 1, "age": -1, "mail": "a@b"},
    )
    assert found.keys() == {"/id", "/secret", "/initial", "/wrong~1~0", "/age", "/mail", "/name"}
    assert found["/name"] == "Field required"


def test_a_generated_key_may_be_null_since_clients_send_what_they_have() -> None:
    assert "id" not in resource_of(Todo).create_values({"id": None, "title": "x"})


def test_keys_of_the_client_are_accepted() -> None:
    assert resource_of(Book).create_values({"isbn": "1", "title": "x"})["isbn"] == "1"
    assert resource_of(Token).create_values({"id": str(uuid.UUID(int=3))})["id"] == uuid.UUID(int=3)
    assert isinstance(resource_of(Token).create_values({})["id"], uuid.UUID)


def test_the_models_own_validators_run() -> None:
    people = resource_of(Person)
    assert people.create_values({"name": " ada "})["name"] == "ada"
    assert refused(people.create_values, {"name": "nobody"}) == {"/name": "nobody is no name"}
    assert refused(people.create_values, {"name": "anybody"}) == {"/name": "anybody is no name"}
    assert refused(people.create_values, {"name": "x", "age": 151}) == {"": "nobody is that old"}
    assert refused(people.create_values, {"name": "x" * 21}).keys() == {"/name"}


def test_an_excluded_field_gets_its_default() -> None:
    assert resource_of(Person).create_values({"name": "x"})["secret"] == "s3cret"


def test_a_mapped_class_gives_types_lengths_and_defaults() -> None:
    books = resource_of(Book)
    assert books.create_values({"isbn": "1", "title": "x"}) == {"isbn": "1", "title": "x", "pages": 100}
    found = refused(books.create_values, {"title": "x" * 11, "pages": "many", "shelf": None, "weight": {}})
    assert found.keys() == {"/isbn", "/title", "/pages", "/shelf", "/weight"}


def test_json_has_words_for_every_type() -> None:
    everything = resource_of(Everything)
    body = {
        "number": "9007199254740993", "moment": "2020-01-02T03:04:05Z", "day": "2020-01-02", "price": "1.10",
        "token": str(uuid.UUID(int=1)), "colour": "blue", "blob": "__4=", "meta": {"a": [1]}, "words": ["x"],
    }  # fmt: skip
    values = everything.create_values(body)
    assert values["number"] == 9007199254740993
    assert values["moment"] == datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert values["day"] == date(2020, 1, 2)
    assert values["price"] == Decimal("1.10")
    assert values["token"] == uuid.UUID(int=1)
    assert values["colour"] is Colour.BLUE
    assert values["blob"] == b"\xff\xfe"
    assert values["meta"] == {"a": [1]}


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**400, str(2**63)])
def test_integers_beyond_64_bits_are_refused(number: Any) -> None:
    assert refused(resource_of(Everything).create_values, {"number": number}).keys() == {"/number"}


def test_a_strict_model_still_reads_json() -> None:
    stamped = resource_of(Stamped)
    values = stamped.create_values(
        {"token": str(uuid.UUID(int=1)), "made": "2020-01-01T00:00:00Z", "number": "9007199254740993"}
    )
    assert values["token"] == uuid.UUID(int=1)
    assert values["number"] == 9007199254740993
    for text in ("5", "--9007199254740993", "9" * 5_000, "\u0669" * 20):
        assert refused(stamped.create_values, {"number": text}) == {
            "/number": "Input should be a valid integer"
        }
    assert refused(stamped.create_values, {"token": 5}).keys() == {"/token"}


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    count: int
    tags: list[int | str] = []


class WithInner(BaseModel):
    text: str = ""
    meta: Inner | None = None


def test_pointers_lead_into_nested_values() -> None:
    things = resource_of(Everything, create=WithInner, update=WithInner)
    assert things.create_values({"meta": {"count": 1}})["meta"] == {"count": 1, "tags": []}
    found = refused(things.create_values, {"meta": {"tags": ["x", None], "more": 1}})
    assert found.keys() == {"/meta/count", "/meta/tags/1", "/meta/more"}
    assert refused(things.create_values, {"number": 1}).keys() == {"/number"}


# PUT


def test_put_replaces_and_gives_defaults_to_what_is_missing() -> None:
    todos = resource_of(Todo)
    row = {"id": 7, "title": "milk", "completed": True, "order": 3}
    assert todos.replace_values(row, {"title": "bread"}) == {
        "title": "bread",
        "completed": False,
        "order": None,
    }
    assert refused(todos.replace_values, row, {"completed": False}) == {"/title": "Field required"}


def test_put_of_the_whole_document_writes_what_differs() -> None:
    todos = resource_of(Todo)
    assert todos.replace_values(TODO, TODO) == {}
    assert todos.replace_values(TODO, {**TODO, "completed": True}) == {"completed": True}


@pytest.mark.parametrize("key", [7, "7"])
def test_put_accepts_the_key_of_its_url(key: Any) -> None:
    assert resource_of(Todo).replace_values(TODO, {**TODO, "id": key}) == {}


@pytest.mark.parametrize("key", [8, "8", "07", None, True, 7.5, [7], {}])
def test_put_and_patch_refuse_another_key(key: Any) -> None:
    todos = resource_of(Todo)
    assert refused(todos.replace_values, TODO, {**TODO, "id": key}).keys() == {"/id"}
    assert refused(todos.patch_values, TODO, {"id": key}).keys() == {"/id"}


def test_a_big_key_comes_back_as_string_or_integer() -> None:
    row = {**TODO, "id": 2**60}
    for key in (2**60, str(2**60)):
        assert resource_of(Todo).replace_values(row, {**TODO, "id": key}) == {}


def test_what_is_sent_back_as_shown_is_left_as_stored() -> None:
    everything = resource_of(Everything)
    row = {
        "id": 1, "text": "\udcff", "number": 2**60, "real": math.inf, "flag": True,
        "moment": datetime(2020, 1, 2, 3, 4, 5, 6), "day": date(2020, 1, 2), "price": Decimal("1.10"),
        "token": uuid.UUID(int=1), "colour": Colour.RED, "blob": b"\xff", "meta": {"big": 2**60, "nan": math.nan},
        "words": None,
    }  # fmt: skip
    shown = {**everything.document(row), "text": "new", "real": 1.5}
    assert everything.replace_values(row, shown) == {"text": "new", "real": 1.5}
    shown = {**everything.document(row), "real": 1.5}
    assert everything.patch_values({**row, "text": "ok"}, {"meta": shown["meta"], "real": 1.5}) == {
        "real": 1.5
    }


def test_put_keeps_what_only_the_database_knows() -> None:
    books = resource_of(Book)
    row = {"isbn": "1", "title": "x", "pages": 5, "shelf": "cellar", "weight": 2.0, "after": None}
    assert books.replace_values(row, {"title": "x"}) == {"pages": 100, "weight": None}


def test_fields_that_a_client_may_not_set() -> None:
    stamped = resource_of(Stamped, read_only=["touched"])
    row = {"id": 1, "number": 1, "token": None, "made": datetime(2020, 1, 1, tzinfo=UTC), "touched": 5}
    assert refused(stamped.create_values, {"touched": 1}) == {"/touched": "this is read-only"}
    assert stamped.replace_values(row, {"number": 2, "touched": 4}) == {"number": 2}
    assert stamped.patch_values(row, {"touched": 5}) == {}
    assert refused(stamped.patch_values, row, {"touched": 4}) == {"/touched": "this is read-only"}
    people = resource_of(Person)
    person = {"id": 1, "name": "ada", "age": 36, "mail": None, "seen": datetime(2020, 1, 2)}
    assert people.replace_values(person, {**people.document(person), "initial": "Z", "age": 37}) == {
        "age": 37
    }
    assert refused(people.patch_values, person, {"initial": "Z"}) == {"/initial": "this is read-only"}
    assert refused(people.patch_values, person, {"secret": "Z"}).keys() == {"/secret"}


class Counted(BaseModel):
    title: str
    order: int | None = None

    @model_validator(mode="after")
    def count(self) -> Counted:
        self.order = (self.order or 0) + 1
        return self


class Rename(BaseModel):
    title: str


def test_an_update_class_says_what_may_change() -> None:
    todos = resource_of(Todo, update=Rename)
    assert todos.patch_values(TODO, {"title": "bread"}) == {"title": "bread"}
    assert refused(todos.patch_values, TODO, {"completed": True}) == {"/completed": "this is read-only"}
    assert todos.replace_values(TODO, {**TODO, "title": "bread", "completed": True}) == {"title": "bread"}
    assert refused(todos.replace_values, TODO, {"title": "x", "wrong": 1}).keys() == {"/wrong"}


# PATCH


def test_a_merge_patch_changes_what_it_names() -> None:
    todos = resource_of(Todo)
    row = {"id": 7, "title": "milk", "completed": True, "order": 3}
    assert todos.patch_values(row, {}) == {}
    assert todos.patch_values(row, {"title": "bread"}) == {"title": "bread"}
    assert todos.patch_values(row, {"order": None}) == {"order": None}
    assert todos.patch_values(row, {"completed": None}) == {"completed": False}
    assert refused(todos.patch_values, row, {"title": None}) == {"/title": "Field required"}
    assert refused(todos.patch_values, row, {"title": "", "wrong": 1}).keys() == {"/title", "/wrong"}


# RFC 7396, appendix A, for the value of one field.
MERGES: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    (None, {"a": 1, "b": None}, {"a": 1}),
]


@pytest.mark.parametrize(("stored", "patch", "merged"), MERGES)
def test_json_is_merged_as_rfc_7396_says(stored: Any, patch: Any, merged: Any) -> None:
    everything = resource_of(Everything)
    row = {
        column.attribute: {"id": 1, "text": "", "number": 0, "real": 0.0, "flag": False}.get(column.attribute)
        for column in everything.source.columns
    }
    changed = everything.patch_values({**row, "meta": stored}, {"meta": patch})
    assert changed == ({} if same(stored, merged) else {"meta": merged})


def test_a_stored_value_that_the_model_refuses_is_named() -> None:
    assert refused(resource_of(Todo).patch_values, {**TODO, "order": "abc"}, {"title": "x"}).keys() == {
        "/order"
    }
    assert resource_of(Todo).patch_values({**TODO, "order": "abc"}, {"order": 1}) == {"order": 1}


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("moment", Misfit("infinity")),
        ("day", Misfit("0044-03-15 BC")),
        ("price", Decimal("NaN")),
        ("real", float("-inf")),
    ],
    ids=str,
)
def test_a_stored_value_that_python_has_none_for_stays_and_keeps_nothing_else_from_being_changed(
    attribute: str, value: Any
) -> None:
    everything = resource_of(Everything)
    row = {
        "id": 1, "text": "", "number": 1, "real": 3.5, "flag": True, "moment": None, "day": None, "price": None,
        "token": None, "colour": "red", "blob": None, "meta": {"a": [1]}, "words": None,
    } | {attribute: value}  # fmt: skip
    assert everything.patch_values(row, {"text": "new"}) == {"text": "new"}
    shown = {**everything.document(row), "text": "new"}
    assert everything.replace_values(row, shown) == {"text": "new"}
    assert refused(everything.patch_values, row, {"number": "x"}).keys() == {"/number"}


def test_odd_stored_values_that_a_request_does_not_touch_stay() -> None:
    everything = resource_of(Everything)
    odd = {
        "id": 1, "text": "", "number": "12", "real": 3, "flag": 1, "moment": None, "day": None, "price": 1.5,
        "token": None, "colour": "red", "blob": "text", "meta": None, "words": None,
    }  # fmt: skip
    assert everything.patch_values(odd, {"text": "new"}) == {"text": "new"}
    shown = {**everything.document(odd), "text": "new"}
    assert everything.replace_values(odd, shown) == {"text": "new"}
    assert everything.patch_values(odd, {"blob": "__4="}) == {"blob": b"\xff\xfe"}


@pytest.mark.parametrize("text", ["a", "!!!!", "a===", "\u00e9", "aa a"])
def test_bytes_are_base64(text: str) -> None:
    assert refused(resource_of(Everything).create_values, {"blob": text}) == {"/blob": "base64 is needed"}
    assert resource_of(Everything).create_values({"blob": "_-8="})["blob"] == b"\xff\xef"
    assert resource_of(Everything).create_values({"blob": "/+8="})["blob"] == b"\xff\xef"


def test_a_validator_may_set_what_was_not_sent() -> None:
    counted = resource_of(Todo, update=Counted)
    assert counted.patch_values({**TODO, "order": 4}, {"title": "x"}) == {"title": "x", "order": 5}
    assert counted.patch_values(TODO, {"title": "x"}) == {"title": "x", "order": 1}


def test_same_tells_one_from_true_and_one_point_zero() -> None:
    assert same({"a": [1]}, {"a": [1]})
    assert same(math.nan, math.nan)
    for one, other in ((1, True), (1, 1.0), ([1], [True]), ({"a": 1}, {"b": 1}), ([1], [1, 2]), (None, 0)):
        assert not same(one, other)


# Options


class NoKey(BaseModel):
    title: str


class Foreign(BaseModel):
    title: str
    stranger: int


class Pathed(BaseModel):
    title: str = PydanticField(validation_alias=AliasPath("a", "b"))


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        (Todo, {"colour": 1}, ["colour", "unknown", "read_only"]),
        (Todo, {"by": "title"}, ["by", "function"]),
        (Todo, {"read": 5}, ["read", "Pydantic"]),
        (Todo, {"create": dict}, ["create", "Pydantic"]),
        (Todo, {"read": NoKey}, ["read", "NoKey", "'id'"]),
        (Todo, {"create": Foreign}, ["create", "'stranger'"]),
        (Todo, {"update": Foreign}, ["update", "'stranger'"]),
        (Todo, {"update": Pathed}, ["Pathed.title", "AliasPath"]),
        (Todo, {"read_only": ["wrong"]}, ["read_only", "'wrong'"]),
        (Todo, {"read_only": "title"}, ["read_only", "list"]),
        (Todo, {"read_only": ["title"]}, ["read_only", "'title'", "POST"]),
        (Todo, {"exclude": ["title"]}, ["exclude", "'title'", "POST"]),
        (Todo, {"methods": ["GET", "FETCH"]}, ["methods", "'FETCH'", "PATCH"]),
        (Todo, {"methods": []}, ["methods"]),
        (Todo, {"methods": "GET"}, ["methods", "list"]),
        (Todo, {"sort": "-wrong"}, ["sort", "'wrong'", "title"]),
        (Todo, {"sort": 5}, ["sort", "list"]),
        (Todo, {"sort": "title,-title"}, ["sort", "once"]),
        (Todo, {"limit": 0}, ["limit", "positive"]),
        (Todo, {"operators": ["nothing"]}, ["operators", "nothing", "order"]),
        (Todo, {"operators": {"order": ["$rename"]}}, ["operators", "order", "$inc"]),
        (Todo, {"operators": {"order": "$inc"}}, ["operators", "order", "a list"]),
        (Todo, {"operators": "order"}, ["operators", "a list"]),
        (Todo, {"last_modified": "title"}, ["last_modified", "title", "datetime"]),
        (Todo, {"last_modified": "nothing"}, ["last_modified", "nothing"]),
        (Todo, {"links": 1}, ["links", "True or False"]),
        (Todo, {"limit": True}, ["limit"]),
        (Todo, {"tags": "one"}, ["tags", "list"]),
    ],
)
def test_a_wrong_option_is_named(model: type, options: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigurationError) as error:
        resource_of(model, **options)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_a_required_field_may_be_excluded_where_nothing_is_created() -> None:
    assert "title" not in resource_of(Todo, exclude=["title"], methods=["GET", "PUT"]).fields


@pytest.mark.parametrize(
    "path",
    ["", "api", "/", "/api/", "/api//x", "/a/{wrong}", "/a/{id", "/a?b", "/a#b", "/a/..", "/./a", "/meta/x",
     "/service/x", "/a\n"],
)  # fmt: skip
def test_a_wrong_path_is_named(path: str) -> None:
    with pytest.raises(ConfigurationError, match="path"):
        resource_of(Todo, path)


def test_correctness_25_the_channel_is_the_path_in_bayeux_characters() -> None:
    assert resource_of(Todo, "/api/todos").channel == "/api/todos"
    assert resource_of(Todo, "/api/order.items \u00e9").channel == "/api/order~2Eitems~20~C3~A9"


@pytest.mark.parametrize("limit", [0, -1, (0, 5), (5, 2), (1, 2, 3), "5", (True, 5), 1.5])
def test_a_wrong_limit_is_an_error_that_names_it(limit: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^limit: "):
        Resource.check_options({"limit": limit})


def test_options_that_say_nothing_say_nothing() -> None:
    nothing: dict[str, Any] = dict.fromkeys(
        ("read", "create", "update", "read_only", "methods", "sort", "limit", "tags")
    )
    assert isinstance(resource_of(Todo, **nothing), Resource)


def test_the_order_may_be_given_as_a_list() -> None:
    assert resource_of(Todo, sort=["-order", "title"]).sort == "-order,title"
