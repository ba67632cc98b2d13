"""JSON Patch (RFC 6902): steps that change a JSON document, all or none. The library ``jsonpatch`` does each of them.

Two rules. What a patch may cost is bounded, whatever it copies: with copies in it a document is no larger than one that
is sent whole. A value is tested as documents show it, where big integers are texts. This module knows no row and no
model.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import jsonpatch
import orjson
from jsonpatch import InvalidJsonPatch, JsonPatch, JsonPatchException, JsonPatchTestFailed
from jsonpointer import JsonPointer, JsonPointerException

from .errors import Conflict, InvalidDocument, MalformedRequest
from .portable import DEEPEST, is_deeper, portable

MOST_STEPS = 1_000
MOST_COPIED = 100_000
"""Values that all ``copy`` steps of a patch may make."""

_NEEDS = {"add": "value", "replace": "value", "test": "value", "move": "from", "copy": "from"}


class _Test(jsonpatch.TestOperation):
    def apply(self, obj: Any) -> Any:
        shown = {"op": "test", "path": "", "value": portable(self.operation["value"])}
        jsonpatch.TestOperation(shown).apply(portable(self.pointer.resolve(obj)))
        return obj


class _Patch(JsonPatch):
    operations = MappingProxyType({**JsonPatch.operations, "test": _Test})


@dataclass(frozen=True, slots=True)
class Step:
    """One operation. path: where it is done.  source: where ``move`` and ``copy`` take the value from.

    patch: of it alone.
    """

    operation: str
    path: tuple[str, ...]
    source: JsonPointer
    patch: JsonPatch

    @property
    def reads(self) -> bool:
        """Whether it tells, or makes visible, what is in a document, or can be done by what is there alone."""
        return self.operation in ("test", "copy", "move") or len(self.path) != 1


class _Copies:
    """What the ``copy`` steps of one patch make. limit: of their bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = self.size = 0

    def check(self, number: int, value: Any) -> None:
        """Raise InvalidDocument if a step may not copy a value, after all that were copied before."""
        self._count += _count(value, MOST_COPIED - self._count)
        if self._count > MOST_COPIED:
            raise _refused(number, f"at most {MOST_COPIED} values are copied in one patch")
        if is_deeper(value, DEEPEST):
            raise _refused(number, f"this is nested deeper than {DEEPEST} levels")
        self.size += _size(value)
        if self.size > self._limit:
            raise _refused(number, f"at most {self._limit} bytes are copied in one patch")


def read_patch(body: Any) -> list[Step]:
    """The steps of a patch document. Raises MalformedRequest that says which is wrong."""
    if not isinstance(body, list):
        raise MalformedRequest("a JSON Patch is an array of operations")
    if len(body) > MOST_STEPS:
        raise MalformedRequest(f"a JSON Patch has at most {MOST_STEPS} operations here")
    return [_step(number, each) for number, each in enumerate(body)]


def apply_patch(steps: Sequence[Step], document: dict[str, Any], limit: int) -> dict[str, Any]:
    """The document after all steps; the given one stays as it is.

    limit: bytes of JSON that a document with copies in it may have.
    Raises Conflict where a step can't be done, InvalidDocument where copies make it too large or are nested too deep.
    """
    changed: Any = deepcopy(document)
    copies = _Copies(limit)
    for number, step in enumerate(steps):
        try:
            if step.operation == "copy":
                copies.check(number, step.source.resolve(changed))
            changed = step.patch.apply(changed, in_place=True)
        except (JsonPatchException, JsonPointerException) as error:
            another = isinstance(error, JsonPatchTestFailed)
            raise _conflict(
                number, step, "the value is another" if another else "there is no such place"
            ) from None
    if not isinstance(changed, dict):
        raise Conflict("the patch leaves no object")
    if copies.size and _size(changed) > limit:
        raise InvalidDocument(f"with what is copied the document would have more than {limit} bytes")
    return changed


def _step(number: int, given: Any) -> Step:
    try:
        patch = _Patch([given])
        name, member = given["op"], _NEEDS.get(given["op"])
        if member is not None and member not in given:
            raise InvalidJsonPatch(f"Operation must have a {member!r} member")
        path, source = JsonPointer(given["path"]), JsonPointer(given["from"] if member == "from" else "")
        if name == "move" and path != source and path.contains(source):
            raise InvalidJsonPatch("Nothing can be moved into itself")
        if name == "remove" and not path.parts:
            raise InvalidJsonPatch("The whole document can't be removed")
    except (JsonPatchException, JsonPointerException, TypeError) as error:
        where = f"/{number}"
        raise MalformedRequest(f"{where}: {error}", [{"pointer": where, "detail": str(error)}]) from None
    return Step(name, tuple(path.parts), source, patch)


def _conflict(number: int, step: Step, detail: str) -> Conflict:
    where = f"/{number}"
    return Conflict(f"{where}: {step.operation}: {detail}", [{"pointer": where, "detail": detail}])


def _refused(number: int, detail: str) -> InvalidDocument:
    return InvalidDocument(f"/{number}: copy: {detail}")


def _size(value: Any) -> int:
    """The bytes of a value as documents show it."""
    return len(orjson.dumps(portable(value)))


def _count(value: Any, most: int) -> int:
    """How many values there are in one, as far as that is no more than ``most``, and one."""
    waiting, count = [value], 0
    while waiting and count <= most:
        count += 1
        each = waiting.pop()
        waiting += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
    return count
