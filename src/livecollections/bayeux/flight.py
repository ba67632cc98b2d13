"""Flight: what has been handed to a client's transport and is not known to have arrived.

Three rules. On a socket or a stream it has arrived when that says that it went. With the answer to a poll it has
arrived unless the same connect comes again, since Faye's client repeats, id and all, what was not answered; of a
client whose ids do not count up a repeated one says nothing. For one that speaks CometD's acknowledgement extension it
has arrived when its next connect bears the number of the batch: messages then travel with answers to connects only,
which are numbered, and a connect that bears an older number has them sent again, before newer ones.

Of a channel with a history nothing is kept but the position before it. This module knows no session.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from .message import Message

COUNTED = 2
"""Times that a client's ids must have risen, before one that does not is a repeat."""
_ID = re.compile("[0-9a-z]{1,10}")


class Sent(Protocol):
    """The position of a receiver of a channel with a history (``position.Position``)."""

    sent: str


class Flight:
    """One session's.

    plain: messages that nobody else can tell again.  before: by channel, the position before the first in flight.
    is_acknowledged: whether the client says itself what has arrived.  number: of the last answer to a connect.
    is_open: what is to go with that answer was not taken yet.  is_answered: what is here went with the answer to a
    poll, and no connect has come since.
    """

    __slots__ = (
        "_batch", "_last", "_rises", "before", "is_acknowledged", "is_answered", "is_open", "number", "plain",
        "size",
    )  # fmt: skip

    def __init__(self) -> None:
        self.plain: list[Message] = []
        self.before: dict[str, str] = {}
        self.size = 0
        self.is_acknowledged = False
        self.is_open = False
        self.is_answered = False
        self.number = 0
        self._batch = 0
        self._last: int | None = None
        self._rises: int | None = 0

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
        if self.is_answered:
            self.clear()
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
        self.plain, self.before, self.size, self.is_answered = [], {}, 0, False
        return plain, before

    def is_repeated(self, id_: Any) -> bool:
        """Whether this handshake or connect came before: its client, which counts, has not heard the answer."""
        number = _count(id_)
        is_same = number is not None and number == self._last
        if number is None or (self._last is not None and number < self._last):
            self._rises = None
        elif self._rises is not None and self._last is not None and not is_same:
            self._rises += 1
        self._last = number
        return is_same and self._rises is not None and self._rises >= COUNTED

    def has_arrived(self, number: int | None) -> bool:
        """Whether a client that bears this number in its connect has all that is in flight."""
        return number is not None and number >= self._batch


def _count(id_: Any) -> int | None:
    """The number that an id is, as Faye's and CometD's clients write them."""
    text = str(id_) if isinstance(id_, str | int) and not isinstance(id_, bool) else ""
    return int(text, 36) if _ID.fullmatch(text) else None
