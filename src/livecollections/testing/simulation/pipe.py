"""A pipe: one direction of a connection, with the bytes that are under way in it.

Three rules. Bytes arrive in order, each piece after a delay of its own. While the way is closed they wait, as lost
packets that are sent again; who waits too long for that is told. No more is under way, or has come and was not read,
than the window holds.
"""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable
from contextvars import Context
from random import Random
from typing import Protocol

from .loop import Loop

WINDOW = 65_536
"""Bytes that are sent before the other end has read them."""
GIVE_UP = 120.0
"""Seconds after which a machine gives up a connection on which nothing that it sends gets through."""
SPLIT = 0.05
"""How often a piece is cut in two on its way."""
END = b""
"""What stands for the end of a stream (FIN)."""

NOWHERE = Context()


class Reset:
    """What stands for the end of a connection (RST)."""


RESET = Reset()


class Way(Protocol):
    """What lies between the two ends of a pipe."""

    @property
    def is_clear(self) -> bool:
        """Whether bytes get through now."""

    def latency(self) -> float:
        """Seconds that the next piece takes."""


class Receiver(Protocol):
    """The end at which bytes arrive."""

    def arrive(self, piece: bytes | Reset) -> None: ...


class Pipe:
    """Carries bytes to a receiver.

    fail: called at the sender's when it gives up.  freed: called when there is room again.
    """

    def __init__(
        self,
        loop: Loop,
        way: Way,
        random: Random,
        far: Receiver,
        freed: Callable[[], None],
        fail: Callable[[OSError], None],
    ) -> None:
        self._loop = loop
        self._way = way
        self._random = random
        self._far = far
        self._freed = freed
        self._fail = fail
        self._pieces: deque[tuple[float, bytes | Reset]] = deque()
        self._held = 0
        self._has_ended = False
        self._last = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._patience: asyncio.TimerHandle | None = None

    @property
    def room(self) -> int:
        """Bytes that it takes now."""
        return max(0, WINDOW - self._held)

    def put(self, piece: bytes) -> None:
        """Send bytes, or the end of the stream, after which nothing more is sent."""
        if self._has_ended:
            return
        self._has_ended = piece is END
        self._held += len(piece)
        if len(piece) > 1 and self._random.random() < SPLIT:
            at = self._random.randrange(1, len(piece))
            self._send(piece[:at])
            self._send(piece[at:])
        else:
            self._send(piece)

    def reset(self) -> None:
        """Send a reset instead of all that is under way; lost if the way is closed."""
        self.end()
        if self._way.is_clear:
            self._send(RESET)

    def cut(self, *, resets: bool) -> None:
        """End the stream in the middle: what is under way is lost, and the other end told when the way is clear."""
        self.end()
        self._send(RESET if resets else END)

    def end(self) -> None:
        """Lose what is under way, and send nothing more."""
        self._pieces.clear()
        self._has_ended = True

    def read(self, size: int) -> None:
        """The other end has read so many bytes."""
        self._held -= size
        self._freed()

    def _send(self, piece: bytes | Reset) -> None:
        self._last = max(self._last, self._loop.time() + self._way.latency())
        self._pieces.append((self._last, piece))
        if self._timer is None:
            self._carry()

    def resume(self) -> None:
        """The way may be clear again: what waits is sent once more."""
        if self._pieces and self._timer is None and self._way.is_clear:
            if self._patience is not None:
                self._patience.cancel()
                self._patience = None
            again = self._loop.time() + self._way.latency() + self._random.random() * 0.3
            self._timer = self._loop.call_at(again, self._arrive, context=NOWHERE)

    def _arrive(self) -> None:
        self._timer = None
        while self._pieces and self._way.is_clear and self._pieces[0][0] <= self._loop.time():
            self._far.arrive(self._pieces.popleft()[1])
        self._carry()

    def _carry(self) -> None:
        if not self._pieces or self._timer is not None:
            return
        if self._way.is_clear:
            self._timer = self._loop.call_at(self._pieces[0][0], self._arrive, context=NOWHERE)
        elif self._patience is None:
            self._patience = self._loop.call_later(GIVE_UP, self._give_up, context=NOWHERE)

    def _give_up(self) -> None:
        self._patience = None
        if self._pieces and not self._way.is_clear:
            self._fail(TimeoutError(errno.ETIMEDOUT, "Connection timed out"))
