"""What schemathesis can't be told by a schema."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import schemathesis

TAGS = ("If-Match", "If-None-Match")
OF_METHODS = ("UnsupportedMethodResponse", "AllowHeaderMismatch")
LAX = ("Incorrect type", "violates `type`")


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """QUERY is served, and OpenAPI 3.1 has no name for it."""
    if methods := response.headers.get("allow"):
        response.headers["allow"] = [method for method in ", ".join(methods).split(", ") if method != "QUERY"]


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Leave out what is no failure, though a schema can't tell.

    A document may be called "search", and is served beside the search there. Of a release the document tells only of
    itself, and the header takes ranges. Pydantic reads more than is of a type: "7" and true for numbers.
    """
    kind = type(failure).__name__
    if kind in OF_METHODS:
        return not case.operation.path.endswith("/search")
    is_lax = any(word in failure.message for word in LAX)
    return not (kind == "AcceptedNegativeData" and ("`API-Version` in header" in failure.message or is_lax))


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Leave out what is well-formed by itself and makes no sense together.

    Headers whose quotes it has lost on the way from their schema; beginnings, which only streams have; filters, which
    are a language of their own; places, which only links know; values of a field and something else; sorts by a field
    twice; moves of a part of a document into itself; and operators that touch a place twice.
    """
    headers, query = case.headers or {}, case.query or {}
    quoted = all('"' in headers.get(name, '"') or headers[name] == "*" for name in TAGS)
    asked = {**query, **(case.body if isinstance(case.body, dict) else {})}
    makes_sense = not {"conditions", "after", "since"} & asked.keys() and not _is_told_twice(asked)
    makes_sense = makes_sense and not _is_sorted_twice(asked.get("sort"))
    # What the body must be then depends on the header.
    makes_sense = makes_sense and "Update-Operator" not in headers
    return quoted and makes_sense and not _moves_into_itself(case.body) and not _touches_twice(case.body)


def _is_told_twice(asked: dict[str, Any]) -> bool:
    summary = {"distinct", "count"} & asked.keys()
    return len(summary) == 2 or bool(summary and {"select", "populate"} & asked.keys())


def _is_sorted_twice(sort: Any) -> bool:
    names = [step.removeprefix("-") for step in re.split("[, ]", sort)] if isinstance(sort, str) else []
    return len(set(names)) < len(names)


def _moves_into_itself(body: Any) -> bool:
    steps = [step for step in body if isinstance(step, dict)] if isinstance(body, list) else []
    return any(f"{step.get('path')}/".startswith(f"{step.get('from')}/") for step in steps if "from" in step)


def _touches_twice(body: Any) -> bool:
    operators = (
        [places for places in body.values() if isinstance(places, dict)] if isinstance(body, dict) else []
    )
    places = sorted(f"{place}." for each in operators for place in each)
    return any(other.startswith(place) for place, other in pairwise(places))
