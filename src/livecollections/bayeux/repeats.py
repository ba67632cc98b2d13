"""Repeats: publishes that came before. A client asks again, with the same id, what was not answered.

This module knows no session and no time.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from .message import Message, is_id


class Repeats:
    """The last publishes of one session, by their ids."""

    REMEMBERED = 128

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: OrderedDict[str | int | float, int] = OrderedDict()

    def has(self, id_: Any, message: Message) -> bool:
        """Whether this very message came before with this id; it is remembered."""
        if not is_id(id_):
            return False
        digest = hash(message.body)
        if self._seen.get(id_) == digest:
            return True
        self._seen[id_] = digest
        if len(self._seen) > self.REMEMBERED:
            self._seen.popitem(last=False)
        return False

    def forget(self, id_: Any) -> None:
        """What came with this id has been refused: a repetition is no repetition."""
        if is_id(id_):
            self._seen.pop(id_, None)
