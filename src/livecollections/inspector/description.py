"""Description: a resource as one user has it, for a page that shows it as a table and lets him edit it.

One rule: it names no field that he does not see or set, and no action that he may not do.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, get_args, get_origin
from urllib.parse import quote

from ..field import bare, is_json
from ..portable import portable
from ..resource import Resource

_KINDS: Mapping[Any, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    Decimal: "decimal",
    str: "text",
    bytes: "base64",
    datetime: "datetime",
    date: "date",
    time: "time",
}


def describe(view: Resource) -> dict[str, Any]:
    """What a view is, JSON-ready.

    ``values`` are the names of what stands in its path; ``may`` has the actions beside reading; each of ``fields``
    tells by ``create`` and ``update`` whether it can be set, and by ``sort`` whether lists can be sorted by it.
    """
    verbs = {"create": ("POST",), "update": ("PATCH", "PUT"), "delete": ("DELETE",)}
    may = {
        action: verb
        for action, several in verbs.items()
        if action in view.rights and (verb := next((one for one in several if one in view.methods), None))
    }
    partition = view.partition
    locking = None if view.locking is None else view.name_of(view.locking)
    return {
        "path": view.path,
        "url": url_of(view.path),
        "channel": view.channel,
        "values": []
        if partition is None
        else [name for name in partition.nested if f"{{{name}}}" in view.path],
        "may": may,
        "key": [view.name_of(attribute) for attribute in view.source.key],
        "address": [view.name_of(attribute) for attribute in view.address],
        "locking": locking,
        "requireIfMatch": view.require_if_match,
        "limit": view.limit,
        "fields": [
            *map(_shown(view, may), [*view.fields, *sorted(view.computed)]),
            *(_entered(view) if "create" in may else ()),
        ],
    }


def url_of(path: str) -> str:
    """A list's path as it stands in URLs; values in it are written so already."""
    return quote(path, safe="/{}%:@!$&'()*+,;=~")


def _shown(view: Resource, may: Mapping[str, str]) -> Any:
    creatable, settable = set(view.creatable), set(view.updatable)

    def shown(name: str) -> dict[str, Any]:
        field = view.fields.get(name)
        told = {
            "name": name,
            "create": "create" in may and name in creatable,
            "update": "update" in may and name in settable,
            "sort": field is not None,
        }
        if field is None:
            return {**told, "kind": "json", "nullable": True, "required": False}
        return {
            **told,
            **_kind(field.type),
            "nullable": field.column.nullable,
            "required": name in creatable and _is_required(view, name),
        }

    return shown


def _entered(view: Resource) -> list[dict[str, Any]]:
    """The fields that a new document is given and none shows."""
    shown = {*view.fields, *view.computed}
    known = {
        attribute: name for name, attribute in view.creates.names.items() if name in view.creatable
    }  # one name for each
    return [
        {
            "name": name,
            "create": True,
            "update": False,
            "sort": False,
            "hidden": True,
            **_kind(bare(view.create.model_fields[attribute].annotation)),
            "nullable": True,
            "required": _is_required(view, name),
        }
        for attribute, name in known.items()
        if not shown.intersection(each for each, other in view.creates.names.items() if other == attribute)
    ]


def _is_required(view: Resource, name: str) -> bool:
    attribute = view.creates.names[name]
    return attribute not in view.given and view.create.model_fields[attribute].is_required()


def _kind(kind: Any) -> dict[str, Any]:
    """How values of a type are shown and entered."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"kind": "choice", "choices": [portable(each.value) for each in kind]}
    if get_origin(kind) is Literal:
        return {"kind": "choice", "choices": [portable(each) for each in get_args(kind)]}
    return {"kind": _KINDS.get(kind, "json" if is_json(kind) else "text")}
