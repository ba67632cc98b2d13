"""Stage: a thread with an event loop of its own, on which the application under test and its proxy run.

Two rules. What runs here goes on whatever the test does: it may block, have a loop of its own or none. When the
stage is closed nothing of it is left: no task, no thread, no socket of the loop.

It knows no application.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar, overload

from ..errors import ConfigurationError
from .clock import Clock

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE = 30.0
"""Seconds that what is run may take."""


class Stage:
    """A loop in a thread.

    Args:
        clock: what its timers go by.
    """

    def __init__(self, clock: Clock) -> None:
        # Not the policy's loop: one that is not written in Python keeps a time that can't be moved.
        self._loop = asyncio.SelectorEventLoop()
        clock.drive(self._loop)
        self._thread = threading.Thread(target=self._live, name="livecollections-testing", daemon=True)
        self._thread.start()

    def _live(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            asyncio.set_event_loop(None)

    @overload
    def run(self, function: Callable[P, Awaitable[T]], /, *arguments: P.args, **options: P.kwargs) -> T: ...

    @overload
    def run(self, function: Callable[P, T], /, *arguments: P.args, **options: P.kwargs) -> T: ...

    def run(self, function: Callable[P, Any], /, *arguments: P.args, **options: P.kwargs) -> Any:
        """Call a function, also a coroutine function, on the loop, and wait for what it returns.

        Raises:
            TimeoutError: it took more than half a minute, and was cancelled.
            Whatever the function raises.
        """
        if threading.current_thread() is self._thread:
            if inspect.iscoroutinefunction(function):
                raise ConfigurationError(
                    "run: this is the application's loop already: await the function here"
                )
            return function(*arguments, **options)

        async def call() -> Any:
            found = function(*arguments, **options)
            return await found if inspect.isawaitable(found) else found

        running = asyncio.run_coroutine_threadsafe(call(), self._loop)
        try:
            return running.result(PATIENCE)
        except BaseException:
            running.cancel()
            raise

    def close(self) -> None:
        """End what still runs, the loop and the thread."""
        if self._loop.is_closed():
            return
        self.run(self._end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()
