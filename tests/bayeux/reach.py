"""Which tests can come to a WebSocket: by the names in their texts, followed through the files that they stand in."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SOCKETS = {"Socket", "served", "served_to"}
"""What opens one."""
Place = tuple[Path, str]


def reaches_socket(file: Path, name: str) -> bool:
    """Whether a function of a file names, or is given, what opens a WebSocket, itself or through others."""
    seen: set[Place] = set()
    waiting = [(file, name)]
    while waiting:
        place = waiting.pop()
        if place[1] in SOCKETS:
            return True
        if place not in seen:
            seen.add(place)
            waiting += _named(place[0]).get(place[1], ())
    return False


@cache
def _named(file: Path) -> dict[str, set[Place]]:
    """What each name of a file leads to: the names in what it stands for, or the same name in another file of ours."""
    named: dict[str, set[Place]] = {}
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module:
            other = file.with_name(f"{node.module}.py")
            named |= {each.asname or each.name: {(other, each.name)} for each in node.names}
        for name in _defined(node):
            named.setdefault(name, set()).update((file, used) for used in _used(node))
    return named


def _defined(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name))


def _used(node: ast.stmt) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            yield each.id
        elif isinstance(each, ast.arg):  # a fixture
            yield each.arg
