"""Feed: reads a store's log in order and publishes each change on its channels; replays it from a position.

Three rules. The log is the only truth: the feed holds no change that it could not read again. It publishes in
the log's order, each entry once, and says in ``prev`` what came before on that channel. It never stops at an
entry or an error: what can't be told change by change becomes RESET.

It knows the port of the stores and anything that can publish; it knows no transport and no session.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from .bayeux.history import Page
from .bayeux.message import Message
from .cause import Cause
from .change import Change, epoch
from .change import squash as squashed
from .errors import StoreError
from .pages import Pages
from .resource import Resource
from .stores.base import Batch, Store

logger = logging.getLogger("livecollections.feed")

BATCH = 1_000
"""Entries read at a time."""
TURN = 64
"""Entries published before the loop gets a turn: what one turn publishes leaves in one write per socket."""
BACKLOG = 10_000
"""More changes of one source than this, waiting at once, are told as one RESET (design, section 5)."""
MAINTENANCE = 1.0
"""Seconds between two rounds of maintenance of the log."""
WORKERS = 2
"""Readings at once for those who are behind: more would wait for one another, and the feed behind them."""
RETRY = 0.2, 5.0
"""Seconds to wait after the store failed: at first, and at most."""


class Publisher(Protocol):
    """Whatever carries a message to the receivers of a channel."""

    def publish_nowait(
        self, channel: str, data: Any, seq: str | None = None, cause: Cause | None = None
    ) -> None: ...

    async def wait_room(self) -> None: ...


class Feed:
    """Tails the log of one store.

    resources: each is published on its own channel; several may show one source.
    clock: gives the seconds since 1970, for retention.
    """

    def __init__(
        self,
        store: Store,
        publisher: Publisher,
        resources: Mapping[str, Resource],
        clock: Callable[[], float] = lambda: time.time(),
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._resources = dict(resources)
        self._clock = clock
        self._by_source: dict[str, list[Resource]] = {}
        for resource in resources.values():
            self._by_source.setdefault(resource.source.name, []).append(resource)
        self._position = ""
        self._last: dict[str, str | None] = {}
        self._skip_to: dict[str, str] = {}
        self._moved = asyncio.Event()
        self._workers = asyncio.Semaphore(WORKERS)
        self._pages = Pages(self._why_reset, self._read, self.position)
        self._failing: set[str] = set()
        self.rows_read = 0
        """Entries of the log that were read, to publish them or to tell them again."""
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin at the end of the log: what is older is read by those who ask for it."""
        for source in self._by_source:
            self._last[source] = await self._store.last(source)
        self._position = await self._store.head()
        self._tasks = [asyncio.create_task(self._tail()), asyncio.create_task(self._maintain())]

    async def stop(self) -> None:
        """Stop reading. Nothing is lost: the log is durable."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self._pages.close()

    @property
    def running(self) -> bool:
        """Whether the log is being read, and could be at the last try."""
        return bool(self._tasks) and not self._failing and not any(task.done() for task in self._tasks)

    def position(self) -> str:
        """The seq up to which everything has been published."""
        return self._position

    async def wait_past(self, seq: str) -> None:
        """Return when something after ``seq`` has been read from the log. Cancel-safe."""
        while epoch(self._position) == epoch(seq) and self._position <= seq:
            await self._moved.wait()

    @property
    def kept_bytes(self) -> int:
        """Of what was published or read lately, kept for those who ask for it again."""
        return self._pages.size

    async def why_reset(self, channel: str, since: str) -> Cause | None:
        """Why a receiver at ``since`` can't be told the rest change by change; None: it can."""
        return await self._pages.why_reset(channel, since)

    async def read(self, channel: str, after: str, limit: int, squash: bool = False) -> Page:
        """The messages of a channel after a position, in order, each with a ``prev`` that its receiver has had."""
        if squash:
            page, _ = await self._read(channel, after, limit, squash=True)
            return page
        return await self._pages.read(channel, after, limit)

    async def _why_reset(self, channel: str, since: str) -> Cause | None:
        async with self._workers:
            return await self._store.why_reset(since, self._resources[channel].source.name)

    async def _read(self, channel: str, after: str, limit: int, *, squash: bool = False) -> tuple[Page, bool]:
        """A page from the log, and whether it is one: what comes after a place that is gone is a RESET."""
        resource = self._resources[channel]
        async with self._workers:
            batch = await self._store.read(after, limit, resource.source.name)
        self.rows_read += len(batch.changes)
        if batch.lost is not None:
            end = await self._store.head()
            cause = Cause.TRIMMED_IN_REPLAY if batch.lost is Cause.TRIMMED else batch.lost
            told = Message(channel, {"method": "RESET", "seq": end, "prev": after}, end, cause)
            return Page([told], end), False
        messages = []
        previous: str | None = after
        for change in squashed(batch.changes) if squash else batch.changes:
            data = message(resource, change, previous)
            messages.append(Message(channel, data, change.seq, change.cause))
            previous = change.seq
        return Page(messages, batch.upto), True

    async def _tail(self) -> None:
        delay = RETRY[0]
        while True:
            try:
                batch = await self._store.read(self._position, BATCH)
                self.rows_read += len(batch.changes)
                self._failing.discard("read")
                if batch.lost is not None:
                    await self._start_again(batch.lost)
                    continue
                if batch.more and not self._skip_to:
                    await self._shorten_backlog()
                await self._publish(batch)
                if not batch.more:
                    self._skip_to.clear()
                    await self._store.wait_changed(self._position)
                delay = RETRY[0]
            except StoreError:
                self._failing.add("read")
                logger.exception("the log can't be read; trying again", extra={"seq": self._position})
                await asyncio.sleep(delay)
                delay = min(delay * 2, RETRY[1])

    async def _publish(self, batch: Batch) -> None:
        for start in range(0, len(batch.changes), TURN):
            for change in batch.changes[start : start + TURN]:
                if change.seq >= self._skip_to.get(change.source, ""):
                    self._publish_change(change)
                else:
                    self._pages.clear()
                self._position = change.seq
            self._wake()
            await self._publisher.wait_room()
            await asyncio.sleep(0)
        if batch.upto > self._position:
            self._position = batch.upto
            self._wake()

    def _publish_change(self, change: Change) -> None:
        previous = self._last.get(change.source)
        for resource in self._by_source.get(change.source, ()):
            data = message(resource, change, previous)
            self._pages.publish(Message(resource.channel, data, change.seq, change.cause))
            self._publisher.publish_nowait(resource.channel, data, change.seq, change.cause)
            logger.debug("published", extra={"seq": change.seq, "channel": resource.channel})
        self._last[change.source] = change.seq

    async def _shorten_backlog(self) -> None:
        for source, waiting in (await self._store.backlog(self._position)).items():
            if waiting > BACKLOG and source in self._by_source:
                self._skip_to[source] = await self._store.reset(source, Cause.BACKLOG)
                logger.warning(
                    "%d changes of %s were waiting: told as RESET",
                    waiting,
                    source,
                    extra={"cause": Cause.BACKLOG.value},
                )

    async def _start_again(self, cause: Cause) -> None:
        """The log was trimmed past our position, or is another log: everyone must read again.

        In a log that went back in time the RESETs would stand before what receivers have had already, and be passed
        over, as all that is written until it has grown as far again: so it goes on in a new epoch.
        """
        logger.error(
            "the log goes on elsewhere (%s): every channel is reset",
            cause.value,
            extra={"seq": self._position, "cause": cause.value},
        )
        self._position = await self._store.renew(self._position)
        self._pages.clear()
        # What is written before the RESETs are is heard before them: it must show that something is missing.
        self._last = dict.fromkeys(self._by_source, self._position)
        self._skip_to.clear()
        for source in self._by_source:
            await self._store.reset(source, cause)

    async def _maintain(self) -> None:
        while True:
            try:
                await self._store.maintain(self._clock())
                self._failing.discard("maintain")
            except StoreError:
                self._failing.add("maintain")
                logger.exception("the log could not be maintained")
            await asyncio.sleep(MAINTENANCE)

    def _wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()


def message(resource: Resource, change: Change, previous: str | None) -> dict[str, Any]:
    """A change as it goes over the wire to one who has been sent everything up to ``previous``."""
    data: dict[str, Any] = {"method": change.method}
    if change.method != "RESET":
        row = change.before if change.after is None else change.after
        assert row is not None, "a change shows the row before or after it"
        data["body"] = resource.document(row)
    data["seq"] = change.seq
    if previous:
        data["prev"] = previous
    if change.origin is not None:
        data["origin"] = change.origin
    return data
