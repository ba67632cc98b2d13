"""Schemas: those of documents and bodies, from their Pydantic classes, and the names that a document gives them.

What a body may not name is not in them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from ..field import LARGEST_INTEGER, Field
from ..input import Input
from ..resource import Resource
from ..source import Relation

Schema = dict[str, Any]

_BASE64 = "^([A-Za-z0-9+/_-]{4})*([A-Za-z0-9+/_-]{2}==|[A-Za-z0-9+/_-]{3}=)?$"
_BIG_INTEGER: Schema = {"type": "string", "pattern": "^-?[1-9][0-9]{15,18}$"}


class Schemas:
    """The named schemas of a document. A name that is taken by something else gets a number."""

    def __init__(self, schemas: dict[str, Schema]) -> None:
        self._schemas = schemas

    def add(self, name: str, schema: Schema) -> Schema:
        """Name a schema, and each of its definitions; gives a reference to it."""
        number = 1
        while True:
            used = name if number == 1 else f"{name}{number}"
            named = _hoisted(schema, used)
            if all(self._schemas.get(each, one) == one for each, one in named.items()):
                self._schemas.update(named)
                return {"$ref": f"#/components/schemas/{used}"}
            number += 1


def _hoisted(schema: Schema, name: str) -> dict[str, Schema]:
    """A schema and its definitions, which become ``<name>.<definition>``, each by its name."""

    def pointed(part: Any) -> Any:
        if isinstance(part, dict):
            reference = part.get("$ref")
            if isinstance(reference, str) and reference.startswith("#/$defs/"):
                part = {**part, "$ref": reference.replace("#/$defs/", f"#/components/schemas/{name}.")}
            return {key: pointed(each) for key, each in part.items() if key != "$defs"}
        return [pointed(each) for each in part] if isinstance(part, list) else part

    definitions = {f"{name}.{each}": pointed(one) for each, one in schema.get("$defs", {}).items()}
    return {**definitions, name: pointed(schema)}


class _Lenient(GenerateJsonSchema):
    """Types that have no JSON schema may be anything."""

    def handle_invalid_for_json_schema(
        self, schema: core_schema.CoreSchema, error_info: str
    ) -> JsonSchemaValue:
        return {}


def _json_schema(model: type[BaseModel], mode: Literal["validation", "serialization"]) -> Schema:
    return model.model_json_schema(mode=mode, schema_generator=_Lenient)


def relationships(resource: Resource, tables: Collection[str]) -> list[Relation]:
    """The relations by which documents may have others in them, under names of their own."""
    return [
        relation
        for relation in resource.source.relations
        if relation.source.name in tables
        and resource.field_of(relation.name) is None
        and resource.hidden.isdisjoint(resource.source.alike(relation))
    ]


def read_schema(resource: Resource, tables: Collection[str] = ()) -> Schema:
    """The schema of documents. tables: that some resource offers, so that ``populate`` may put them in."""
    schema = _json_schema(resource.read, "serialization")
    shown = [*resource.fields, *sorted(resource.computed)]
    known = schema.get("properties", {})
    hideable = {resource.name_of(attribute) for attribute in resource.policy.hideable}
    required = [name for name in shown if name not in hideable]
    properties = {name: known.get(name, {}) for name in shown}
    for relation in relationships(resource, tables):
        one: Schema = {"type": "object", "additionalProperties": True}
        several = {"type": "array", "items": one}
        properties[relation.name] = several if relation.many else {"anyOf": [one, {"type": "null"}]}
    return {
        name: _with_big_integers(each)
        for name, each in {**schema, "properties": properties, "required": required}.items()
    }


def input_schema(
    entered: Input, left_out: Iterable[str], is_patch: bool = False, given: Iterable[str] = ()
) -> Schema:
    """The schema of a body.

    left_out: attributes that it may not name.  is_patch: it may lack anything.  given: attributes that it may lack,
    since where the document is gives them.
    """
    schema = _json_schema(entered.model, "validation")
    gone = set(left_out)
    names = [name for name, attribute in entered.names.items() if attribute not in gone]
    known = schema.get("properties", {})
    needed = [] if is_patch else [name for name in schema.get("required", []) if name in names]
    required = [name for name in needed if entered.attribute(name) not in {*given}]
    kept = {**schema, "properties": {name: known[name] for name in names if name in known}}
    return {**kept, "required": required} if required else {k: v for k, v in kept.items() if k != "required"}


def text_schema(field: Field) -> Schema:
    """The values of a field as parameters, by their types alone."""
    if field.type is int:
        return {"type": "integer", "minimum": -LARGEST_INTEGER - 1, "maximum": LARGEST_INTEGER}
    if field.type is bytes:
        return {"type": "string", "contentEncoding": "base64", "pattern": _BASE64}
    if field.type is Decimal:
        return {"type": "string", "pattern": r"^-?[0-9]{1,15}(\.[0-9]{1,10})?$"}
    try:
        schema = TypeAdapter(field.type).json_schema(schema_generator=_Lenient)
    except PydanticSchemaGenerationError:
        return {"type": "string"}
    told: Schema = {name: schema[name] for name in ("type", "format", "enum", "anyOf") if name in schema}
    return told or {"type": "string"}


def _with_big_integers(part: Any) -> Any:
    """A schema of what is shown: integers that JavaScript would round are shown as texts."""
    if isinstance(part, list):
        return [_with_big_integers(each) for each in part]
    if not isinstance(part, dict):
        return part
    if part.get("type") == "integer" and not ("minimum" in part and "maximum" in part):
        rest = {name: each for name, each in part.items() if name != "type"}
        return {**rest, "anyOf": [{"type": "integer"}, _BIG_INTEGER]}
    return {name: _with_big_integers(each) for name, each in part.items()}
