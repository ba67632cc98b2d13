"""Webhooks: what a resource posts elsewhere, as OpenAPI's own section of that name tells it.

One rule: a message that is sent is one that its schema accepts, whatever is hidden from anybody; a test compares them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..change import Method
from ..resource import Resource
from ..view import Views
from ..webhooks import methods_of, type_of
from .examples import exemplified
from .schemas import Schema, Schemas, read_schema

_TEXT: Schema = {"type": "string"}
_SIGNED = [
    {"name": name, "in": "header", "required": True, "description": text, "schema": schema}
    for name, text, schema in (
        ("webhook-id", "Of the message, the same each time it is sent.", _TEXT),
        ("webhook-timestamp", "When it was sent, in seconds since 1970.", {**_TEXT, "pattern": "^[0-9]+$"}),
        (
            "webhook-signature",
            "Those of Standard Webhooks, v1, one for each secret, with blanks between.",
            {**_TEXT, "pattern": "^v1,[A-Za-z0-9+/=]+( v1,[A-Za-z0-9+/=]+)*$"},
        ),
    )
]
_ANSWERS: Schema = {
    "2XX": {"description": "It is taken, and the next one follows."},
    "410": {"description": "Nothing more is wanted: the webhook ends."},
    "default": {"description": "It is posted again, ever more rarely; Retry-After is kept."},
}
_SAYS: dict[Method, str] = {
    "POST": "was created",
    "PUT": "was changed",
    "DELETE": "was deleted; the body is as it was last",
    "RESET": "may have changed in ways that can't be told one by one: read the list again",
}


def webhooks(resource: Resource, schemas: Schemas) -> dict[str, Schema]:
    """What is posted of the changes of a resource, by the type of the messages."""
    if not resource.webhooks:
        return {}
    told = Views(resource, resource.policy).told
    shown = schemas.add(f"{resource.read.__name__}Posted", exemplified(read_schema(told)))
    return {type_of(told, method): _posted(told, method, shown) for method in methods_of(told.webhooks)}


def _posted(resource: Resource, method: Method, shown: Schema) -> Schema:
    kind = type_of(resource, method)
    has_body = method != "RESET"
    data: Schema = {
        "type": "object",
        "properties": {
            "method": {"const": method},
            **({"body": shown} if has_body else {}),
            "seq": {**_TEXT, "description": "The place of the change in the log."},
            "prev": {**_TEXT, "description": "Up to where everything has been posted before."},
            "origin": {**_TEXT, "description": "The token of who made it, if there is one."},
        },
        "required": ["method", "seq", *(["body"] if has_body else [])],
        "additionalProperties": False,
    }
    message: Schema = {
        "type": "object",
        "properties": {
            "type": {"const": kind},
            "timestamp": {**_TEXT, "format": "date-time"},
            "data": data,
        },
        "required": ["type", "timestamp", "data"],
        "additionalProperties": False,
    }
    subject = "A document" if has_body else "Documents"
    return {
        "post": {
            "summary": f"{subject} of {resource.path} {_SAYS[method]}.",
            "operationId": re.sub(r"\W+", "_", f"posted_{kind}"),
            **({"tags": list(resource.tags)} if resource.tags else {}),
            "parameters": _SIGNED,
            "requestBody": {"required": True, "content": {"application/json": {"schema": message}}},
            "responses": _ANSWERS,
        }
    }


def named(sections: Iterable[dict[str, Schema]]) -> dict[str, Schema]:
    """Those of several resources; a type that two have, since their paths differ in values only, gets a number."""
    found: dict[str, Schema] = {}
    for section in sections:
        for kind, posted in section.items():
            numbers = (kind if number == 1 else f"{kind}{number}" for number in range(1, len(found) + 2))
            found[next(name for name in numbers if name not in found)] = posted
    return found
