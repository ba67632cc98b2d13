"""Patch: the ways in which a body says what is to change of a document, told apart by its type.

Merge patch (RFC 7396), JSON Patch (RFC 6902), and update operators: those of MongoDB in ``application/json``, or one of
them named by ``Update-Operator`` as baucis has it. What a body says is read before any row is; what that means for the
row is found out in the transaction that writes it, and is for the model to judge, whatever the way. Who may not read
sets whole fields, and is told nothing of what they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..change import Row
from ..errors import InvalidDocument
from ..input import pointer
from ..json_patch import apply_patch, read_patch
from ..operators import apply_update, is_update, read_update
from ..portable import is_deeper, same
from ..resource import Resource
from .request import DEEPEST_BODY, JSON_PATCH, MERGE_PATCH, Request, as_document

ACCEPTED = f"application/json, {MERGE_PATCH}, {JSON_PATCH}".encode()
"""What PATCH takes, as ``Accept-Patch`` says it."""

Change = Callable[[Resource, Row], dict[str, Any]]
"""The attributes that change in a row."""


def read_change(request: Request, sent: Any) -> Change:
    """What a PATCH, or a PUT with an operator, asks for. sent: its body, read from JSON.

    Raises MalformedRequest, InvalidDocument.
    """
    operator = request.headers.get("update-operator")
    if operator is not None:
        return _operated({operator: as_document(sent)})
    if request.media_type == JSON_PATCH:
        return _stepped(sent)
    document = as_document(sent)
    if is_update(document) and request.media_type != MERGE_PATCH:
        return _operated(document)
    needed = _is_needed(request)
    return lambda view, row: view.patch_values(row, view.unlocked(row, document, needed=needed))


def read_replacement(request: Request, sent: Any) -> Change:
    """What a PUT asks for: that the document be this one. Raises MalformedRequest, InvalidDocument."""
    if "update-operator" in request.headers:
        return read_change(request, sent)
    document = as_document(sent)
    needed = _is_needed(request)
    return lambda view, row: view.replace_values(row, view.unlocked(row, document, needed=needed))


def _is_needed(request: Request) -> bool:
    """Whether a body has to bring the version that its sender saw, where versions are counted."""
    return "if-match" not in request.headers


def _operated(body: Mapping[str, Any]) -> Change:
    steps = read_update(body)

    def change(view: Resource, row: Row) -> dict[str, Any]:
        _check_reading(view, (step.operator for step in steps if step.reads))
        return _set(view, row, apply_update(steps, view.structured(row), view.numbers(row)))

    return change


def _stepped(body: Any) -> Change:
    steps = read_patch(body)

    def change(view: Resource, row: Row) -> dict[str, Any]:
        _check_reading(view, (f"{step.operation} of {pointer(step.path)!r}" for step in steps if step.reads))
        before = view.structured(row)
        after = apply_patch(steps, before)
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
