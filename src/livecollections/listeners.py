"""Listeners: functions of the user's that hear every change of a model, after its commit and in order.

Two rules. A listener runs one call at a time, and an exception is logged and stops nothing. A durable one runs
in one process at a time, at least once for each change, from a cursor that the store keeps.

It knows the port of the stores; it does not know who else hears the change.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from . import step
from .change import Change, Method
from .errors import ConfigurationError, StoreError
from .stores.base import Store

logger = logging.getLogger("livecollections.listeners")

METHODS: dict[str, Method] = {"create": "POST", "update": "PUT", "delete": "DELETE", "reset": "RESET"}
"""What a listener may ask to hear, and the method that says so in the log."""
BATCH = 100
LEASE = 15.0
"""Seconds that a durable listener's process may be silent before another takes over."""
RETRY = 1.0
PATIENCE = 1.0
"""Seconds that a stop waits for the call that runs; a durable listener hears its change again."""

Handler = Callable[[Change], Any]


class Progress(Protocol):
    """Whatever knows how far the log has been read in this process."""

    def position(self) -> str: ...

    async def wait_past(self, seq: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Listener:
    """A declaration: which function hears what of which model; ``durable`` names its cursor."""

    model: type
    methods: frozenset[Method]
    handler: Handler
    durable: str | None

    @classmethod
    def declare(cls, model: type, events: Collection[str], handler: Handler, durable: str | None) -> Listener:
        """Check a declaration. Raises ConfigurationError that names what is wrong."""
        unknown = sorted(set(events) - METHODS.keys())
        if unknown:
            raise ConfigurationError(f"on: no such event {unknown[0]!r}; there are {', '.join(METHODS)}")
        if durable is not None and not (isinstance(durable, str) and durable):
            raise ConfigurationError("on: durable needs a name")
        if not callable(handler):
            raise ConfigurationError(f"on: a function is needed, not {handler!r}")
        heard = events or ("create", "update", "delete")
        return cls(model, frozenset(METHODS[event] for event in heard), handler, durable)


class Run:
    """One listener at work.

    source: the name of the model's table.  clock: gives the seconds since 1970, for leases.
    """

    def __init__(
        self,
        listener: Listener,
        source: str,
        store: Store,
        progress: Progress,
        clock: Callable[[], float] = lambda: time.time(),
    ) -> None:
        self._listener = listener
        self._source = source
        self._store = store
        self._progress = progress
        self._clock = clock
        self._owner = secrets.token_hex(8)
        self._task: asyncio.Task[None] | None = None
        self._busy = self._stopping = False
        self._position = ""
        self._held_at = 0.0

    @property
    def _name(self) -> str:
        """How the log of the process tells it from others."""
        handler = self._listener.handler
        return self._listener.durable or str(getattr(handler, "__qualname__", repr(handler)))

    def start(self) -> None:
        """Begin: at what is published from now on, or where the cursor stands."""
        self._stopping = False
        self._position = self._progress.position()
        self._task = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        """End after the call that runs, which has a second to end, and give the lease back."""
        if self._task is None:
            return
        self._stopping = True
        if self._busy:
            await asyncio.wait({self._task}, timeout=PATIENCE)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        if self._listener.durable:
            now = self._clock()
            try:
                await self._store.hold_cursor(self._listener.durable, self._owner, now, now)
            except StoreError as error:
                logger.warning("a durable listener's lease was not given back, and must run out: %s", error)

    async def _listen(self) -> None:
        while not self._stopping:
            try:
                if self._listener.durable:
                    await self._hear_durably(self._listener.durable)
                else:
                    await self._hear(self._keep)
            except Exception:  # whatever it is: one that ended would be missed by nobody
                self._busy = False
                logger.exception("a listener can't read the log; trying again")
                await asyncio.sleep(RETRY)

    async def _hear_durably(self, name: str) -> None:
        while not await self._hold(name):  # noqa: ASYNC110  # another process's lease gives no signal
            await asyncio.sleep(LEASE / 5)
        start = await self._store.cursor(name)
        if start is None:
            await self._store.move_cursor(name, self._owner, self._position)
        else:
            self._position = start
        await self._hear(lambda seq: self._advance(name, seq))

    async def _hear(self, done: Callable[[str], Awaitable[bool]]) -> None:
        while True:
            batch = await self._store.read(self._position, BATCH, self._source)
            if batch.lost is not None:
                told = {"seq": self._position, "cause": batch.lost.value}
                logger.error("a listener missed changes after seq=%s (%s)", *told.values(), extra=told)
                # The log's own RESET, if it has one, may lie before the place where this goes on.
                place = batch.trimmed_to or await self._store.head()
                missed = Change(place, self._source, "RESET", (), None, None, None, self._clock(), batch.lost)
                if not await self._pass(missed, done):
                    return
                continue
            for change in batch.changes:
                if not await self._pass(change, done):
                    return
            self._position = max(self._position, batch.upto)
            if not batch.changes and not batch.more and not await self._wait(done):
                return

    async def _pass(self, change: Change, done: Callable[[str], Awaitable[bool]]) -> bool:
        """Hear one change and go on behind it; False where that is no longer for us."""
        self._busy = True
        kept = change.method not in self._listener.methods or await self._call(change)
        kept = kept and await done(change.seq)
        self._busy = False
        self._position = change.seq
        return kept and not self._stopping

    async def _call(self, change: Change) -> bool:
        """Call the function; whether it ended. It is cancelled where another process has taken over, or may have."""
        call = asyncio.ensure_future(self._handle(change))
        try:
            while not call.done():
                await asyncio.wait({call}, timeout=LEASE / 3)
                if (
                    self._listener.durable
                    and not call.done()
                    and not await self._hold_on(self._listener.durable)
                ):
                    return False
            return True
        finally:
            call.cancel()

    async def _handle(self, change: Change) -> None:
        handler = self._listener.handler
        try:
            if inspect.iscoroutinefunction(handler):
                await handler(change)
            else:
                result = await asyncio.to_thread(handler, change)
                if inspect.isawaitable(result):
                    await result
        except Exception:
            told = {"seq": change.seq, "listener": self._name}
            logger.exception("a listener failed seq=%s listener=%s", *told.values(), extra=told)
        else:
            step.tell(logger, "heard", change.seq, listener=self._name)

    async def _wait(self, done: Callable[[str], Awaitable[bool]]) -> bool:
        """Wait for more; False where the lease was lost meanwhile.

        The cursor follows, though nothing was for this listener: else it would keep the log from being trimmed.
        """
        if not self._listener.durable:
            await self._progress.wait_past(self._position)
            return True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._progress.wait_past(self._position), LEASE / 3)
        return self._clock() < self._held_at + LEASE / 3 or await done(self._position)

    async def _hold(self, name: str) -> bool:
        now = self._clock()
        is_held = await self._store.hold_cursor(name, self._owner, now + LEASE, now)
        if is_held:
            self._held_at = now
        return is_held

    async def _hold_on(self, name: str) -> bool:
        """Hold it further. While the store can't say, it is ours for as long as was said last."""
        try:
            return await self._hold(name)
        except StoreError:
            if self._clock() >= self._held_at + LEASE:
                raise
            return True

    async def _advance(self, name: str, seq: str) -> bool:
        return await self._store.move_cursor(name, self._owner, seq) and await self._hold(name)

    async def _keep(self, seq: str) -> bool:
        return True
