"""Patch: the ways in which a body says what is to change of a document, told apart by its type.

Merge patch (RFC 7396), JSON Patch (RFC 6902), and update operators: those of MongoDB in ``application/json``, or one of
them named by ``Update-Operator`` as baucis has it, on the fields for which the resource enables them. What a body says
is read before any row is; what that means for the row is found out in the transaction that writes it, and is for the
model to judge, whatever the way. Who may not read sets whole fields, and is told nothing of what they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..change import Row
from ..elements import placed
from ..errors import InvalidDocument, RequestRefused
from ..input import pointer
from ..json_patch import apply_patch, read_patch
from ..operators import Step, apply_update, is_update, read_update
from ..parameters import parse
from ..portable import is_deeper, same
from ..query import Condition, meets
from ..resource import Resource
from .judgement import Judgement
from .request import DEEPEST_BODY, JSON_PATCH, MERGE_PATCH, Request, as_document

ACCEPTED = f"application/json, {MERGE_PATCH}, {JSON_PATCH}".encode()
"""What PATCH takes, as ``Accept-Patch`` says it."""

Change = Callable[[Resource, Row], dict[str, Any]]
"""The attributes that change in a row."""


def read_change(request: Request, view: Resource, sent: Any, limit: int) -> Change:
    """What a PATCH, or a PUT with an operator, asks for. sent: its body, read from JSON.  limit: of a body, in bytes.

    Raises MalformedRequest, InvalidDocument, RequestRefused.
    """
    operator = request.headers.get("update-operator")
    if operator is not None:
        return _operated(request, view, {operator: as_document(sent)})
    if _is_update_of(request, sent):
        return _operated(request, view, as_document(sent))
    request.refuse_parameters()
    if request.media_type == JSON_PATCH:
        return _stepped(sent, limit)
    document, needed = as_document(sent), _is_needed(request)
    return lambda view, row: view.patch_values(row, view.unlocked(row, document, needed=needed))


def read_replacement(request: Request, view: Resource, sent: Any, limit: int) -> Change:
    """What a PUT asks for: that the document be this one. Raises as ``read_change``."""
    if "update-operator" in request.headers:
        return read_change(request, view, sent, limit)
    request.refuse_parameters()
    document = as_document(sent)
    needed = _is_needed(request)
    return lambda view, row: view.replace_values(row, view.unlocked(row, document, needed=needed))


def _is_needed(request: Request) -> bool:
    """Whether a body has to bring the version that its sender saw, where versions are counted."""
    return "if-match" not in request.headers


def _is_update_of(request: Request, sent: Any) -> bool:
    """Whether a body speaks of operators."""
    is_typed = request.media_type in (JSON_PATCH, MERGE_PATCH)
    return not is_typed and isinstance(sent, dict) and is_update(sent)


def _operated(request: Request, view: Resource, body: Mapping[str, Any]) -> Change:
    steps, conditions, judgement = read_update(body), _conditions(request, view), Judgement()
    for step in steps:
        _check_enabled(view, step)

    def change(view: Resource, row: Row) -> dict[str, Any]:
        _check_reading(view, (step.operator for step in steps if step.reads))
        document = view.structured(row)
        attributes = {name: field.attribute for name, field in view.fields.items()}
        with judgement.bounded() as look:
            if not all(meets(row, each, look) for each in conditions):
                raise view.not_found()
            found = placed(steps, conditions, document, attributes.get, look)
        return _set(view, row, apply_update(found, document, view.numbers(row)))

    return change


def _conditions(request: Request, view: Resource) -> Sequence[Condition]:
    """What must hold of the document, and says which element ``$`` stands for.

    Raises MalformedRequest, RequestRefused.
    """
    conditions = parse(view, request.parameters()).where
    if conditions:
        view.refuse_blind("conditions do")
    return conditions


def _check_enabled(view: Resource, step: Step) -> None:
    name = step.path[0]
    if name not in view.fields or step.operator not in view.operators.get(name, ()):
        detail = f"{view.path} does not enable this operator for this field"
        fault = {"pointer": step.pointer, "detail": detail}
        raise RequestRefused(f"{step.pointer}: {detail}", [fault], 403, "Forbidden")


def _stepped(body: Any, limit: int) -> Change:
    steps = read_patch(body)

    def change(view: Resource, row: Row) -> dict[str, Any]:
        _check_reading(view, (f"{step.operation} of {pointer(step.path)!r}" for step in steps if step.reads))
        before = view.structured(row)
        after = apply_patch(steps, before, limit)
        if view.is_blind:
            return _set(view, row, {step.path[0]: after.get(step.path[0]) for step in steps})
        removed = {name: None for name in before if name not in after}
        changed = {
            name: value
            for name, value in after.items()
            if name not in before or not same(value, before[name])
        }
        return _set(view, row, {**removed, **changed})

    return change


def _check_reading(view: Resource, steps: Iterable[str]) -> None:
    if (step := next(iter(steps), None)) is not None:
        view.refuse_blind(f"{step} does")


def _set(view: Resource, row: Row, values: Mapping[str, Any]) -> dict[str, Any]:
    if any(is_deeper(value, DEEPEST_BODY - 1) for value in values.values()):
        raise InvalidDocument(f"the document would be nested deeper than {DEEPEST_BODY} levels")
    return view.set_values(row, values)
