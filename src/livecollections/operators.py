"""Update operators: Mongo's ``$set $unset $inc $push $pull $addToSet $pop``, on one document.

Three rules. An update is checked as far as it can be before any row is read. No two of its steps touch the same place,
so that their order does not matter. A step that can't be done with what is stored is a conflict, and none is done then.
What comes out is for the model to judge: this module knows no row and no model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import Any

from .errors import ConfigurationError, Conflict, InvalidDocument, MalformedRequest
from .input import pointer
from .portable import SAFE_INTEGER

OPERATORS = ("$set", "$unset", "$inc", "$push", "$pull", "$addToSet", "$pop")
MOST_STEPS = 1_000

_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")
_MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class Step:
    """One operator at one place. path: the field, and the way into it."""

    operator: str
    path: tuple[str, ...]
    operand: Any

    @property
    def pointer(self) -> str:
        """Where it stands in the body."""
        return pointer((self.operator, ".".join(self.path)))

    @property
    def reads(self) -> bool:
        """Whether what comes of it, or whether it can be done, hangs on what is stored."""
        return self.operator not in ("$set", "$unset") or len(self.path) > 1


def is_update(body: Mapping[str, Any]) -> bool:
    """Whether a body speaks of operators, rather than of fields."""
    return any(name.startswith("$") for name in body)


def read_update(body: Mapping[str, Any]) -> list[Step]:
    """The steps of ``{"$inc": {"count": 1}, …}``. Raises MalformedRequest that says what is wrong."""
    steps = []
    for operator, places in body.items():
        if operator not in OPERATORS:
            raise _malformed((operator,), f"this is none of {', '.join(OPERATORS)}")
        if not isinstance(places, dict):
            raise _malformed((operator,), "an object is needed: fields, and what is to be done with each")
        for place, operand in places.items():
            steps.append(_step(operator, place, operand))
    if len(steps) > MOST_STEPS:
        raise MalformedRequest(f"an update touches at most {MOST_STEPS} places here")
    check_apart(steps)
    return steps


def enabled(names: Collection[str], asked: Any) -> dict[str, frozenset[str]]:
    """The operators of each field, as an option says: names of fields, which have all, or operators by name.

    names: of the fields that there are.  asked: None is none. Raises ConfigurationError that names what is wrong.
    """
    several = asked if isinstance(asked, Mapping) else dict.fromkeys(asked or (), OPERATORS)
    for name, operators in several.items():
        if name not in names:
            raise ConfigurationError(f"operators: there is no field {name!r}; there are {', '.join(names)}")
        if isinstance(operators, str) or set(operators) - set(OPERATORS):
            raise ConfigurationError(
                f"operators: {name!r} can be given a list of {' '.join(OPERATORS)}, not {operators!r}"
            )
    return {name: frozenset(operators) for name, operators in several.items()}


def apply_update(
    steps: Sequence[Step], document: Mapping[str, Any], numbers: Mapping[str, Any]
) -> dict[str, Any]:
    """The fields that the steps touch, as they are afterwards; None for one that is unset.

    document: stays as it is.  numbers: those stored in its fields, which it may show as texts.
    Raises Conflict where a step can't be done, InvalidDocument for one that needs a field which is not shown.
    """
    names = {step.path[0] for step in steps}
    changed = {name: deepcopy(document[name]) for name in names if name in document}
    for step in steps:
        name = step.path[0]
        if name not in document and (step.operator != "$set" or len(step.path) > 1):
            detail = "there is no such field"
            raise InvalidDocument(f"{step.pointer}: {detail}", [{"pointer": step.pointer, "detail": detail}])
        if step.operator == "$inc" and len(step.path) == 1:
            changed[name] = numbers.get(name, changed[name])
        _do(step, changed)
    return {name: changed.get(name) for name in names}


# --- reading ------------------------------------------------------------------------------------------------


def _step(operator: str, place: str, operand: Any) -> Step:
    path = tuple(place.split("."))
    named = [part for part in path[1:] if part != "$"]
    if "" in path or len(named) < len(path) - 2 or any(part.startswith("$") for part in (path[0], *named)):
        raise _malformed((operator, place), "a field is needed, and the way into it with dots between")
    if operator == "$inc" and (isinstance(operand, bool) or not isinstance(operand, int | float)):
        raise _malformed((operator, place), "a number is needed")
    if operator == "$pop" and (isinstance(operand, bool) or operand not in (1, -1)):
        raise _malformed((operator, place), "1 takes the last, -1 the first")
    if operator in ("$push", "$addToSet"):
        operand = _several(operand, "$each", (operator, place))
    elif operator == "$pull":
        operand = _several(operand, "$in", (operator, place))
    return Step(operator, path, operand)


def _several(operand: Any, word: str, where: tuple[str, ...]) -> list[Any]:
    """The values of ``{"$each": […]}`` or ``{"$in": […]}``, or the one value."""
    if not isinstance(operand, dict) or not is_update(operand):
        return [operand]
    if operand.keys() != {word} or not isinstance(operand[word], list):
        raise _malformed(where, f'a value is needed, or {{"{word}": […]}}')
    return list(operand[word])


def check_apart(steps: Sequence[Step]) -> None:
    """Raise MalformedRequest where two steps touch the same place."""
    taken: set[tuple[str, ...]] = set()
    for step in sorted(steps, key=lambda step: len(step.path)):
        if any(step.path[:length] in taken for length in range(1, len(step.path) + 1)):
            raise _malformed((step.operator, ".".join(step.path)), "another operator touches this place too")
        taken.add(step.path)


def _malformed(where: tuple[str, ...], detail: str) -> MalformedRequest:
    return MalformedRequest(f"{pointer(where)}: {detail}", [{"pointer": pointer(where), "detail": detail}])


def _conflict(step: Step, detail: str) -> Conflict:
    return Conflict(f"{step.pointer}: {detail}", [{"pointer": step.pointer, "detail": detail}])


# --- applying -----------------------------------------------------------------------------------------------


def _do(step: Step, changed: dict[str, Any]) -> None:
    makes = step.operator not in ("$unset", "$pull", "$pop")
    target: Any = changed
    for part in step.path[:-1]:
        below = _found(step, target, part)
        if below is None or below is _MISSING:
            if not makes:
                return
            below = {}
            _put(step, target, part, below)
        target = below
    stored = _found(step, target, step.path[-1])
    if step.operator == "$unset":
        if isinstance(target, dict):
            target.pop(step.path[-1], None)
        elif stored is not _MISSING:
            target[int(step.path[-1])] = None
    elif makes or stored is not _MISSING:
        _put(step, target, step.path[-1], _DO[step.operator](step, None if stored is _MISSING else stored))


def _found(step: Step, target: Any, part: str) -> Any:
    if isinstance(target, dict):
        return target.get(part, _MISSING)
    if not isinstance(target, list):
        raise _conflict(step, "what is stored there has no parts")
    if not _INDEX.fullmatch(part):
        raise _conflict(step, "what is stored there is an array: its places have numbers")
    return target[int(part)] if int(part) < len(target) else _MISSING


def _put(step: Step, target: Any, part: str, value: Any) -> None:
    if isinstance(target, dict):
        target[part] = value
    elif int(part) < len(target):
        target[int(part)] = value
    elif int(part) == len(target):
        target.append(value)
    else:
        raise _conflict(step, "this is beyond the end of the array")


def _inc(step: Step, stored: Any) -> Any:
    amount = step.operand
    if stored is None:
        return amount
    if isinstance(stored, Decimal):
        return stored + Decimal(str(amount))
    if isinstance(stored, bool) or not isinstance(stored, int | float):
        raise _conflict(step, "what is stored there is no number")
    try:
        total = stored + amount
    except OverflowError:
        raise _conflict(step, "the sum is beyond what a number can hold") from None
    if isinstance(total, float) and not isfinite(total):
        raise _conflict(step, "the sum is beyond what a number can hold")
    return total


def _array(step: Step, stored: Any) -> list[Any]:
    if stored is None:
        return []
    if not isinstance(stored, list):
        raise _conflict(step, "what is stored there is no array")
    return stored


def _add_to_set(step: Step, stored: Any) -> list[Any]:
    array = _array(step, stored)
    known = set(map(_identity, array))
    for value in step.operand:
        if (identity := _identity(value)) not in known:
            known.add(identity)
            array.append(value)
    return array


def _pull(step: Step, stored: Any) -> Any:
    if stored is None:
        return None
    unwanted = set(map(_identity, step.operand))
    return [each for each in _array(step, stored) if _identity(each) not in unwanted]


def _pop(step: Step, stored: Any) -> Any:
    if stored is None:
        return None
    array = _array(step, stored)
    return array[:-1] if step.operand == 1 else array[1:]


def _identity(value: Any) -> Any:
    """What equal JSON values share: 1 and 1.0 are equal, 1 and true are not; big integers travel as strings."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, dict):
        return ("object", frozenset((name, _identity(each)) for name, each in value.items()))
    if isinstance(value, list):
        return ("array", tuple(map(_identity, value)))
    return str(value) if isinstance(value, int) and abs(value) > SAFE_INTEGER else value


_DO: dict[str, Callable[[Step, Any], Any]] = {
    "$set": lambda step, stored: step.operand,
    "$inc": _inc,
    "$push": lambda step, stored: _array(step, stored) + step.operand,
    "$pull": _pull,
    "$addToSet": _add_to_set,
    "$pop": _pop,
}
