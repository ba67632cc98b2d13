"""What reading images back to rows has alike in SQL stores; how a column's value is kept is each store's own.

A layout names the columns that an image holds: an entry is read by those of its time. It knows no database.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from ..cause import Cause
from ..change import Change
from .sql import Field
from .sql_log import Undecodable

logger = logging.getLogger("livecollections.store")


class SqlImages:
    """columns: of each source, by the column's name as layouts have it, the fields that show it."""

    def __init__(self, sources: Mapping[str, Mapping[str, Sequence[Field]]]) -> None:
        self._sources = sources
        self._absent = {
            source: {found.attribute: None for fields in columns.values() for found in fields}
            for source, columns in sources.items()
        }
        self._layouts: dict[str, list[str]] = {}

    def learn(self, layouts: Mapping[str, list[str]]) -> None:
        """Tell which columns a layout holds."""
        self._layouts.update(layouts)

    def knows(self, source: str) -> bool:
        """Whether rows of a source can be read."""
        return source in self._sources


def told(seq: str, source: str, at: float, decode: Callable[[], Change]) -> Change:
    """What ``decode`` gives, or a RESET where the entry can't be read back."""
    try:
        return decode()
    except Undecodable as error:
        logger.error(
            "the entry seq=%s of %s can't be read back, receivers read it all again: %s",
            seq,
            source,
            error,
            extra={"seq": seq},
        )
        return Change(seq, source, "RESET", (), None, None, None, at, Cause.UNDECODABLE)
