"""Tree: which relations ``populate`` asks for, and which in these.

It is bounded in its levels and in its size. It knows no resource: whether there is such a relation is asked elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from .. import json_text
from ..errors import MalformedRequest

DEEPEST = 3
"""Levels of documents in documents."""
MOST = 10
"""Relations that one request may ask for, and so half its statements beside the first."""

Tree = dict[str, Any]
"""Relations by name; each with those to be populated in it."""
_NAMES = re.compile(r"[,\s]+")
_PART = re.compile(r"populate\[([^\[\]]*)\]")


def take_populate(parameters: Iterable[tuple[str, Any]]) -> tuple[Tree, list[tuple[str, Any]]]:
    """What ``populate`` asks for, and the other parameters. Raises MalformedRequest.

    ``author``, ``author,publisher``, ``author.company``, ``{"path": "author", "populate": "company"}`` or a list of
    these, ``populate[path]=author``.
    """
    tree: Tree = {}
    others, parts = [], {}
    for name, value in parameters:
        if name == "populate":
            _add(tree, _read(value) if isinstance(value, str) else value, 1)
        elif name.startswith("populate["):
            part = _PART.fullmatch(name)
            if part is None or part[1] in parts:
                raise MalformedRequest("populate: brackets that close, and each name once, are needed")
            parts[part[1]] = value
        else:
            others.append((name, value))
    if parts:
        _add(tree, parts, 1)
    if _count(tree) > MOST:
        raise MalformedRequest(f"populate: at most {MOST} relations can be asked for at once")
    return tree, others


def _read(text: str) -> Any:
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return json_text.read(text)
    except ValueError as error:
        raise MalformedRequest(f"populate: this is {error}") from None


def _add(tree: Tree, asked: Any, level: int) -> None:
    """Put into a tree what is asked for in one of its forms."""
    if isinstance(asked, list):
        for each in asked:
            _add(tree, each, level)
    elif isinstance(asked, str):
        for path in filter(None, _NAMES.split(asked)):
            _descend(tree, path, level)
    elif isinstance(asked, dict) and isinstance(asked.get("path"), str):
        if unknown := sorted(asked.keys() - {"path", "populate"}):
            raise MalformedRequest(f"populate: {unknown[0]} can't be said of what is populated")
        for path in filter(None, _NAMES.split(asked["path"])):
            inner, depth = _descend(tree, path, level)
            if "populate" in asked:
                _add(inner, asked["populate"], depth + 1)
    else:
        raise MalformedRequest("populate: names are needed, or objects with a path")


def _descend(tree: Tree, path: str, level: int) -> tuple[Tree, int]:
    steps = path.split(".")
    depth = level + len(steps) - 1
    if depth > DEEPEST:
        raise MalformedRequest(f"populate: at most {DEEPEST} levels can be asked for")
    for step in steps:
        tree = tree.setdefault(step, {})
    return tree, depth


def _count(tree: Tree) -> int:
    return len(tree) + sum(map(_count, tree.values()))
