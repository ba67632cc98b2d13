"""Step: what a write does to its document.

It knows no connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ..change import Row
from ..errors import ConstraintViolated
from .base import Write
from .mongo_models import KEY, DocumentSource, document_source
from .mongo_values import identity, stored_again

T = TypeVar("T")

Place = tuple[str, bytes]
"""A collection, and the identity of a key in it."""


@dataclass(slots=True)
class Step:
    """What a write did to its document: as it was last, or is.

    mark: by which it is known in the stream; None, if it changed nothing.
    """

    source: DocumentSource
    key: Any
    row: Row
    mark: Any = None
    is_gone: bool = False
    is_new: bool = False
    stored: dict[str, Any] | None = None

    @property
    def place(self) -> Place:
        """The document."""
        return self.source.name, identity(self.key)


async def insert(write: Write) -> Step:
    """The document that an insert is to store. Raises RequestError, ConstraintViolated."""
    source = document_source(write.source)
    wanted = await called(write, write.change, None)
    stored = stored_again(source.new(wanted or {}))
    missing = [
        each.attribute for each in source.fields.values() if each.is_needed and stored[each.name] is None
    ]
    if missing:
        raise ConstraintViolated("not null", missing)
    step = Step(source, stored[KEY], source.row(stored), is_new=True, stored=stored)
    await check(write, step)
    return step


async def called(write: Write, function: Callable[[Any], T], row: Row | None) -> T:
    """What the caller's function gives, which is run beside the loop if it may wait there."""
    return await asyncio.to_thread(function, row) if write.blocks else function(row)


async def check(write: Write, step: Step) -> None:
    """Ask the caller whether it may be. Raises what that raises."""
    if write.check:
        await called(write, write.check, step.row)
