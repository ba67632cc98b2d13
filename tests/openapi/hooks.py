"""What schemathesis can't be told by a schema."""

from __future__ import annotations

import re
from typing import Any

import schemathesis

TAGS = ("If-Match", "If-None-Match")


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Leave out what is well-formed by itself and makes no sense together.

    Headers whose quotes it has lost on the way from their schema; beginnings, which only streams have; filters, which
    are a language of their own; places, which only links know; values of a field and something else; sorts by a field
    twice; and moves of a part of a document into itself.
    """
    headers, query = case.headers or {}, case.query or {}
    quoted = all('"' in headers.get(name, '"') or headers[name] == "*" for name in TAGS)
    asked = {**query, **(case.body if isinstance(case.body, dict) else {})}
    makes_sense = not {"conditions", "after", "since"} & asked.keys() and not _is_told_twice(asked)
    makes_sense = makes_sense and not _is_sorted_twice(asked.get("sort"))
    # What the body must be then depends on the header.
    makes_sense = makes_sense and "Update-Operator" not in headers
    return quoted and makes_sense and not _moves_into_itself(case.body)


def _is_told_twice(asked: dict[str, Any]) -> bool:
    summary = {"distinct", "count"} & asked.keys()
    return len(summary) == 2 or bool(summary and {"select", "populate"} & asked.keys())


def _is_sorted_twice(sort: Any) -> bool:
    names = [step.removeprefix("-") for step in re.split("[, ]", sort)] if isinstance(sort, str) else []
    return len(set(names)) < len(names)


def _moves_into_itself(body: Any) -> bool:
    steps = [step for step in body if isinstance(step, dict)] if isinstance(body, list) else []
    return any(f"{step.get('path')}/".startswith(f"{step.get('from')}/") for step in steps if "from" in step)
