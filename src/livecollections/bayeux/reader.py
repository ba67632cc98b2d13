"""A reader: a listener that keeps what it heard until somebody takes it.

Three rules. What is not after its position is a repeat and is dropped; what begins after it is a gap, and the
reader asks to be set back. What it has no room for it does not pass by: on a channel with a history it is read
again later, on a plain one a Reset says how much was dropped. What can't be made good is a Reset, in its place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping

from ..change import epoch, is_after, is_older, is_same_log
from ..errors import LiveError
from .channel import broader, covers
from .delivery import Delivery, Reset


class Reader:
    """A listener that keeps what it heard until somebody takes it.

    Args:
        name: the channel or pattern.
        since: the seq after which to begin, or seqs by channel; None: from now.
        limit: the number of messages kept.
        changed: called when there may be something new to take, or to know.
    """

    STUBBORN = 5
    """Times that a gap is asked for again before it counts as a reset."""

    def __init__(
        self,
        name: str,
        since: str | Mapping[str, str] | None,
        limit: int,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.limit = limit
        self._changed = changed
        self.positions: dict[str, str] = (
            {name: since} if isinstance(since, str) else dict(since) if since else {}
        )
        self.is_confirmed = False
        self.error: LiveError | None = None
        self._waiting: deque[Delivery | Reset] = deque()
        self._full: dict[str, str] = {}
        self._missed: dict[str, int] = {}
        self._gaps: dict[str, tuple[str, int]] = {}
        self._behind: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self) -> Delivery | Reset | None:
        """The next that was heard; None if nothing waits."""
        taken = self._waiting.popleft() if self._waiting else None
        if self._missed and self._has_room():
            for channel, count in self._missed.items():
                said = "a message that found" if count == 1 else f"{count} messages that found"
                self._waiting.append(Reset(channel, None, f"{said} no room was dropped"))
            self._missed = {}
        return taken

    def wants_back(self) -> bool:
        """Whether there is room again for what was passed by; asks once."""
        if not self._full or not self._has_room():
            return False
        self._full.clear()
        return True

    def _has_room(self) -> bool:
        return len(self._waiting) <= self.limit // 2

    # The listener.

    def since(self) -> Mapping[str, str]:
        # What is passed by for now must not be sent again with every poll.
        return {**self.positions, **self._full}

    def began(self, start: Mapping[str, str], resets: Collection[str]) -> None:
        self.is_confirmed, self.error = True, None
        for name in resets:
            self._forget(name)
        for name, seq in start.items():
            if name in resets:
                self._reset(name, seq, "the server can't tell what came after the position")
            else:
                self.positions.setdefault(name, seq)
        self._changed()

    def heard(self, delivery: Delivery) -> bool:
        channel, seq, position = delivery.channel, delivery.seq, self._position(delivery)
        if seq is None or (position is None and not delivery.is_marked):
            self._keep_plain(delivery)
            return False
        if channel in self._full:
            self._full[channel] = seq
            return False
        if position is not None:
            if is_same_log(seq, position) and not is_after(seq, position):
                return False
            if not delivery.is_reset and self._is_gap(delivery, position):
                return True
        if len(self._waiting) >= self.limit:
            self.positions.setdefault(channel, position or delivery.prev or "")
            self._full[channel] = seq
        elif delivery.is_reset:
            self._reset(channel, seq, "what happened can't be told message by message")
        else:
            self._keep(delivery)
        return False

    def _position(self, delivery: Delivery) -> str | None:
        """That of the channel, or of its log under the narrowest pattern that has one."""
        if delivery.channel in self.positions or delivery.seq is None:
            return self.positions.get(delivery.channel)
        near = [self.positions[name] for name in broader(delivery.channel) if name in self.positions]
        return next((seq for seq in near if epoch(seq) == epoch(delivery.seq)), None)

    def _forget(self, name: str) -> None:
        """Nothing is known any more of where a name, and all that it covers, stands."""
        for known in [known for known in self.positions if covers(name, known)]:
            del self.positions[known]
            self._full.pop(known, None)

    def behind(self, channel: str, last: str) -> bool:
        position = self.positions.get(channel)
        if channel in self._full or not is_older(position, last):
            return False
        # What the server sends again may still be under way: only what is missing by the next time is lost.
        is_lost = self._behind.get(channel) == position
        self._behind[channel] = position or ""
        return is_lost

    def refused(self, error: LiveError) -> None:
        self.is_confirmed, self.error = False, error
        self._changed()

    def lost(self) -> None:
        self.is_confirmed = False

    def settled(self) -> None:
        if self._waiting:
            self._changed()

    def _is_gap(self, delivery: Delivery, position: str) -> bool:
        assert delivery.seq is not None
        # A log that went back may show only by what came before.
        is_one = is_same_log(delivery.seq, position) and is_same_log(delivery.prev or position, position)
        if is_one and not is_older(position, delivery.prev):
            return False
        place, count = self._gaps.get(delivery.channel, (position, 0))
        count = count + 1 if place == position else 1
        self._gaps[delivery.channel] = position, count
        if count <= self.STUBBORN:
            return True
        self._reset(delivery.channel, delivery.prev or delivery.seq, "the server does not fill a gap")
        return False

    def _keep(self, delivery: Delivery) -> None:
        assert delivery.seq is not None
        self.positions[delivery.channel] = delivery.seq
        self._gaps.pop(delivery.channel, None)
        self._waiting.append(delivery)

    def _keep_plain(self, delivery: Delivery) -> None:
        if self._missed or len(self._waiting) >= self.limit:
            self._missed[delivery.channel] = self._missed.get(delivery.channel, 0) + 1
        else:
            self._waiting.append(delivery)

    def _reset(self, channel: str, seq: str, reason: str) -> None:
        self.positions[channel] = seq
        self._gaps.pop(channel, None)
        self._waiting.append(Reset(channel, seq, reason))
