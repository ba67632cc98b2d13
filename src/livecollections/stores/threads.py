"""Threads: where blocking statements run in production, one thread for each lane."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from .base import Lane

T = TypeVar("T")


class Threads:
    """Runs functions on the thread of their lane, one at a time, in order."""

    def __init__(self) -> None:
        self._lanes: dict[str, ThreadPoolExecutor] = {}

    def __call__(self, lane: Lane, function: Callable[[], T], /) -> Awaitable[T]:
        """Run a function; a cancelled caller does not stop it."""
        if lane not in self._lanes:
            self._lanes[lane] = ThreadPoolExecutor(1, thread_name_prefix=f"livecollections-{lane}")
        return asyncio.get_running_loop().run_in_executor(self._lanes[lane], function)

    def close(self) -> None:
        """End the threads, which are idle by now."""
        for lane in self._lanes.values():
            lane.shutdown()
        self._lanes = {}
