"""Operations: the paths of a resource, and what each method takes and answers there, errors too.

One rule: what a method is said to take it takes, and nothing else is answered than what is said, headers too; a run of
schemathesis against a server compares them, and so does each test of REST.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID

from ..operators import OPERATORS
from ..partition import free_name
from ..resource import Resource
from ..selection import addressed
from .examples import exemplified
from .problems import ACCEPT_PATCH, EVERYWHERE, PROBLEM, header, told_of
from .schemas import Schema, Schemas, input_schema, read_schema, relationships, text_schema
from .searches import (
    list_parameters,
    listed_schema,
    query_parameter,
    search_body,
    select_parameter,
    selection,
)

_SEQ = "The place in the log up to which every change is in the body."
_UNTIL = "The last change of this channel that the body may hold already, where that is after Live-Seq."
_SEQ_HEADER: Schema = {"Live-Seq": {"description": _SEQ, "schema": {"type": "string"}}}
_READ_HEADERS: Schema = {
    **_SEQ_HEADER,
    "Live-Until": {"description": _UNTIL, "schema": {"type": "string"}},
}
_TAG_HEADER: Schema = {"ETag": {"description": "Of this state.", "schema": {"type": "string"}}}
_LIST_HEADERS: Schema = {
    **_READ_HEADERS,
    **_TAG_HEADER,
    "Live-Channel": {
        "description": "The Bayeux channel of which this list is the whole, with the pages that follow it.",
        "schema": {"type": "string"},
    },
    "Live-Signal": {
        "description": "The Bayeux channel on which something is heard that may concern this list, a part; with "
        "populate there may be several, with commas between.",
        "schema": {"type": "string"},
    },
    "Live-Created": {
        "description": "Where the request bears Live-Origin: a JSON object of those keys whose POST was done, each "
        "with what names the document that it has made.",
        "schema": {"type": "string", "contentMediaType": "application/json"},
    },
    "Link": {
        "description": 'Where else to go: rel="next" where there is more.',
        "schema": {"type": "string"},
    },
}


_LOCATION = header("Location", "Where the document is.")
_CONTENT_LOCATION = header("Content-Location", "Whose state the body is.")
_APPLIED = header("Preference-Applied", "return=minimal, where that was preferred.")
_ORIGIN = {
    "name": "Live-Origin",
    "in": "header",
    "description": "A token by which the writer knows its own write again when it is pushed.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
}
_ORIGINS = {
    **_ORIGIN,
    "description": "Idempotency-Keys of the caller's own POSTs to this path, with commas between, at most 100: "
    "Live-Created tells what they have made.",
    "schema": {"type": "string"},
}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A repeated request with the same key and body is answered, but not done again (24 hours).",
    "schema": {"type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$"},
}
_TAGS: Schema = {
    "type": "string",
    "pattern": r'^(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*$|^\*$',
    "examples": ['"9d3f5a0c41b7e2d86f10a4c3"'],
}
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "Tags of what the caller has: 304 if it is as it was.",
    "schema": _TAGS,
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "description": "Tags of what the caller saw: done only if it still is.",
    "schema": _TAGS,
}
_UNLESS_MATCH = {
    **_IF_NONE_MATCH,
    "description": "Tags of states in which it is not done, but answered with 412; *: in none that there is.",
}
_PREFER = {
    "name": "Prefer",
    "in": "header",
    "description": "return=minimal: without the document; of several, with what they are named by alone.",
    "schema": {"type": "string"},
}
_SINCE = query_parameter(
    "since",
    {"type": "string"},
    "Streams only, where the header Last-Event-ID says the same: begin after this seq.",
)
_MODIFIED_HEADER: Schema = {
    "Last-Modified": {"description": "When it was changed.", "schema": {"type": "string"}}
}
_LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "Streams only, where `since` in the query says the same: begin after this seq.",
    "schema": {"type": "string"},
}
_PART: Schema = {"type": "object", "description": "With select, a part of it."}
_POINTER: Schema = {
    "type": "string",
    "pattern": "^(/([^~/]|~[01])*)*$",
    "description": "A JSON pointer (RFC 6901).",
}
_STEPS: list[tuple[list[str], Schema]] = [
    (["add", "replace", "test"], {"path": _POINTER, "value": {}}),
    (["move", "copy"], {"path": _POINTER, "from": _POINTER}),
    (["remove"], {"path": {**_POINTER, "minLength": 1}}),
]
_JSON_PATCH: Schema = {
    "type": "array",
    "description": "RFC 6902.",
    "items": {
        "anyOf": [
            {"type": "object", "properties": {"op": {"enum": names}, **more}, "required": ["op", *more]}
            for names, more in _STEPS
        ]
    },
    "examples": [[{"op": "test", "path": "", "value": {}}]],
}
_SEVERAL: Schema = {
    "type": "object",
    "properties": {"$in": {"type": "array"}},
    "required": ["$in"],
    "additionalProperties": False,
}
_OPERANDS: Schema = {
    "$pop": {"enum": [1, -1]},
    "$inc": {"type": "number"},
    "$pull": {"anyOf": [{"type": ["string", "number", "boolean", "null", "array"]}, _SEVERAL]},
}
_KEY_PARTS = {
    int: "-?(0|[1-9][0-9]{0,17})",
    bool: "(true|false)",
    UUID: "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
}
_TEXT: Schema = {"type": "string"}


def paths(resource: Resource, schemas: Schemas, tables: Collection[str] = ()) -> dict[str, Schema]:
    """The two paths of a resource, each with its operations. tables: that some resource offers."""
    populate = _populate(resource, tables)
    problem = schemas.add("Problem", PROBLEM)
    name = resource.read.__name__
    generated = [column.attribute for column in resource.source.columns if column.generated]
    shown = schemas.add(name, exemplified(read_schema(resource, tables)))
    given = () if resource.partition is None else resource.partition.attributes
    created = input_schema(resource.creates, [*generated, *resource.read_only], given=given)
    create = schemas.add(f"{name}Create", exemplified(created))
    unchangeable = resource.read_only - {resource.locking}
    keys = [each for each, field in resource.fields.items() if field.attribute in resource.source.key]
    named = [*resource.source.key, *given]
    updated = input_schema(resource.updates, unchangeable, given=named)
    update = schemas.add(f"{name}Update", exemplified(updated, keys))
    patch = schemas.add(f"{name}Patch", input_schema(resource.updates, unchangeable, is_patch=True))
    json_patch = schemas.add("JsonPatch", _JSON_PATCH)
    operated = schemas.add(f"{name}Operators", _operators(resource)) if resource.operators else None
    operating = _operating(resource) if resource.operators else []
    marked = {**_SEQ_HEADER, **_TAG_HEADER}
    dated = {**marked, **_MODIFIED_HEADER} if resource.last_modified else marked
    linked = header("Link", "Where else to go.") if resource.links else {}
    read = {**_READ_HEADERS, **dated, **linked}
    whole = {"description": "The document.", "headers": marked, "content": _formats(shown)}
    preferred = {"description": "Done, as preferred.", "headers": {**_SEQ_HEADER, **_APPLIED}}
    unchanged = {"304": {"description": "It is as it was.", "headers": _LIST_HEADERS}}
    # Of a document: up to where it is true that there is none.
    absent = {404: _READ_HEADERS}
    refusals = () if resource.policy.is_open and resource.partition is None else (401, 403)
    if_match = [{**_IF_MATCH, "required": resource.require_if_match}, _UNLESS_MATCH]
    conditional = (412, 428) if resource.require_if_match else (412,)

    def operation(
        summary: str,
        verb: str,
        answers: Schema,
        problems: Iterable[int],
        bearing: Mapping[int, Schema] = MappingProxyType({}),
        **more: Any,
    ) -> Schema:
        told = told_of([*problems, *refusals, *EVERYWHERE], problem, bearing)
        identity = re.sub(r"\W+", "_", f"{verb}{resource.path}").strip("_")
        tags = {"tags": list(resource.tags)} if resource.tags else {}
        return {"summary": summary, "operationId": identity, **tags, **more, "responses": {**answers, **told}}

    queried = list_parameters(resource)
    since = [] if "since" in {each["name"] for each in queried} else [_SINCE]
    one = {"anyOf": [shown, _PART]}
    listed = {
        "description": "Documents.",
        "headers": _LIST_HEADERS,
        "content": {**_formats(listed_schema(shown)), **_streamed(shown)},
    }
    # A trigger may make what was created somebody else's.
    done = {"204": {"description": "Done, and not shown.", "headers": _SEQ_HEADER}}
    given_away = done if resource.partition is not None else {}
    collection = {
        "GET": operation(
            f"List {resource.path}",
            "list",
            {"200": listed, **unchanged},
            (400, 403, 406, 412, 503),
            parameters=[*populate, *queried, *since, _ORIGINS, _IF_MATCH, _IF_NONE_MATCH, _LAST_EVENT_ID],
        ),
        "POST": operation(
            f"Create a {name}, or several",
            "create",
            {
                "201": {
                    **whole,
                    "headers": {**marked, **_LOCATION, **_APPLIED},
                    "content": _formats(_one_or_several(shown, _named(resource))),
                },
                **given_away,
            },
            (400, 406, 408, 409, 413, 415, 422, 503),
            parameters=[_ORIGIN, _IDEMPOTENCY_KEY, _PREFER],
            requestBody={"required": True, "content": _json(_one_or_several(create))},
        ),
        "DELETE": operation(
            f"Delete all of {resource.path} that a list would show",
            "clear",
            {
                "200": {
                    "description": "How many were deleted.",
                    "headers": _SEQ_HEADER,
                    "content": _json({"type": "integer", "minimum": 0}),
                }
            },
            (400, 403, 409, *conditional, 503),
            parameters=[*selection(resource), _ORIGIN, *if_match],
        ),
    }
    of_one = {
        "GET": operation(
            f"Read a {name}",
            "read",
            {
                "200": {**whole, "headers": read, "content": {**_formats(one), **_streamed(shown)}},
                "304": {"description": "It is as it was.", "headers": read},
            },
            (400, 404, 406, 412, 503),
            absent,
            parameters=[
                *populate,
                select_parameter(resource),
                _SINCE,
                _IF_MATCH,
                _IF_NONE_MATCH,
                _LAST_EVENT_ID,
            ],
        ),
        "PUT": operation(
            f"Replace a {name}",
            "replace",
            {"200": {**whole, "headers": {**marked, **_CONTENT_LOCATION}}, "204": preferred},
            (400, 403, 404, 406, 408, 409, *conditional, 413, 415, 422, 503),
            absent,
            parameters=[_ORIGIN, _PREFER, *operating, *if_match],
            requestBody={"required": True, "content": _json(update)},
        ),
        "PATCH": operation(
            f"Change a {name} (merge patch, JSON Patch, or update operators)",
            "patch",
            {"200": whole, "204": {**preferred, "headers": {**marked, **_APPLIED}}},
            (400, 403, 404, 406, 408, 409, *conditional, 413, 415, 422, 503),
            {**absent, 415: ACCEPT_PATCH},
            parameters=[_ORIGIN, _IDEMPOTENCY_KEY, _PREFER, *operating, *if_match],
            requestBody={
                "required": True,
                "content": {
                    "application/json": {"schema": {"anyOf": [patch, operated]} if operated else patch},
                    "application/merge-patch+json": {"schema": patch},
                    "application/json-patch+json": {"schema": json_patch},
                },
            },
        ),
        "DELETE": operation(
            f"Delete a {name}",
            "delete",
            {"204": {"description": "Deleted.", "headers": _SEQ_HEADER}},
            (400, 403, 404, 409, *conditional, 503),
            absent,
            parameters=[_ORIGIN, *if_match],
        ),
    }
    if not resource.delete_all:
        del collection["DELETE"]
    key, parameter = _key_parameter(resource)
    search = {
        "post": operation(
            f"Search {resource.path}, by what is too long for a URL (QUERY {resource.path} does the same)",
            "search",
            {"200": {**listed, "content": _formats(listed_schema(shown))}, **unchanged},
            (400, 403, 406, 408, 412, 413, 415, 422, 503),
            parameters=[_ORIGINS, _IF_MATCH, _IF_NONE_MATCH],
            requestBody={"required": True, "content": _json(search_body(resource))},
        )
    }
    values = _value_parameters(resource)
    paths = {
        resource.path: {**_offered(resource, collection), **({"parameters": values} if values else {})},
        **(
            {f"{resource.path}/search": {**search, "parameters": values}} if "GET" in resource.methods else {}
        ),
        f"{resource.path}/{{{key}}}": {**_offered(resource, of_one), "parameters": [*values, parameter]},
    }
    return {path: operations for path, operations in paths.items() if operations.keys() - {"parameters"}}


def released(operations: dict[str, Any], release: str) -> dict[str, Any]:
    """The operations of a path as those of one release of the API, which is asked for by a header."""
    asked = {
        "name": "API-Version",
        "in": "header",
        "description": "A range of releases, of which the highest answers: this is told of this one.",
        "schema": {"enum": [release]},
    }
    told = header("API-Version", "The release that answers.")
    for verb in operations.keys() - {"parameters"}:
        for answer in operations[verb]["responses"].values():
            answer["headers"] = {**answer.get("headers", {}), **told}
    return {**operations, "parameters": [*operations.get("parameters", ()), asked]}


def _offered(resource: Resource, operations: dict[str, Schema]) -> Schema:
    return {verb.lower(): each for verb, each in operations.items() if verb in resource.methods}


def _one_or_several(one: Schema, *each: Schema) -> Schema:
    several = [{"type": "array", "items": schema, "minItems": 1} for schema in (one, *each)]
    return {"anyOf": [one, *several]}


def _named(resource: Resource) -> Schema:
    """What a document is named by, without the rest."""
    names = addressed(resource).fields
    return {
        "type": "object",
        "description": "With return=minimal.",
        "required": [*names],
        "maxProperties": len(names),
    }


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _formats(schema: Schema) -> Schema:
    """Documents in each of their formats."""
    return {**_json(schema), "application/x-ndjson": {"schema": _TEXT}, "text/csv": {"schema": _TEXT}}


def _streamed(shown: Schema) -> Schema:
    """Changes as a stream. shown: the schema of a document."""
    message = {
        "type": "object",
        "description": "The data of each event; its id is the seq.",
        "properties": {
            "method": {"enum": ["POST", "PUT", "DELETE", "RESET"]},
            "body": shown,
            "seq": {"type": "string"},
            "prev": {"type": "string"},
            "origin": {"type": "string"},
        },
        "required": ["method", "seq"],
    }
    return {"text/event-stream": {"schema": {"type": "string", "contentSchema": message}}}


def _operators(resource: Resource) -> Schema:
    """The body that has update operators, each with the fields for which it is enabled."""
    fields = {
        operator: "|".join(re.escape(name) for name, known in resource.operators.items() if operator in known)
        for operator in OPERATORS
    }
    return {
        "type": "object",
        "description": "Fields, and what is to be done with each; dots lead into JSON.",
        "properties": {
            operator: {
                "type": "object",
                "propertyNames": {"pattern": rf"^({names})(\.[^.$][^.]*){{0,3}}$"},
                "additionalProperties": _OPERANDS.get(operator, {}),
            }
            for operator, names in fields.items()
            if names
        },
        "additionalProperties": False,
    }


def _operating(resource: Resource) -> list[Schema]:
    """What goes with update operators."""
    known = sorted(set().union(*resource.operators.values()), key=OPERATORS.index)
    return [
        {
            "name": "Update-Operator",
            "in": "header",
            "description": "The body has fields, and what this operator is to do with each.",
            "schema": {"enum": known},
        },
        query_parameter(
            "conditions",
            {"type": "string", "contentMediaType": "application/json"},
            "Of update operators: what the document must meet, and the element of an array that `$` stands for.",
        ),
    ]


def _populate(resource: Resource, tables: Collection[str]) -> list[Schema]:
    names = "|".join(re.escape(relation.name) for relation in relationships(resource, tables))
    schema = {"type": "string", "pattern": f"^(({names})(,({names})){{0,2}})?$"}
    told = "What is referred to, in each document, as its own resource shows it; dots lead further."
    return [query_parameter("populate", schema, told)] if names else []


def _value_parameters(resource: Resource) -> list[Schema]:
    """What stands in the path of a resource."""
    nested = () if resource.partition is None else resource.partition.nested
    fields = {name: resource.field_of(name) for name in nested}
    return [
        {"name": name, "in": "path", "required": True, "schema": text_schema(field) if field else _TEXT}
        for name, field in fields.items()
    ]


def _key_parameter(resource: Resource) -> tuple[str, Schema]:
    fields = [field for each in resource.address if (field := resource.field_of(each)) is not None]
    if len(fields) == 1:
        name, schema = fields[0].name, text_schema(fields[0])
    else:
        parts = ",".join(_KEY_PARTS.get(field.type, "[^,]+") for field in fields)
        schema = {
            "type": "string",
            "description": "The parts of the key, with commas between.",
            "pattern": f"^{parts}$",
        }
        name = "key"
    name = free_name(resource.path, name)
    return name, {"name": name, "in": "path", "required": True, "schema": schema}
