"""The signals that end a process, heard before the server that runs us hears them.

Servers tell the lifespan of a stop only after every response has ended, and a held poll or a stream does not
end by itself. So the signal is heard here, first, and then by whoever heard it before.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any]


class Signals:
    """Runs ``close`` on the loop at SIGTERM and SIGINT, and chains the handlers that it finds.

    A signal that has no handler keeps its default: the process ends, and nobody waits for it.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, close: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        self._loop = loop
        self._close = close
        self._chained: dict[int, Handler] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._is_over = False

    def install(self) -> None:
        """Begin to hear signals; only the main thread may."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            previous = signal.getsignal(number)
            if callable(previous):
                self._chained[number] = previous
                signal.signal(number, self._hear)

    def restore(self) -> None:
        """Put the former handlers back; who came after us has his signals passed on to them."""
        self._is_over = True
        for number, previous in [*self._chained.items()]:
            if signal.getsignal(number) == self._hear:
                signal.signal(number, _alive(previous, number))
                del self._chained[number]

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if not self._is_over:
            self._loop.call_soon_threadsafe(self._begin)
        self._chained[number](number, frame)

    def _begin(self) -> None:
        closing = self._loop.create_task(self._close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)


def _alive(handler: Handler, number: int) -> Handler:
    """A handler, or the first after those of us that are over."""
    while isinstance(owner := getattr(handler, "__self__", None), Signals) and owner._is_over:
        handler = owner._chained[number]
    return handler
