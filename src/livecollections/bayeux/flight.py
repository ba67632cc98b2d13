"""Flight: what has been handed to a client's transport and is not known to have arrived.

Two rules. For most clients it has arrived when the transport says that it went. For one that speaks CometD's
acknowledgement extension, when its next connect bears the number of the batch: messages then travel with answers
to connects only, which are numbered, and a connect that bears an older number has them sent again, before newer ones.

Of a channel with a history nothing is kept but the position before it. This module knows no session.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from .message import Message


class Sent(Protocol):
    """The position of a receiver of a channel with a history (``session.Position``)."""

    sent: str


class Flight:
    """One session's.

    plain: messages that nobody else can tell again.  before: by channel, the position before the first in flight.
    is_acknowledged: whether the client says itself what has arrived.  number: of the last answer to a connect.
    is_open: what is to go with that answer was not taken yet.
    """

    __slots__ = ("_batch", "before", "is_acknowledged", "is_open", "number", "plain", "size")

    def __init__(self) -> None:
        self.plain: list[Message] = []
        self.before: dict[str, str] = {}
        self.size = 0
        self.is_acknowledged = False
        self.is_open = False
        self.number = 0
        self._batch = 0

    @property
    def may_begin(self) -> bool:
        """Whether messages can be taken now."""
        return self.is_open or not self.is_acknowledged

    def next_number(self) -> int:
        """The number of an answer to a connect; what is taken next goes with it."""
        self.number += 1
        self.is_open = True
        return self.number

    def add(self, taken: list[Message], positions: Mapping[str, Sent]) -> None:
        """These have been taken; of those with a history the positions move."""
        plain = self._note(taken, positions) if positions else taken
        self.plain = [*self.plain, *plain] if self.plain else plain
        if self.is_acknowledged:
            self.size = sum(len(message.body) for message in self.plain)
            self.is_open = False
            self._batch = self.number

    def _note(self, taken: list[Message], positions: Mapping[str, Sent]) -> list[Message]:
        plain = []
        for message in taken:
            position = positions.get(message.channel) if message.seq is not None else None
            if position is None or message.seq is None:
                plain.append(message)
            else:
                self.before.setdefault(message.channel, position.sent)
                position.sent = message.seq
        return plain

    def clear(self) -> tuple[list[Message], dict[str, str]]:
        """Nothing is in flight any more; returns what was: plain messages, and positions before."""
        plain, before = self.plain, self.before
        self.plain, self.before, self.size = [], {}, 0
        return plain, before

    def has_arrived(self, number: int | None) -> bool:
        """Whether a client that bears this number in its connect has all that is in flight."""
        return number is not None and number >= self._batch
