"""A position: how far a receiver of a channel with a history has been told.

Two rules. What is not after it is not sent again. While more is in the history, nothing live is sent.

It knows no session and no message.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping

from ..change import follows
from . import channel as channels


class Position:
    """A receiver of a channel with a history.

    sent: everything up to it has been handed to a transport.  queued: the same, or in the queue.
    is_behind: more is in the history; live messages are not queued.  squash: of several changes of one
    document the last is enough.
    """

    __slots__ = ("channel", "is_behind", "queued", "sent", "squash")

    def __init__(self, channel: str, seq: str) -> None:
        self.channel = channel
        self.sent = self.queued = seq
        self.is_behind = False
        self.squash = False

    @property
    def is_idle(self) -> bool:
        """Whether all that was published has been handed to a transport."""
        return self.sent == self.queued and not self.is_behind


class Places(dict[str, Position]):
    """The positions of one session, by channel; those that a pattern covers are found without looking at others."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        super().__init__()
        # In order, those that begin alike stand together.
        self._names: list[str] = []

    def __setitem__(self, channel: str, position: Position) -> None:
        if channel not in self:
            insort(self._names, channel)
        super().__setitem__(channel, position)

    def __delitem__(self, channel: str) -> None:
        super().__delitem__(channel)
        del self._names[bisect_left(self._names, channel)]

    def clear(self) -> None:
        super().clear()
        self._names.clear()

    def under(self, name: str) -> list[str]:
        """The channels among them that a name or pattern covers."""
        if not name.endswith("*"):
            return [name] if name in self else []
        return [channel for channel in self._begin(name.rstrip("*")) if channels.matches(name, channel)]

    def _begin(self, start: str) -> Iterator[str]:
        for place in range(bisect_left(self._names, start), len(self._names)):
            if not self._names[place].startswith(start):
                return
            yield self._names[place]


Step = tuple[str, str, str]
"""Of messages that go together, on one channel: its name, the first seq and the last."""


def are_next(positions: Mapping[str, Position], steps: Iterable[Step]) -> bool:
    """Whether messages can be handed to a transport at once.

    They can where each channel has a position, nothing of it waits, and all of them come after it.
    """
    for channel, first, _ in steps:
        position = positions.get(channel)
        if position is None or position.is_behind or not follows(first, position.queued):
            return False
    return True


def move(positions: Mapping[str, Position], steps: Iterable[Step]) -> None:
    """They have been handed to a transport."""
    for channel, _, last in steps:
        position = positions[channel]
        position.sent = position.queued = last
