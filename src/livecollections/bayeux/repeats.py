"""Repeats: publishes that came before. A client asks again, with the same id, what was not answered.

Two rules. Of a publish only a digest is kept, so an id costs the same however long it is. What is remembered goes in
two generations: when the newer one is full it becomes the older one, whose publishes are the last to be known.

This module knows no session and no time.
"""

from __future__ import annotations

from typing import Any

from .message import Message, is_id


class Repeats:
    """The last publishes of one session: as many as are remembered, up to twice that."""

    REMEMBERED = 512

    __slots__ = ("_newer", "_older")

    def __init__(self) -> None:
        self._newer: dict[int, None] = {}
        self._older: dict[int, None] = {}

    def has(self, id_: Any, message: Message) -> bool:
        """Whether this very message came before with this id; it is remembered."""
        if not is_id(id_):
            return False
        digest = hash((id_, message.body))
        if digest in self._newer or digest in self._older:
            return True
        if len(self._newer) == self.REMEMBERED:
            self._newer, self._older = {}, self._newer
        self._newer[digest] = None
        return False

    def forget(self, id_: Any, message: Message) -> None:
        """This has been refused, if it was remembered: a repetition of it is none."""
        if is_id(id_):
            digest = hash((id_, message.body))
            self._newer.pop(digest, None)
            self._older.pop(digest, None)
