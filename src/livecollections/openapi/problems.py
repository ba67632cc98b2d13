"""Problems: what is answered where something can't be done, and what such answers bear."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .schemas import Schema

EVERYWHERE = (405, 500)
"""What each operation may answer."""


def header(name: str, description: str) -> Schema:
    """A header of an answer, by its name."""
    return {name: {"description": description, "schema": {"type": "string"}}}


ACCEPT_PATCH = header("Accept-Patch", "The types of bodies that a PATCH takes.")
_HEADERS = {
    401: header("WWW-Authenticate", "How to say who one is."),
    405: header("Allow", "The methods that there are."),
    503: header("Retry-After", "After how many seconds to try again."),
}
PROBLEM: Schema = {
    "type": "object",
    "description": "RFC 9457.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "parameter": {"type": "string", "description": "Of the query string; none: the body."},
                    "pointer": {"type": "string", "description": "A JSON pointer into it (RFC 6901)."},
                    "detail": {"type": "string"},
                },
                "required": ["pointer", "detail"],
            },
        },
    },
    "required": ["type", "title", "status", "detail"],
    "examples": [
        {
            "type": "about:blank",
            "title": "Unprocessable Content",
            "status": 422,
            "detail": "/title: Field required",
            "errors": [{"pointer": "/title", "detail": "Field required"}],
        }
    ],
}
SAYS = {
    400: "The request can't be read.",
    401: "Nobody is known, and somebody has to be.",
    403: "Who is known may not do this.",
    404: "There is no such document.",
    405: "There is no such method here.",
    406: "The client takes none of the formats that there are.",
    408: "The body has not come in its time.",
    409: "This contradicts what is stored, or what was asked under the same Idempotency-Key.",
    412: "The document is another than the condition says.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "The document is not what the model accepts.",
    428: "If-Match is needed.",
    500: "This failed here; the server's log knows it by the number in the detail.",
    503: "Not started, or the database can't be reached.",
}
"""What each status says, of those that an operation may have."""


def told_of(statuses: Iterable[int], schema: Schema, bearing: Mapping[int, Schema]) -> dict[str, Schema]:
    """The answers of an operation that are problems. schema: of one.  bearing: headers of its own, by status."""
    headers = {**_HEADERS, **bearing}
    return {
        str(status): {
            "description": SAYS[status],
            **({"headers": headers[status]} if status in headers else {}),
            "content": {"application/problem+json": {"schema": schema}},
        }
        for status in sorted(statuses)
    }
