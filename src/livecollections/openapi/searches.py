"""Searches: the parameters of lists, in the query string and in the body of a search."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..parameters import ASKED, SHOWN
from ..resource import MOST_STEPS, Resource
from .schemas import Schema, text_schema

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0, "maximum": 10**15 - 1}
_FILTER = """MongoDB's operators, as `{"order": {"$gt": 5}}`; in brackets too: `conditions[order][$gt]=5`."""
_SELECT = "The fields to show, with commas between; or, each with a -, those to leave out."
_FILTER_TEXT: Schema = {**_TEXT, "contentMediaType": "application/json"}


def list_parameters(resource: Resource) -> list[Schema]:
    """Those of a GET."""
    known = [
        query_parameter(name, _FILTER_TEXT if name == "conditions" else schema, description)
        for name, (schema, description) in _known(resource).items()
    ]
    fields = [
        query_parameter(name, text_schema(field), "Only those with this value.")
        for name, field in resource.fields.items()
        if field.parse is not None and "$eq" in field.filters and name not in (*ASKED, *SHOWN)
    ]
    return [*known, *fields]


def selection(resource: Resource) -> list[Schema]:
    """What says which documents are meant."""
    return [each for each in list_parameters(resource) if each["name"] not in SHOWN]


def search_body(resource: Resource) -> Schema:
    """The body of a search."""
    properties = {name: {**schema, "description": text} for name, (schema, text) in _known(resource).items()}
    example = {"conditions": {}, "sort": "", "limit": 1}
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "examples": [example],
    }


def listed_schema(shown: Schema) -> Schema:
    """What a list answers, as it was asked. shown: the schema of a document."""
    return {
        "anyOf": [
            {"type": "array", "items": shown},
            {"type": "integer", "description": "With count."},
            {"type": "array", "description": "With distinct, values; with select, parts of documents."},
        ]
    }


def _known(resource: Resource) -> dict[str, tuple[Schema, str]]:
    fields = ", ".join(resource.fields)
    limit: Schema = {**_COUNT, "minimum": 1}
    if resource.limit is not None:
        limit = {**limit, "maximum": resource.limit, "default": resource.page}
    return {
        "conditions": ({"type": "object"}, _FILTER),
        "sort": (
            {**_TEXT, "pattern": _sorted(resource.fields)},
            f"Fields with commas between, each once, and - before those that fall: {fields}.",
        ),
        "skip": (_COUNT, "How many to pass over."),
        "limit": (limit, "The most to show."),
        "after": (
            _TEXT,
            "Go on after a place, as a link to the next page has it; empty: from the beginning.",
        ),
        "select": (_selected(resource), _SELECT),
        "count": ({"type": "boolean"}, "How many there are, instead of them."),
        "distinct": ({"enum": _filterable(resource)}, "The values of this field, instead of the documents."),
    }


def select_parameter(resource: Resource) -> Schema:
    """The one that a GET of a document takes too."""
    return query_parameter("select", _selected(resource), _SELECT)


def _selected(resource: Resource) -> Schema:
    names = "|".join(map(re.escape, [*resource.fields, *sorted(resource.computed)]))
    return {**_TEXT, "pattern": f"^(({names})([, ]({names}))*|-({names})([, ]-({names}))*)?$"}


def _filterable(resource: Resource) -> list[str]:
    return [name for name, field in resource.fields.items() if field.filters]


def _sorted(names: Iterable[str]) -> str:
    step = f"-?({'|'.join(map(re.escape, names))})"
    return f"^({step}([, ]{step}){{0,{MOST_STEPS - 1}}})?$"


def query_parameter(name: str, schema: Schema, description: str) -> Schema:
    """A parameter in the query string."""
    return {"name": name, "in": "query", "description": description, "schema": schema}
