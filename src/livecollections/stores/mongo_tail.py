"""Tail: the change stream of the database, followed once for all; it remembers what was told lately.

Two rules. It never waits for anybody: who is further behind than it remembers reads a replay. What the server can't go
on with is lost: everybody reads again.

It knows events by their reader, and no rows.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from bson.timestamp import Timestamp
from pymongo.errors import PyMongoError

from ..cause import Cause
from ..change import EPOCH_WIDTH
from ..errors import StoreUnavailable
from .base import Batch, Log
from .mongo_connection import HISTORY_LOST, Database, translated
from .mongo_events import GONE, Entry, Reader, names_of
from .mongo_models import DocumentSource
from .mongo_recent import KEPT, Recent
from .mongo_replay import AWAITED, Replay, Stream, completed, now, oldest, open_at
from .mongo_seq import Place, after_all, place_of, seq

logger = logging.getLogger("livecollections.store")

REPLAYS = 8
"""Replays that are kept open for who reads on."""
LARGE = 100
"""Events of one time, beyond which they are shown only all together."""
QUIET = 0.2
"""Seconds without an event after which the stream has told all that there is for the moment."""
RETRY = 0.1, 5.0
"""Seconds before the stream is opened again after it failed: at first, and at most."""


class RolledPast(Exception):
    """What the stream would have told is lost."""


class Tail:
    """Follows the stream from its start to its stop.

    sources: by name.  met: is told of each entry with its seq.  end: is called when there is nothing more, with the
    time of the loop at which the server was asked.  gone: is called when a collection has gone, or all have.
    """

    def __init__(
        self,
        database: Database,
        log: Log,
        sources: Mapping[str, DocumentSource],
        epoch: str,
        start: Timestamp,
        met: Callable[[Entry, str], None],
        end: Callable[[float], None],
        gone: Callable[[], None],
    ) -> None:
        self._database = database
        self._log = log
        self._sources = sources
        self._met = met
        self._end = end
        self._gone = gone
        self._after_end: Any = None
        self._held: list[Entry] = []
        self.is_failing = False
        """Whether the stream was lost, and could not be opened again at the last try."""
        self._asked: tuple[Timestamp, float] | None = None
        self.epoch = epoch
        self.position = self.reached = after_all(start)
        """The place of the last event, and the latest that is known to have been."""
        self._recent = Recent(self.position)
        self._last: dict[str, str] = {}
        self._resets: dict[str, tuple[str, Cause]] = {}
        self._watchers: set[asyncio.Future[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._replays: OrderedDict[tuple[str, str | None], Replay] = OrderedDict()

    async def start(self) -> None:
        """Open the stream, and begin to follow it."""
        with translated():
            stream = await open_at(self._database, self.position.time)
            await self._mark()
        self._task = asyncio.create_task(self._run(stream))

    async def _mark(self) -> None:
        """See to it that there is an event after the start, by which replays know that they are there."""
        await self._database[names_of(self._log).writes].insert_one({"at": datetime.now(UTC)})

    async def stop(self) -> None:
        """End it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for replay in self._replays.values():
            await replay.close()
        self._replays.clear()
        self._wake()

    async def wait_quiet(self, after: str, most: int) -> None:
        """Return when the stream tells no more for the moment, or more than ``most`` changes after a seq."""
        while self._recent.count(after) <= most:
            try:
                async with asyncio.timeout(QUIET):
                    await self.wait()
            except TimeoutError:
                return

    async def _run(self, stream: Stream | None) -> None:
        delay = RETRY[0]
        while True:
            try:
                if stream is None:
                    stream = await self._opened_again()
                delay, self.is_failing = RETRY[0], False
                async with stream:
                    await self._follow(stream)
            except Exception as error:
                if isinstance(error, PyMongoError) and getattr(error, "code", None) not in HISTORY_LOST:
                    logger.warning("the change stream failed: %s", type(error).__name__)
                else:
                    logger.exception("the change stream can't be followed any further: everybody reads again")
                    with suppress(Exception):
                        self._restart(await now(self._database))
                        await self._mark()
            stream = None
            self.is_failing = delay > RETRY[0]
            self._wake()
            await asyncio.sleep(delay)
            delay = min(delay * 2, RETRY[1])

    async def _opened_again(self) -> Stream:
        """The stream from the last event on. Raises RolledPast."""
        stream = await open_at(self._database, self.position.time, self._after_end)
        first = await oldest(self._database)
        # MongoDB refuses to go on there; SecantusDB begins with the oldest that it has, and says nothing.
        if first is not None and first > self.position.time:
            await stream.close()
            raise RolledPast("the oplog has rolled past its last event")
        return stream

    async def _follow(self, stream: Stream) -> None:
        """Take what the stream tells, to its end; what it told before is counted, and no more."""
        known, self._held = self.position, []
        reader = Reader(self._log, self._sources, self.epoch)
        while stream.alive:
            asked = asyncio.get_running_loop().time()
            event = await stream.try_next()
            if self._asked is not None and (event is None or event["clusterTime"] >= self._asked[0]):
                self._asked = None
            if event is None:
                self._show()
                self._end(asked)
                continue
            if event["operationType"] == "invalidate":  # the database was dropped, and the stream with it
                self._after_end = event["_id"]
                self.position = self.position.next
                self._gone()
                return
            entry = reader.read(await completed(self._database, event))
            if entry.place > known:
                self._after_end = None
                self._hold(entry)

    def _hold(self, entry: Entry) -> None:
        """Take an event; of a large transaction, not before it is whole."""
        self._met(entry, seq(entry.epoch or self.epoch, entry.place))
        if self._held and (entry.place[:2] != self._held[-1].place[:2] or len(self._held) >= KEPT):
            self._show()
        self._held.append(entry)
        if entry.place.number < LARGE:
            self._show()

    def _show(self) -> None:
        held, self._held = self._held, []
        for entry in held:
            self._take(entry)
        if held:
            self._recent.shorten()
            self._wake()

    def reach(self, time: Timestamp) -> Place:
        """The place after all events of a time, which is known to have been."""
        place = after_all(time)
        self.reached = max(self.reached, place)
        return place

    def _take(self, entry: Entry) -> None:
        self.position = entry.place
        self.reached = max(self.reached, entry.place)
        if entry.epoch is not None and entry.epoch != self.epoch:
            self.epoch = entry.epoch
            self._restart_at(entry.place)
        for change in entry.changes:
            self._recent.add(change)
            self._last[change.source] = change.seq
            if change.cause is not None:
                self._resets[change.source] = (change.seq, change.cause)
                if change.cause in GONE.values():
                    self._gone()

    def _restart(self, time: Timestamp) -> None:
        """Go on from a time, since what came before it is lost."""
        self._restart_at(after_all(time))
        self.position = self.reached = self._recent.start

    def _restart_at(self, place: Place) -> None:
        self._recent = Recent(place)
        self._last = {}
        self._resets = {}

    # --- asking it ------------------------------------------------------------------------------------------

    def last(self, source: str) -> str:
        """The seq of the last change of a source; where none is known, one before which it may have been."""
        return self._last.get(source) or seq(self.epoch, self._recent.start)

    def covers(self, place: Place) -> bool:
        """Whether everything after a place is remembered."""
        return place >= self._recent.start

    def reset_after(self, source: str, text: str) -> Cause | None:
        """Why a source was reset after a seq, if it was."""
        found = self._resets.get(source)
        return found[1] if found is not None and found[0] > text else None

    def late(self, time: Timestamp, now: float) -> float:
        """Seconds for which it has not told all that there was by a time of the database, which is now.

        now: seconds that only rise. What it takes for the server to say that there is nothing is left out.
        """
        if self._asked is None:
            self._asked = time, now
        return max(0.0, now - self._asked[1] - AWAITED / 1_000)

    @property
    def end(self) -> str:
        """The seq of the last change that is remembered; where there is none, one before which it was."""
        return self._recent.end or seq(self.epoch, self._recent.start)

    def count(self, text: str) -> int:
        """How many changes are remembered after a seq of this epoch; of another one, all."""
        return self._recent.count(text if text[:EPOCH_WIDTH] == self.epoch else "")

    def counted(self, text: str) -> dict[str, int]:
        """How many changes of each source are remembered after a seq."""
        return self._recent.counts(text)

    async def read(self, after: str, limit: int, source: str | None) -> Batch:
        """Changes after a place of this log."""
        place = place_of(after)
        if self.covers(place):
            return self._remembered(after, limit, source)
        replay = self._replays.pop((after, source), None) or Replay(self._database, self._reader(), place)
        try:
            batch = await replay.read(limit, source, self._recent.start)
        except BaseException:
            await replay.close()
            raise
        if batch.lost is not None or replay.is_ended:
            await replay.close()
        else:
            await self._keep((batch.upto, source), replay)
        if replay.is_ended and batch.lost is None and not batch.more and self.covers(replay.place):
            rest = self._remembered(seq(self.epoch, replay.place), limit - len(batch.changes), source)
            return Batch([*batch.changes, *rest.changes], rest.upto, rest.more)
        return batch

    def _reader(self) -> Reader:
        return Reader(self._log, self._sources, self.epoch)

    def _remembered(self, after: str, limit: int, source: str | None) -> Batch:
        found, more = self._recent.read(after, limit, source)
        return Batch(found, found[-1].seq if more else max(after, seq(self.epoch, self.position)), more)

    async def _keep(self, name: tuple[str, str | None], replay: Replay) -> None:
        self._replays[name] = replay
        while len(self._replays) > REPLAYS:
            _, oldest = self._replays.popitem(last=False)
            await oldest.close()

    async def why_lost(self, place: Place) -> Cause | None:
        """Why not everything after a place can be told."""
        if self.covers(place):
            return None
        replay = Replay(self._database, self._reader(), place)
        try:
            with translated():
                return await replay.begin()
        except TimeoutError as error:
            raise StoreUnavailable("MongoDB takes too long to tell what was changed") from error
        finally:
            await replay.close()

    # --- waiting --------------------------------------------------------------------------------------------

    def has_after(self, after: str) -> bool:
        """Whether something may have come after a seq."""
        if after[:8] != self.epoch or len(after) != 30 or not self.covers(place_of(after)):
            return True
        return self._recent.end > after

    async def wait(self) -> None:
        """Return when the stream has told something. Cancel-safe."""
        watcher: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watchers.add(watcher)
        try:
            await watcher
        finally:
            self._watchers.discard(watcher)

    def _wake(self) -> None:
        for watcher in self._watchers:
            if not watcher.done():
                watcher.set_result(None)
