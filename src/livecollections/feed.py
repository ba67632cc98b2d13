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
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from . import step
from .bayeux.history import Page
from .bayeux.message import Message
from .cause import Cause
from .change import Change, epoch
from .change import squash as squashed
from .errors import StoreError
from .outlets import Outlets
from .pages import Pages
from .resource import Resource
from .stores.base import Batch, Store
from .view import seen

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
RECENT = 50
"""Changes whose places are remembered, for people who look at what goes on."""
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
    outlets: of resources that not all see alike, each with as many channels as are heard.
    clock: gives the seconds since 1970, for retention.
    """

    def __init__(
        self,
        store: Store,
        publisher: Publisher,
        resources: Mapping[str, Resource],
        clock: Callable[[], float] = lambda: time.time(),
        outlets: Sequence[Outlets] = (),
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._resources = dict(resources)
        self._outlets: dict[str, list[Outlets]] = {}
        self._clock = clock
        self._by_source: dict[str, list[Resource]] = {}
        for resource in resources.values():
            self._by_source.setdefault(resource.source.name, []).append(resource)
        for each in outlets:
            self._by_source.setdefault(each.source, [])
            self._outlets.setdefault(each.source, []).append(each)
        self._position = self._first = ""
        self._last: dict[str, str | None] = {}
        self._skip_to: dict[str, str] = {}
        self._moved = asyncio.Event()
        self._workers = asyncio.Semaphore(WORKERS)
        self._pages = Pages(self._why_reset, self._read, self.position)
        self._failing: set[str] = set()
        shown = (*resources.values(), *(each.views.resource for each in outlets))
        self.paths = {
            name: {one.path for one in shown if one.source.name == name} for name in self._by_source
        }
        """The paths of the resources that show a source, by its name."""
        self.published: Counter[str] = Counter()
        """How many changes of a source were."""
        self.recent: deque[tuple[str, str]] = deque(maxlen=RECENT + 1)
        """Of those published last: seq and source."""
        self.rows_read = 0
        """Entries of the log that were read, to publish them or to tell them again."""
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin at the end of the log: what is older is read by those who ask for it."""
        for source in self._by_source:
            self._last[source] = await self._store.last(source)
        self._position = self._first = await self._store.head()
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

    def count(self, channel: str, after: str) -> tuple[int, bool]:
        """How many changes of a channel are known after a place, and whether they are all; nothing is read."""
        return self._pages.count(channel, after)

    async def why_reset(self, channel: str, since: str) -> Cause | None:
        """Why a receiver at ``since`` can't be told the rest change by change; None: it can."""
        return await self._pages.why_reset(channel, since)

    async def read(self, channel: str, after: str, limit: int, squash: bool = False) -> Page:
        """The messages of a channel after a position, in order, each with a ``prev`` that its receiver has had."""
        if squash:
            page, _ = await self._read(channel, after, limit, squash=True)
            return page
        return await self._pages.read(channel, after, limit)

    async def last_changes(self, after: str | None = None) -> list[Change]:
        """The changes published last, in order; where it is the same log, only those after a seq. Raises StoreError."""
        begin, entries = self._first, [*self.recent]
        if len(entries) > RECENT:
            begin, entries = entries[0][0], entries[1:]
        if after is not None and epoch(after) == epoch(begin) and after > begin:
            begin, entries = after, [each for each in entries if each[0] > after]
        found: list[Change] = []
        for source, count in Counter(source for _, source in entries).items():
            async with self._workers:
                batch = await self._store.read(begin, count, source)
            self.rows_read += len(batch.changes)
            found += batch.changes
        return sorted(found, key=lambda change: change.seq)

    def open(self, channel: str) -> None:
        """Publish on a channel of an outlet from now on."""
        for outlets in self._outlets_of(channel):
            outlets.open(channel)

    def close(self, channel: str) -> None:
        """Publish there no more."""
        for outlets in self._outlets_of(channel):
            outlets.close(channel)
        self._pages.clear(channel)

    def _outlets_of(self, channel: str) -> list[Outlets]:
        return [each for several in self._outlets.values() for each in several if each.views.has(channel)]

    def _view(self, channel: str) -> Resource:
        """What is shown on a channel."""
        found = self._resources.get(channel)
        views = [each.views.at(channel) for each in self._outlets_of(channel)] if found is None else [found]
        view = next((each for each in views if each is not None), None)
        if view is None:
            raise StoreError(f"nothing is shown on {channel}")
        return view

    async def _why_reset(self, channel: str, since: str) -> Cause | None:
        source = self._view(channel).source.name
        async with self._workers:
            return await self._store.why_reset(since, source)

    async def _read(self, channel: str, after: str, limit: int, *, squash: bool = False) -> tuple[Page, bool]:
        """A page from the log, and whether it is one: what comes after a place that is gone is a RESET."""
        view = self._view(channel)
        async with self._workers:
            batch, changes = await self._seen(view, after, limit)
        if batch.lost is not None:
            end = await self._store.head()
            cause = Cause.TRIMMED_IN_REPLAY if batch.lost is Cause.TRIMMED else batch.lost
            told = Message(channel, {"method": "RESET", "seq": end, "prev": after}, end, cause)
            return Page([told], end), False
        messages = []
        previous: str | None = after
        for change in squashed(changes) if squash else changes:
            data = message(view, change, previous)
            messages.append(Message(channel, data, change.seq, change.cause))
            previous = change.seq
        return Page(messages, batch.upto), True

    async def _seen(self, view: Resource, after: str, limit: int) -> tuple[Batch, list[Change]]:
        """A batch of a view's source, and what its changes are to who has the view: some, or there are no more."""
        while True:
            batch = await self._store.read(after, BATCH if view.is_part else limit, view.source.name)
            self.rows_read += len(batch.changes)
            if not view.is_part:
                return batch, batch.changes
            changes = [found for change in batch.changes if (found := seen(view, change)) is not None]
            if len(changes) > limit:
                return replace(batch, upto=changes[limit - 1].seq, more=True), changes[:limit]
            if changes or not batch.more or batch.lost is not None:
                return batch, changes
            after = batch.upto

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
            except Exception:  # whatever it is: one that ended would be missed by nobody
                self._failing.add("read")
                told = {"seq": self._position}
                logger.exception(
                    "the log can't be read; trying again after seq=%s", *told.values(), extra=told
                )
                await asyncio.sleep(delay)
                delay = min(delay * 2, RETRY[1])

    async def _publish(self, batch: Batch) -> None:
        if step.is_told(logger):
            for change in batch.changes:
                step.tell(logger, "read", change.seq, source=change.source, method=change.method)
        for start in range(0, len(batch.changes), TURN):
            for change in batch.changes[start : start + TURN]:
                if change.seq >= self._skip_to.get(change.source, ""):
                    self._publish_change(change)
                else:
                    self._pages.clear()
                self._position = change.seq
                self.recent.append((change.seq, change.source))
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
        for outlets in self._outlets.get(change.source, ()):
            for outlet, told in outlets.told(change):
                channel, data = outlet.view.channel, message(outlet.view, told, outlet.last)
                self._pages.publish(Message(channel, data, change.seq, change.cause))
                self._publisher.publish_nowait(channel, data, change.seq, change.cause)
                outlet.last = change.seq
        self._last[change.source] = change.seq
        self.published[change.source] += 1

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
            "the log goes on elsewhere than seq=%s (%s): every channel is reset",
            self._position,
            cause.value,
            extra={"seq": self._position, "cause": cause.value},
        )
        place = await self._store.renew(self._position)
        # From here all is tried again until each is written.
        for source in self._by_source:
            await self._store.reset(source, cause)
        self._position = self._first = place
        self.recent.clear()
        self._pages.clear()
        # What is written before the RESETs are is heard before them: it must show that something is missing.
        self._last = dict.fromkeys(self._by_source, place)
        for several in self._outlets.values():
            for outlets in several:
                outlets.restart(place)
        self._skip_to.clear()

    async def _maintain(self) -> None:
        while True:
            try:
                await self._store.maintain(self._clock())
                self._failing.discard("maintain")
            except Exception:
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
        if change.after is None and len(row) == len(
            change.key
        ):  # a store that knows no more of what has gone
            data["body"] = {name: data["body"][name] for name in map(resource.name_of, row)}
    data["seq"] = change.seq
    if previous:
        data["prev"] = previous
    if change.origin is not None:
        data["origin"] = change.origin
    return data
