"""What the log of a SQL store remembers of the triggers that it has on a table, and of the processes that want them.

While another process with other wishes is alive, triggers are only widened, so that two never take turns.
This module knows no database.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..cause import Cause

ALIVE = 60.0
"""Seconds after its last heartbeat for which a process counts as alive."""

Wishes = Mapping[str, Sequence[str]]
"""Of each source, the columns that a process needs."""


@dataclass(frozen=True, slots=True)
class Installed:
    """What the log remembers of a source's triggers. columns: none where the table had gone.

    parts: the tables that it consists of, where there are several.  definition: of the table at that time, as a digest;
    empty where none was remembered, as before 0.1.0.
    """

    columns: tuple[str, ...]
    version: str
    fingerprint: str
    parts: tuple[str, ...] = ()
    definition: str = ""

    @classmethod
    def read(cls, text: str) -> Installed:
        """As it is stored."""
        told = json.loads(text)
        return cls(
            tuple(told["columns"]),
            told["version"],
            told["fingerprint"],
            tuple(told.get("parts", ())),
            told.get("definition", ""),
        )

    @property
    def stored(self) -> dict[str, object]:
        """What is stored of it."""
        told: dict[str, object] = {
            "columns": list(self.columns),
            "version": self.version,
            "fingerprint": self.fingerprint,
            "definition": self.definition,
        }
        return told | {"parts": list(self.parts)} if self.parts else told


def reset_cause(installed: Installed | None, columns: Sequence[str]) -> Cause | None:
    """Why those who hear a source must read again once its triggers are installed; None: nobody heard it yet."""
    if installed is None:
        return None
    if not installed.columns:
        return Cause.TABLE_REBUILT
    is_as_before = tuple(columns) == installed.columns
    return Cause.CAPTURE_REINSTALLED if is_as_before else Cause.COLUMNS_CHANGED
