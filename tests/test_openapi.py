"""The OpenAPI document: its structure, what each resource has in it, and how it joins a host's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from livecollections.openapi import document, merge
from livecollections.openapi.examples import NoExample, example_of
from livecollections.resource import Resource
from tests.models import Book, Everything, Person, Seat, Stamped, Todo, Token, resource_of

VERBS = {"get", "post", "put", "patch", "delete"}
WRITES = ("put", "patch", "delete")


@pytest.fixture
def resources() -> list[Resource]:
    return [
        resource_of(Todo, "/api/todos", tags=["todos"], limit=50),
        resource_of(Everything, "/api/everything"),
        resource_of(Person, "/api/people"),
        resource_of(Book, "/api/books"),
        resource_of(Seat, "/api/seats"),
        resource_of(Token, "/api/tokens", methods=["GET"]),
        resource_of(Stamped, "/api/stamped", read_only=["touched"]),
    ]


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for each in part.values():
            yield from references(each)
    elif isinstance(part, list):
        for each in part:
            yield from references(each)


def check(described: dict[str, Any]) -> None:
    """Check the structure that OpenAPI 3.1 demands, as far as we use it."""
    assert described["openapi"].startswith("3.1.")
    assert {"title", "version"} <= described["info"].keys()
    schemas = described["components"]["schemas"]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in schemas)
    for reference in references(described):
        assert reference.removeprefix("#/components/schemas/") in schemas, reference
    assert "$defs" not in str(described)
    identities = []
    for path, item in described["paths"].items():
        assert path.startswith("/")
        shared = item.get("parameters", [])
        assert item.keys() <= VERBS | {"parameters"}
        for verb in item.keys() & VERBS:
            operation = item[verb]
            identities.append(operation["operationId"])
            parameters = shared + operation.get("parameters", [])
            places = [(each["in"], each["name"].lower()) for each in parameters]
            assert len(places) == len(set(places))
            in_path = {each["name"] for each in parameters if each["in"] == "path"}
            assert in_path == set(re.findall(r"\{(\w+)\}", path))
            for each in parameters:
                assert each["in"] in ("query", "header", "path")
                assert each["schema"]
                assert each["in"] != "path" or each["required"] is True
            assert operation["responses"]
            for status, answer in operation["responses"].items():
                assert re.fullmatch(r"[1-5]\d\d", status)
                assert answer["description"]
                for media in answer.get("content", {}).values():
                    assert "schema" in media
            if "requestBody" in operation:
                assert verb in ("post", "put", "patch")
                assert "application/json" in operation["requestBody"]["content"]
    assert len(identities) == len(set(identities))


def schema(described: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = described["components"]["schemas"][name]
    return found


def test_its_structure(resources: list[Resource]) -> None:
    described = document(resources, title="Shop", version="2")
    check(described)
    assert described["info"]["title"] == "Shop"
    assert {"/api/todos", "/api/todos/{id}", "/api/books/{isbn}", "/api/seats/{key}"} <= described[
        "paths"
    ].keys()


def test_a_resource_has_its_methods_and_answers(resources: list[Resource]) -> None:
    paths = document(resources)["paths"]
    assert paths["/api/todos"].keys() == {"get", "post"}
    assert paths["/api/todos/{id}"].keys() == {"get", "put", "patch", "delete", "parameters"}
    assert paths["/api/tokens"].keys() == {"get"}
    assert paths["/api/tokens/{id}"].keys() == {"get", "parameters"}
    listed = paths["/api/todos"]["get"]
    assert listed["tags"] == ["todos"]
    assert listed["responses"]["200"]["content"].keys() == {
        "application/json", "application/x-ndjson", "text/csv", "text/event-stream",
    }  # fmt: skip
    assert {"Live-Seq", "Live-Channel", "Live-Signal"} <= listed["responses"]["200"]["headers"].keys()
    for status in ("200", "304"):
        assert "Live-Created" in listed["responses"][status]["headers"]
    assert {
        "sort", "skip", "limit", "Live-Origin", "If-None-Match", "Last-Event-ID", "id", "title", "completed", "order",
    } <= {each["name"] for each in listed["parameters"]}  # fmt: skip
    (limit,) = (each for each in listed["parameters"] if each["name"] == "limit")
    assert limit["schema"] == {"type": "integer", "minimum": 1, "maximum": 50, "default": 50}
    created = paths["/api/todos"]["post"]
    assert created["responses"]["201"]["headers"].keys() == {
        "Live-Seq", "ETag", "Location", "Preference-Applied",
    }  # fmt: skip
    assert {each["name"] for each in created["parameters"]} == {"Live-Origin", "Idempotency-Key", "Prefer"}
    assert {"400", "409", "413", "415", "422", "503"} <= created["responses"].keys()
    problem = created["responses"]["422"]["content"]["application/problem+json"]["schema"]
    assert problem == {"$ref": "#/components/schemas/Problem"}
    patch = paths["/api/todos/{id}"]["patch"]["requestBody"]["content"]
    assert patch.keys() == {
        "application/json", "application/merge-patch+json", "application/json-patch+json",
    }  # fmt: skip
    assert "content" not in paths["/api/todos/{id}"]["delete"]["responses"]["204"]


def test_it_tells_what_streams_preconditions_and_refusals_bear(resources: list[Resource]) -> None:
    paths = document(resources, release="2.0.0")["paths"]
    check(document(resources, release="2.0.0"))
    for path in ("/api/todos", "/api/todos/{id}"):
        read = paths[path]["get"]
        assert {"since", "Last-Event-ID", "If-Match"} <= {each["name"] for each in read["parameters"]}
        assert "text/event-stream" in read["responses"]["200"]["content"]
        assert "Allow" in read["responses"]["405"]["headers"]
        assert "Retry-After" in read["responses"]["503"]["headers"]
        (release,) = (each for each in paths[path]["parameters"] if each["name"] == "API-Version")
        assert release["schema"] == {"enum": ["2.0.0"]}
        for answer in read["responses"].values():
            assert "API-Version" in answer["headers"]
        for status in ("200", "304"):
            assert {"Live-Seq", "Live-Until", "ETag"} <= read["responses"][status]["headers"].keys()
    for path, verb in (
        ("/api/todos", "post"),
        ("/api/todos/search", "post"),
        ("/api/todos/{id}", "put"),
        ("/api/todos/{id}", "patch"),
    ):
        assert {"408", "413", "415", "500"} <= paths[path][verb]["responses"].keys()
    assert "Live-Seq" in paths["/api/todos/{id}"]["get"]["responses"]["404"]["headers"]
    assert "Accept-Patch" in paths["/api/todos/{id}"]["patch"]["responses"]["415"]["headers"]
    replaced = paths["/api/todos/{id}"]["put"]["responses"]
    assert "Content-Location" in replaced["200"]["headers"]
    assert "Preference-Applied" in replaced["204"]["headers"]


def test_writes_that_depend_on_a_state_tell_both_preconditions() -> None:
    paths = document(
        [resource_of(Todo, "/a", delete_all=True, require_if_match=True), resource_of(Book, "/b")]
    )["paths"]
    asked = [
        paths["/a"]["delete"],
        *(paths[path][verb] for path in ("/a/{id}", "/b/{isbn}") for verb in WRITES),
    ]
    for operation in asked:
        preconditions = {
            each["name"]: each.get("required", False)
            for each in operation["parameters"]
            if each["name"].startswith("If-")
        }
        assert preconditions == {"If-Match": "428" in operation["responses"], "If-None-Match": False}
        assert {"400", "403", "412"} <= operation["responses"].keys()
    assert "428" in paths["/a/{id}"]["put"]["responses"]


def test_a_key_of_several_parts_is_told_by_their_types(resources: list[Resource]) -> None:
    (key,) = document(resources)["paths"]["/api/seats/{key}"]["parameters"]
    for text, fits in (
        ("a,7", True),
        ("a b,-1", True),
        ("a", False),
        ("a,b", False),
        ("a,1,2", False),
        ("a,07", False),
    ):
        assert bool(re.search(key["schema"]["pattern"], text)) == fits, text


def test_operators_are_those_that_are_enabled() -> None:
    enabled = {"order": ["$inc", "$set"], "title": ["$set"]}
    described = document(
        [resource_of(Todo, "/api/todos", operators=enabled), resource_of(Book, "/api/books")]
    )
    check(described)
    operators = schema(described, "TodoOperators")["properties"]
    assert operators.keys() == {"$set", "$inc"}
    assert re.fullmatch(operators["$set"]["propertyNames"]["pattern"], "title")
    assert not re.fullmatch(operators["$inc"]["propertyNames"]["pattern"], "title")
    for path, has_some in (("/api/todos/{id}", True), ("/api/books/{isbn}", False)):
        for verb in ("put", "patch"):
            names = {each["name"] for each in described["paths"][path][verb]["parameters"]}
            assert ({"Update-Operator", "conditions"} <= names) == has_some
            assert "403" in described["paths"][path][verb]["responses"]
        content = described["paths"][path]["patch"]["requestBody"]["content"]
        assert ("anyOf" in content["application/json"]["schema"]) == has_some


def test_schemas_are_those_of_documents_and_bodies(resources: list[Resource]) -> None:
    described = document(resources)
    shown = schema(described, "Person")
    assert shown["properties"].keys() == {"id", "name", "age", "eMail", "seen", "initial"}
    assert set(shown["required"]) == shown["properties"].keys()
    create = schema(described, "PersonCreate")
    assert create["properties"].keys() == {"name", "age", "eMail", "seen"}
    assert create["required"] == ["name"]
    assert create["additionalProperties"] is False
    assert create["properties"]["name"]["maxLength"] == 20
    assert schema(described, "PersonUpdate")["properties"].keys() == {"id", "name", "age", "eMail", "seen"}
    assert "required" not in schema(described, "PersonPatch")
    assert "touched" not in schema(described, "StampedCreate")["properties"]
    assert "touched" in schema(described, "Stamped")["properties"]
    assert schema(described, "BookCreate")["properties"]["title"]["maxLength"] == 10
    assert set(schema(described, "BookCreate")["required"]) == {"isbn", "title"}
    assert schema(described, "Everything.Colour")["enum"] == ["red", "blue"]


def test_a_name_that_is_taken_gets_a_number() -> None:
    described = document(
        [resource_of(Todo, "/a"), resource_of(Todo, "/b"), resource_of(Todo, "/c", exclude=["order"])]
    )
    check(described)
    schemas = described["components"]["schemas"]
    assert {"Todo", "Todo2"} <= schemas.keys()
    assert "Todo3" not in schemas
    assert "order" not in schemas["Todo2"]["properties"]


def test_a_type_without_a_schema_may_be_anything() -> None:
    class Odd(BaseModel):
        model_config = {"arbitrary_types_allowed": True}
        id: int
        title: Resource

    check(document([resource_of(Todo, read=Odd)]))


def test_examples_are_what_the_model_accepts(resources: list[Resource]) -> None:
    described = document(resources)
    for resource in resources:
        name = resource.read.__name__
        (example,) = schema(described, f"{name}Create")["examples"]
        assert resource.create_values(example)
        (example,) = schema(described, f"{name}Update")["examples"]
        assert not {resource.fields[each].attribute for each in example} & set(resource.source.key)
        for shown in schema(described, name).get("examples", []):
            assert shown.keys() == {*resource.fields, *resource.computed}


@pytest.mark.parametrize(
    ("told", "example"),
    [
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "integer", "exclusiveMinimum": 5}, 6),
        ({"type": "number", "maximum": -2}, -2),
        ({"type": "string", "minLength": 13}, "a few words.."),
        ({"type": "string", "maxLength": 3}, "a f"),
        ({"type": "string", "format": "date"}, "2030-01-31"),
        ({"anyOf": [{"type": "string", "pattern": "^x$"}, {"type": "boolean"}, {"type": "null"}]}, True),
        ({"enum": ["red", "blue"]}, "red"),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"const": 7}}}, 7),
        ({"type": "integer", "default": 3}, 3),
        ({"properties": {"a": {"type": "string", "pattern": "x"}, "b": {"type": "boolean"}}}, {"b": True}),
        ({"title": "Anything"}, None),
    ],
)
def test_an_example_is_made_of_a_schema(told: dict[str, Any], example: Any) -> None:
    assert example_of(told) == example


@pytest.mark.parametrize(
    "told",
    [
        {"type": "string", "pattern": "^x$"},
        {"type": "string", "format": "hostname"},
        {"type": "string", "format": "uuid", "maxLength": 3},
        {"type": "integer", "multipleOf": 7},
        {"type": "array", "minItems": 1},
        {"anyOf": [{"type": "null"}]},
        {"properties": {"a": {"type": "string", "pattern": "x"}}, "required": ["a"]},
    ],
)
def test_what_can_not_be_made_up_has_none(told: dict[str, Any]) -> None:
    with pytest.raises(NoExample):
        example_of(told)


def test_integers_that_are_shown_may_be_texts(resources: list[Resource]) -> None:
    described = document(resources)
    shown = schema(described, "Seat")["properties"]["place"]["anyOf"]
    assert [each["type"] for each in shown] == ["integer", "string"]
    assert re.search(shown[1]["pattern"], str(2**53 + 1))
    assert schema(described, "SeatCreate")["properties"]["place"]["type"] == "integer"


def test_it_joins_a_hosts_document_and_leaves_it_as_it_was(resources: list[Resource]) -> None:
    app = FastAPI(title="Host")

    class Todo(BaseModel):
        text: str

    @app.post("/own")
    async def own(todo: Todo) -> Todo:
        return todo

    host = app.openapi()
    before = deepcopy(host)
    merged = merge(host, resources)
    assert host == before
    check(merged)
    assert merged["info"]["title"] == "Host"
    assert {"/own", "/api/todos"} <= merged["paths"].keys()
    assert schema(merged, "Todo") == schema(host, "Todo")
    assert schema(merged, "Todo2")["properties"].keys() == {"id", "title", "completed", "order"}
    assert merge(host, resources) == merged


def test_what_a_host_says_of_a_path_stays() -> None:
    host = {
        "openapi": "3.1.0",
        "info": {"title": "x", "version": "1"},
        "paths": {"/api/things": {"get": {"summary": "mine"}}},
    }
    merged = merge(host, [resource_of(Todo)])
    assert merged["paths"]["/api/things"]["get"] == {"summary": "mine"}
    assert "post" in merged["paths"]["/api/things"]
