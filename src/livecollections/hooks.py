"""Hooks: functions of the user's that take part in each write of a resource.

Two rules. They run in the order of ``STAGES``, those of one stage in the order in which they were given; the first
that raises ends the request. What is raised before the commit undoes the write as a whole, what is raised after it
can't, and changes no answer.

This module knows no thread and no transaction: ``rest.hooks`` runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .change import Key, Row
from .errors import ConfigurationError

STAGES = (
    "before_validate",
    "after_validate",
    "before_write",
    "after_write",
    "before_commit",
    "after_commit",
)


@dataclass(slots=True)
class Operation:
    """One document that a request writes, as hooks see it.

    method: POST, PUT, PATCH or DELETE.  path: of the resource.  user: who asks.  key: of the document; None for a POST.
    body: as it was sent, which ``before_validate`` may change.  before: the row as it was found; None for a POST.
    values: what is set, by attribute, which ``after_validate`` and ``before_write`` may change; empty for a DELETE.
    after: the row as it was read back, after the database's own triggers; for a DELETE as it was last.
    """

    method: str
    path: str
    user: Any = None
    key: Key | None = None
    body: Any = None
    before: Row | None = None
    values: dict[str, Any] = field(default_factory=dict)
    after: Row | None = None


Hook = Callable[[Operation], Any]
"""A function, or a coroutine function; what it gives back is not looked at."""


class Hooks:
    """The hooks of one resource, by stage."""

    __slots__ = ("_stages",)

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        self._stages = {stage: _functions(found) for stage, found in (options or {}).items() if found}

    def __bool__(self) -> bool:
        return bool(self._stages)

    def of(self, stage: str) -> tuple[Hook, ...]:
        """The hooks of a stage, in order."""
        return self._stages.get(stage, ())


def check_hooks(stage: str, value: Any) -> None:
    """Raise ConfigurationError unless it is a function or several."""
    for function in _functions(value):
        if not callable(function):
            raise ConfigurationError(
                f"{stage}: a function or a list of functions is needed, not {function!r}"
            )


def _functions(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)
