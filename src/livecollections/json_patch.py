"""JSON Patch (RFC 6902): steps that change a JSON document, all or none.

Two rules. What a patch may cost is bounded before it is applied, whatever it copies. Numbers are compared as numbers,
and true is not 1. This module knows no row and no model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from .errors import Conflict, MalformedRequest
from .portable import SAFE_INTEGER

MOST_STEPS = 1_000
MOST_COPIED = 100_000
"""Values that all ``copy`` steps of a patch may make."""

_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")
_ESCAPE = re.compile(r"~(?![01])")
_NEEDS = {
    "add": ("value",), "remove": (), "replace": ("value",), "move": ("from",), "copy": ("from",), "test": ("value",),
}  # fmt: skip

Pointer = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One operation. source: where ``move`` and ``copy`` take the value from."""

    operation: str
    path: Pointer
    value: Any = None
    source: Pointer = ()

    @property
    def reads(self) -> bool:
        """Whether it tells, or makes visible, what is in a document, or can be done by what is there alone."""
        return self.operation in ("test", "copy", "move") or len(self.path) != 1


def read_patch(body: Any) -> list[Step]:
    """The steps of a patch document. Raises MalformedRequest that says which is wrong."""
    if not isinstance(body, list):
        raise MalformedRequest("a JSON Patch is an array of operations")
    if len(body) > MOST_STEPS:
        raise MalformedRequest(f"a JSON Patch has at most {MOST_STEPS} operations here")
    return [_step(number, each) for number, each in enumerate(body)]


def apply_patch(steps: Sequence[Step], document: dict[str, Any]) -> dict[str, Any]:
    """The document after all steps; the given one stays as it is. Raises Conflict where a step can't be done."""
    whole = {"": deepcopy(document)}
    left = MOST_COPIED
    for number, step in enumerate(steps):
        try:
            if step.operation == "copy":
                left -= _count(_get(whole, ("", *step.source)), left)
            _DO[step.operation](whole, ("", *step.path), step)
        except LookupError as error:
            raise _conflict(number, step, str(error.args[0])) from None
    changed = whole[""]
    if not isinstance(changed, dict):
        raise Conflict("the patch leaves no object")
    return changed


# --- reading ------------------------------------------------------------------------------------------------


def _step(number: int, given: Any) -> Step:
    if not isinstance(given, dict) or given.get("op") not in tuple(_NEEDS):
        raise _malformed((number, "op"), f"one of {', '.join(_NEEDS)} is needed")
    operation = given["op"]
    for member in ("path", *_NEEDS[operation]):
        if member not in given:
            raise _malformed((number, member), f"{operation} needs this")
    path = _pointer(number, "path", given["path"])
    source = _pointer(number, "from", given["from"]) if "from" in _NEEDS[operation] else ()
    if operation == "move" and path[: len(source)] == source and path != source:
        raise _malformed((number, "path"), "nothing can be moved into itself")
    if operation == "remove" and not path:
        raise _malformed((number, "path"), "the whole document can't be removed")
    return Step(operation, path, given.get("value"), source)


def _pointer(number: int, member: str, text: Any) -> Pointer:
    if not isinstance(text, str) or (text and text[0] != "/") or _ESCAPE.search(text):
        raise _malformed((number, member), "this is no JSON pointer")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])


def _malformed(path: tuple[Any, ...], detail: str) -> MalformedRequest:
    pointer = "".join(f"/{part}" for part in path)
    return MalformedRequest(f"{pointer}: {detail}", [{"pointer": pointer, "detail": detail}])


def _conflict(number: int, step: Step, detail: str) -> Conflict:
    pointer = f"/{number}"
    return Conflict(f"{pointer}: {step.operation}: {detail}", [{"pointer": pointer, "detail": detail}])


# --- applying: what can't be done raises LookupError --------------------------------------------------------


def _get(target: Any, path: Pointer) -> Any:
    for part in path:
        target = target[_place(target, part)]
    return target


def _place(target: Any, part: str, end: int = 0) -> Any:
    """Where a part of a pointer leads in an object or array. end: places after the last that there are besides."""
    if isinstance(target, dict):
        if part in target or end:
            return part
    elif isinstance(target, list):
        if part == "-" and end:
            return len(target)
        if _INDEX.fullmatch(part) and int(part) < len(target) + end:
            return int(part)
    raise LookupError(f"there is no {part[:40]!r}")


def _add(whole: Any, path: Pointer, value: Any) -> None:
    target = _get(whole, path[:-1])
    place = _place(target, path[-1], end=1)
    if isinstance(target, list):
        target.insert(place, value)
    else:
        target[place] = value


def _remove(whole: Any, path: Pointer) -> Any:
    target = _get(whole, path[:-1])
    place = _place(target, path[-1])
    return target.pop(place)


def _replace(whole: Any, path: Pointer, value: Any) -> None:
    target = _get(whole, path[:-1])
    target[_place(target, path[-1])] = value


def _move(whole: Any, path: Pointer, step: Step) -> None:
    source = ("", *step.source)
    if source == path:
        _get(whole, path)
    else:
        _add(whole, path, _remove(whole, source))


def _test(whole: Any, path: Pointer, step: Step) -> None:
    if not are_equal(_get(whole, path), step.value):
        raise LookupError("the value is another")


_DO: dict[str, Callable[[Any, Pointer, Step], Any]] = {
    # Values are copied, so that a later step changes one place only.
    "add": lambda whole, path, step: _add(whole, path, deepcopy(step.value)),
    "remove": lambda whole, path, step: _remove(whole, path),
    "replace": lambda whole, path, step: _replace(whole, path, deepcopy(step.value)),
    "move": _move,
    "copy": lambda whole, path, step: _add(whole, path, deepcopy(_get(whole, ("", *step.source)))),
    "test": _test,
}


def are_equal(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; integers that travel as strings are equal to those."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(are_equal(each, other[name]) for name, each in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(are_equal, one, other))
    if isinstance(one, int) and isinstance(other, str):
        return abs(one) > SAFE_INTEGER and str(one) == other
    return bool(one == other)


def _count(value: Any, most: int) -> int:
    """How many values there are in one. Raises LookupError if there are more than ``most``."""
    waiting, count = [value], 0
    while waiting:
        count += 1
        if count > most:
            raise LookupError(f"at most {MOST_COPIED} values are copied in one patch")
        each = waiting.pop()
        waiting += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
    return count
