"""Examples: a value that a schema accepts, told with it. One that can't be made up (a pattern) is left out.

This module knows no resource.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

Schema = dict[str, Any]

_TEXT = {
    "date-time": "2030-01-31T12:00:00Z",
    "date": "2030-01-31",
    "time": "12:00:00",
    "duration": "PT1H",
    "uuid": "5d1c0bd8-61bb-4cdd-8a9d-0b4b3b0b1a7e",
    "email": "ada@example.org",
    "uri": "https://example.org/",
    "binary": "bWlsaw==",
    "base64": "bWlsaw==",
}
_WORDS = "a few words"
_PLAIN = {"boolean": True, "array": [], "object": {}, "null": None}


class NoExample(Exception):
    """Nothing can be made up that this schema surely accepts."""


def exemplified(schema: Schema, without: Collection[str] = ()) -> Schema:
    """A schema of objects with an example, if one can be made up. without: names that it does not have."""
    names = {name: each for name, each in schema.get("properties", {}).items() if name not in without}
    try:
        return {**schema, "examples": [example_of({**schema, "properties": names})]}
    except NoExample:
        return schema


def example_of(schema: Schema, definitions: Mapping[str, Schema] | None = None) -> Any:
    """A value that a schema accepts. definitions: of its own ``$defs``. Raises NoExample."""
    definitions = schema.get("$defs", definitions or {})
    if "$ref" in schema:
        return example_of(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    for known in ("const", "default"):
        if schema.get(known) is not None:
            return schema[known]
    if schema.get("examples"):
        return schema["examples"][0]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return _any_of(schema["anyOf"], definitions)
    if "properties" in schema:
        return _of_object(schema, definitions)
    return _of_type(schema)


def _any_of(schemas: list[Schema], definitions: Mapping[str, Schema]) -> Any:
    for schema in schemas:
        if schema.get("type") != "null":
            try:
                return example_of(schema, definitions)
            except NoExample:
                continue
    raise NoExample


def _of_object(schema: Schema, definitions: Mapping[str, Schema]) -> dict[str, Any]:
    made = {}
    for name, inner in schema["properties"].items():
        try:
            made[name] = example_of(inner, definitions)
        except NoExample:
            if name in schema.get("required", ()):
                raise
    return made


def _of_type(schema: Schema) -> Any:
    if schema.keys() <= {"title", "description"}:
        return None
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return _of_number(schema, whole=kind == "integer")
    if kind == "string":
        return _of_text(schema)
    if kind not in _PLAIN or schema.get("minItems") or schema.get("minProperties"):
        raise NoExample
    return _PLAIN[kind]


def _of_number(schema: Schema, *, whole: bool) -> int | float:
    value = schema.get("minimum", 1)
    if "exclusiveMinimum" in schema:
        value = schema["exclusiveMinimum"] + 1
    value = min(value, schema.get("maximum", value))
    if "multipleOf" in schema or value >= schema.get("exclusiveMaximum", value + 1):
        raise NoExample
    return int(value) if whole else value


def _of_text(schema: Schema) -> str:
    if "pattern" in schema or schema.get("minLength", 0) > schema.get("maxLength", 2**31):
        raise NoExample
    made = _TEXT.get(schema.get("format", ""))
    if made is None and "format" in schema:
        raise NoExample
    text = made or _WORDS.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]
    if not schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text)):
        raise NoExample
    return text
