"""Elements: which element of an array the ``$`` of an update's place stands for, as in MongoDB and baucis.

Two rules. It is the first element that meets all that the conditions ask of its array; what asks something else says
which documents are meant. It is found in the transaction that writes, of the document as it is then.

It knows no HTTP and no model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .errors import Conflict, MalformedRequest
from .operators import Step, check_apart
from .query import And, Condition, Leaf, Look, Not, Or, Path, Size, holds, values_at

PLACE = "$"


def placed(
    steps: Iterable[Step],
    conditions: Sequence[Condition],
    document: Mapping[str, Any],
    attribute_of: Callable[[str], str | None],
    look: Look,
) -> list[Step]:
    """The steps with the number of the element in the place of each ``$``.

    attribute_of: a field of documents, as conditions name it.
    look: called before each condition on an element; what it raises ends this.
    Raises MalformedRequest where no condition asks of the array, Conflict where no element meets them.
    """
    found = [
        _placed(step, conditions, document, attribute_of, look) if PLACE in step.path else step
        for step in steps
    ]
    check_apart(found)
    return found


def _placed(
    step: Step,
    conditions: Sequence[Condition],
    document: Mapping[str, Any],
    attribute_of: Callable[[str], str | None],
    look: Look,
) -> Step:
    place = step.path.index(PLACE)
    name, *inner = step.path[:place]
    asked = [leaf for each in conditions for leaf in _of_array(each, attribute_of(name), tuple(inner))]
    if not asked:
        raise _refused(
            MalformedRequest, step, "conditions must ask something of the elements that $ stands for"
        )
    array = next(values_at(document.get(name), inner), None)
    for number, element in enumerate(array if isinstance(array, list) else ()):
        if all(_holds(leaf, element, look) for leaf in asked):
            return replace(step, path=(*step.path[:place], str(number), *step.path[place + 1 :]))
    raise _refused(Conflict, step, "no element is as the conditions say")


def _holds(leaf: Leaf, element: Any, look: Look) -> bool:
    look()
    return holds(leaf, [element], look)


def _of_array(condition: Condition, attribute: str | None, inner: Path) -> Iterator[Leaf]:
    """What a condition asks of the elements of an array, each of which has to hold."""
    if isinstance(condition, And):
        for each in condition.conditions:
            yield from _of_array(each, attribute, inner)
    elif (
        not isinstance(condition, Or | Not | Size)
        and condition.field == attribute
        and condition.path[: len(inner)] == inner
    ):
        yield replace(condition, path=condition.path[len(inner) :])


def _refused(
    kind: type[MalformedRequest] | type[Conflict], step: Step, detail: str
) -> MalformedRequest | Conflict:
    return kind(f"{step.pointer}: {detail}", [{"pointer": step.pointer, "detail": detail}])
