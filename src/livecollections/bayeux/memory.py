"""MemoryHistory: the last messages of plain channels, kept in this process.

Three rules. Everything is bounded: the messages of a channel by number, age and bytes, and all channels together by
number and bytes; the channel that was published on longest ago goes first, and a message that alone is over the bound
is not kept. What is gone is known to be gone: nobody is told the rest as if it were all. The history ends with
the process, and another one has another epoch.

Its places are numbers that rise over restarts too (they begin at the time at which it was made), so a number
from before a restart is never taken for another message's. It knows no session.
"""

from __future__ import annotations

import math
import re
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Collection
from itertools import dropwhile, islice
from typing import Any

from ..cause import Cause
from ..change import epoch, number
from ..errors import ConfigurationError
from . import message as messages
from .history import Page
from .message import Message

OVERHEAD = 256
"""Bytes that a message costs beside its own."""
_SEQ = re.compile("[0-9a-f]{28}")
_PER_SECOND = 20
"""Bits of a place below the second at which its history was made: a million messages a second would use them up."""


class _Kept:
    """One channel. lost: the seq up to which it can't be told. last: of its last message, if there was one."""

    __slots__ = ("last", "lost", "messages", "size")

    def __init__(self, lost: str) -> None:
        self.messages: deque[tuple[str, float, bytes]] = deque()
        self.size = 0
        self.lost = lost
        self.last: str | None = None

    def add(self, message: Message, at: float) -> None:
        assert message.seq is not None
        self.messages.append((message.seq, at, message.body))
        self.size += len(message.body) + OVERHEAD
        self.last = message.seq

    def trim(self) -> None:
        self.lost, _, body = self.messages.popleft()
        self.size -= len(body) + OVERHEAD


class MemoryHistory:
    """Keeps what is published on plain channels: ``server.channel("/chat/**", history=MemoryHistory())``.

    Args:
        messages: kept of one channel, at most.
        seconds: for which one is kept, at most; None: for as long as the other bounds let it.
        channel_bytes: kept of one channel, at most.
        channels: of which anything is kept, at most.
        total_bytes: kept of all channels together, at most; ``channel_bytes`` beyond that are of no use.
        clock: seconds since 1970.
        draw: a number of random hexadecimal digits.

    Raises:
        ConfigurationError: an option is wrong.
    """

    def __init__(
        self,
        messages: int = 100,
        seconds: float | None = None,
        *,
        channel_bytes: int = 262_144,
        channels: int = 1_000,
        total_bytes: int = 8_388_608,
        clock: Callable[[], float] = lambda: time.time(),
        draw: Callable[[int], str] = lambda digits: secrets.token_hex(digits // 2),
    ) -> None:
        counts = {"messages": messages, "channel_bytes": channel_bytes}
        for name, value in {**counts, "channels": channels, "total_bytes": total_bytes}.items():
            _check(name, value, isinstance(value, int))
        if seconds is not None:
            _check("seconds", seconds, isinstance(seconds, int | float) and math.isfinite(seconds))
        self._most_messages = messages
        self._seconds = seconds
        self._most_bytes = min(channel_bytes, total_bytes)
        self._most_together = total_bytes
        self._size = 0
        self._most_channels = channels
        self._clock = clock
        self._epoch = draw(8)
        self._check = draw(4)
        self._channels: OrderedDict[str, _Kept] = OrderedDict()
        self._place = int(clock()) << _PER_SECOND
        self._first = self._head = self._forgotten = self.seq(self._place)

    # Writing.

    def keep(self, message: Message, /) -> Message:
        """The message with its place beside its data; it is the newest of the log from now on."""
        kept = self._channels.get(message.channel)
        if kept is None:
            kept = self._channels[message.channel] = _Kept(self._forgotten)
        self._channels.move_to_end(message.channel)
        now = self._clock()
        self._place += 1
        self._head = self.seq(self._place)
        placed = messages.placed(message, self._head, kept.last, now)
        before = kept.size
        kept.add(placed, now)
        self._size += kept.size - before
        self._trim(kept, now)
        while len(self._channels) > self._most_channels or self._size > self._most_together:
            _, gone = self._channels.popitem(last=False)
            self._size -= gone.size
            self._forgotten = gone.last or self._forgotten
        return placed

    def _trim(self, kept: _Kept, now: float) -> None:
        before = kept.size
        while len(kept.messages) > self._most_messages or kept.size > self._most_bytes:
            kept.trim()
        while self._seconds is not None and kept.messages and kept.messages[0][1] <= now - self._seconds:
            kept.trim()
        self._size += kept.size - before

    # Telling.

    def position(self) -> str:
        """The seq up to which everything has been published."""
        return self._head

    def channels(self) -> Collection[str]:
        """Those of which something is known."""
        return self._channels.keys()

    def last(self, channel: str, /) -> str:
        """The seq of a channel's last message, or one before which it may have had messages."""
        kept = self._channels.get(channel)
        return (kept.last if kept is not None else None) or self._forgotten

    def oldest(self, channel: str, /) -> str:
        """The earliest seq after which everything on the channel can be told."""
        kept = self._channels.get(channel)
        if kept is None:
            return self._forgotten
        self._trim(kept, self._clock())
        return kept.lost

    def can_tell(self, since: str, /) -> bool:
        """Whether no channel has been forgotten altogether since then; any text may come from a client."""
        return self._why_not_ours(since) is None and since >= self._forgotten

    def seq(self, place: int, /) -> str:
        """The seq with this number as its place; it need not be in the log."""
        return f"{self._epoch}{place:016x}{self._check}"

    async def why_reset(self, channel: str, since: str, /) -> Cause | None:
        """Why not everything after ``since`` can be told; None: it can. Any text may come from a client."""
        return self._why_not_ours(since) or (Cause.TRIMMED if since < self.oldest(channel) else None)

    async def read(self, channel: str, after: str, limit: int, squash: bool, /) -> Page:
        """The messages after a seq, at most ``limit``; none replaces another, so nothing is squashed."""
        lost = self._why_not_ours(after)
        if lost is not None or after < self.oldest(channel):
            cause = lost or Cause.TRIMMED_IN_REPLAY
            return Page([messages.reset(channel, self._head, after, cause)], self._head)
        kept = self._channels.get(channel)
        waiting = dropwhile(lambda entry: entry[0] <= after, kept.messages if kept is not None else ())
        found = [Message.encoded(channel, body, seq, at=at) for seq, at, body in islice(waiting, limit)]
        is_all = next(waiting, None) is None
        return Page(found, self._head if is_all else found[-1].seq or self._head)

    def _why_not_ours(self, seq: str) -> Cause | None:
        if not _SEQ.fullmatch(seq):
            return Cause.NOT_A_SEQ
        if epoch(seq) != self._epoch:
            return Cause.OTHER_EPOCH
        if not seq.endswith(self._check):
            return Cause.OTHER_CHECK
        if number(seq) > self._place:
            return Cause.BEYOND_END
        return Cause.TRIMMED if number(seq) < number(self._first) else None


def _check(name: str, value: Any, is_number: bool) -> None:
    if not is_number or isinstance(value, bool) or value <= 0:
        raise ConfigurationError(f"history: {name}: a number above 0 is expected, not {value!r}")
