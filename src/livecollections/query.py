"""The filter language: what a list may be asked for. Each store compiles the same tree.

This module knows no database: fields are the model's attributes, values are the model's own types.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Equal:
    """``field = value``; None means that the field is null."""

    field: str
    value: Any


@dataclass(frozen=True, slots=True)
class Order:
    """One step of a sort."""

    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """What a list is asked for: rows that meet every condition of ``where``, sorted, skipped, limited."""

    where: tuple[Equal, ...] = ()
    sort: tuple[Order, ...] = ()
    skip: int = 0
    limit: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the list is the whole of its channel (its order does not matter)."""
        return not self.where and not self.skip and self.limit is None
