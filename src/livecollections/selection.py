"""Selection: the fields that a client wants of each document.

``a,b`` shows these (and the key, by which documents are told apart), ``-a,-b`` all others. Names are those that
documents show, and no others: what is hidden is refused as what is not there.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from .change import Row
from .conditions import refusal
from .resource import Resource


def selected(resource: Resource, text: str) -> Resource:
    """A resource whose documents show what a selection says. Raises MalformedRequest."""
    named = [step for step in re.split("[, ]", text) if step]
    known = [*resource.fields, *sorted(resource.computed)]
    for step in named:
        if step.removeprefix("-") not in known:
            raise refusal("select", (), f"{resource.path} has no field {step.removeprefix('-')!r}")
    without = {step[1:] for step in named if step.startswith("-")}
    only = {step for step in named if not step.startswith("-")}
    key = {name for name, field in resource.fields.items() if field.attribute in resource.source.key}
    if only and without - key:
        raise refusal("select", (), "either the fields to show or those to leave out are needed")
    return _showing(resource, frozenset((only | key if only else set(known)) - without))


def addressed(resource: Resource) -> Resource:
    """A resource whose documents show what they are told apart and named by, and no more."""
    named = {*resource.source.key, *resource.address}
    return _showing(
        resource, frozenset(n for n, field in resource.fields.items() if field.attribute in named)
    )


def _showing(resource: Resource, names: frozenset[str]) -> Resource:
    whole = resource.document

    def document(row: Row) -> dict[str, Any]:
        return {name: value for name, value in whole(row).items() if name in names}

    fields = {name: field for name, field in resource.fields.items() if name in names}
    return replace(resource, document=document, fields=fields, computed=resource.computed & names)
