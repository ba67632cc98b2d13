"""Pages: what was published or read of a log lately, so that a crowd is told from one reading of it.

Three rules. Who asks while a channel is being read waits for the next round, in which all are told together. In each
round the store is asked whether the earliest of them can still be told: what was trimmed is told by nobody. What is
kept is bounded by bytes; what was used longest ago goes first.

It knows no store and no resource: it is given functions that ask and read.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from .bayeux.history import Page
from .bayeux.message import Message
from .cause import Cause
from .change import epoch

ROOM = 4 << 20
"""Bytes kept of all channels together."""
OVERHEAD = 400
"""Bytes that a message costs beside its own."""
STRETCH = 200
"""Messages of a stretch that grows, at most."""

Why = Callable[[str, str], Awaitable[Cause | None]]
"""Why what is on a channel after a seq can't be told change by change; None: it can."""
Read = Callable[[str, str, int], Awaitable[tuple[Page, bool]]]
"""A page of a channel after a seq, and whether it is one that the log holds (not the RESET of a place that is gone)."""


class Stretch:
    """A piece of a channel's log, without a hole.

    start: what is after it is here.  upto: as far as this; None: as everything that is published.
    places: by seq, how many of the messages are at or below it.
    """

    __slots__ = ("channel", "messages", "places", "size", "start", "upto")

    def __init__(self, channel: str, start: str, upto: str | None = None) -> None:
        self.channel = channel
        self.start = start
        self.upto = upto
        self.messages: list[Message] = []
        self.places = {start: 0}
        self.size = OVERHEAD

    def add(self, message: Message) -> None:
        assert message.seq is not None
        self.messages.append(message)
        self.places[message.seq] = len(self.messages)
        self.size += len(message.body) + OVERHEAD

    def tells(self, after: str) -> bool:
        """Whether something comes after one of its places, or nothing does as yet.

        At the end of what was read once it is not known here; who is told nothing takes it that there is nothing.
        """
        return self.upto is None or self.places[after] < len(self.messages)

    def page(self, after: str, limit: int, position: str) -> Page:
        """What comes after one of its places."""
        first = self.places[after]
        found = self.messages[first : first + limit]
        is_all = first + limit >= len(self.messages)
        return Page(found, (self.upto or position) if is_all else found[-1].seq or after)


class Pages:
    """Those of all channels of one log.

    Args:
        position: gives the seq up to which everything has been published.
    """

    def __init__(self, why_reset: Why, read: Read, position: Callable[[], str], room: int = ROOM) -> None:
        self._why_reset = why_reset
        self._read = read
        self._position = position
        self._room = room
        self._size = 0
        self._stretches: dict[str, list[Stretch]] = {}
        self._used: OrderedDict[Stretch, None] = OrderedDict()
        self._asking: dict[str, dict[tuple[str, int], asyncio.Future[Page]]] = {}
        self._rounds: dict[str, asyncio.Task[None]] = {}
        self._explaining: dict[tuple[str, str], asyncio.Task[Cause | None]] = {}

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return self._size

    # What is kept.

    def publish(self, message: Message) -> None:
        """This is published now, and was not read; everything before it on its channel has been."""
        channel = message.channel
        known = self._stretches.setdefault(channel, [])
        open_ = known[-1] if known and known[-1].upto is None else None
        if open_ is None or len(open_.messages) >= STRETCH:
            before = self._position()
            if open_ is not None:
                open_.upto = before
            open_ = Stretch(channel, before)
            known.append(open_)
            self._keep(open_)
        open_.add(message)
        self._size += len(message.body) + OVERHEAD
        self._shrink(open_)

    def count(self, channel: str, after: str) -> tuple[int, bool]:
        """How many messages are kept after a place, and whether they are all that there are."""
        found, end = 0, after
        for stretch in self._stretches.get(channel, []):
            upto = stretch.upto or self._position()
            if upto > after and epoch(stretch.start) == epoch(after):
                found += sum(1 for message in stretch.messages if (message.seq or "") > after)
                end = upto if stretch.start <= end else ""
        return found, epoch(end) == epoch(self._position()) and end >= self._position()

    def clear(self, channel: str | None = None) -> None:
        """Forget what is kept, of one channel or of all."""
        for known in [self._stretches.get(channel, [])] if channel else [*self._stretches.values()]:
            for stretch in [*known]:
                self._forget(stretch)

    def _add(self, channel: str, start: str, page: Page) -> None:
        """A page was read after a place of which nothing is kept."""
        known = self._stretches.setdefault(channel, [])
        index = bisect_right(known, start, key=lambda one: one.start)
        end = page.upto
        if index < len(known):
            end = min(end, known[index].start)
        elif end > self._position():
            # The rest is published next.
            end = self._position()
        if end <= start or (index and (known[index - 1].upto or end) > start):
            return
        stretch = Stretch(channel, start, end)
        for message in page.messages:
            if (message.seq or "") <= end:
                stretch.add(message)
        known.insert(index, stretch)
        self._size += stretch.size - OVERHEAD
        self._keep(stretch)
        self._shrink(stretch)

    def _keep(self, stretch: Stretch) -> None:
        self._used[stretch] = None
        self._size += OVERHEAD

    def _shrink(self, stretch: Stretch) -> None:
        self._used.move_to_end(stretch)
        while self._size > self._room:
            self._forget(next(iter(self._used)))

    def _forget(self, stretch: Stretch) -> None:
        del self._used[stretch]
        self._size -= stretch.size
        known = self._stretches[stretch.channel]
        known.remove(stretch)
        if not known:
            del self._stretches[stretch.channel]

    def _around(self, channel: str, place: str) -> Stretch | None:
        """What holds everything after a place, up to somewhere."""
        known = self._stretches.get(channel, [])
        index = bisect_right(known, place, key=lambda one: one.start)
        if not index or epoch(place) != epoch(known[index - 1].start):
            return None
        found = known[index - 1]
        return found if place <= (found.upto or self._position()) and self._goes_on(found, place) else None

    @staticmethod
    def _goes_on(stretch: Stretch, place: str) -> bool:
        return stretch.upto is None or place < stretch.upto

    def _known(self, channel: str, place: str) -> Stretch | None:
        """The same, if the place is certainly one of the log."""
        found = self._around(channel, place)
        return found if found is not None and place in found.places else None

    # Asking.

    async def why_reset(self, channel: str, since: str) -> Cause | None:
        """As the store says; who asks the same meanwhile gets the same answer."""
        key = channel, since
        task = self._explaining.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._explain(key))
            self._explaining[key] = task
        return await asyncio.shield(task)

    async def _explain(self, key: tuple[str, str]) -> Cause | None:
        try:
            return await self._why_reset(*key)
        finally:
            del self._explaining[key]

    async def read(self, channel: str, after: str, limit: int) -> Page:
        """What comes after a place, any text at all; at most ``limit`` messages."""
        asking = self._asking.setdefault(channel, {})
        future = asking.get((after, limit))
        if future is None:
            future = asking[after, limit] = asyncio.get_running_loop().create_future()
        if channel not in self._rounds:
            self._rounds[channel] = asyncio.get_running_loop().create_task(self._run(channel))
        return await asyncio.shield(future)

    async def close(self) -> None:
        """Tell nobody any more."""
        tasks = [*self._rounds.values(), *self._explaining.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.clear()

    async def _run(self, channel: str) -> None:
        asked: dict[tuple[str, int], asyncio.Future[Page]] = {}
        try:
            while asked := self._asking.pop(channel, {}):
                try:
                    await self._round(channel, asked)
                except Exception as error:
                    _fail(asked, error)
        finally:
            del self._rounds[channel]
            for future in (*asked.values(), *self._asking.pop(channel, {}).values()):
                future.cancel()

    async def _round(self, channel: str, asked: dict[tuple[str, int], asyncio.Future[Page]]) -> None:
        """Tell all who asked, the earliest first."""
        is_kept = False
        for (after, limit), future in sorted(asked.items(), key=lambda item: item[0]):
            if self._known(channel, after) is not None and not is_kept:
                # What comes later in the log is there as long as this is.
                is_kept = await self._why_reset(channel, after) is None
            elif (around := self._around(channel, after)) and after not in around.places:
                is_kept |= await self._learn(around, after)
            stretch = self._known(channel, after) if is_kept else None
            if stretch is not None and stretch.tells(after):
                self._used.move_to_end(stretch)
                future.set_result(stretch.page(after, limit, self._position()))
                continue
            page, is_there = await self._read(channel, after, limit)
            if is_there:
                is_kept = True
                if self._around(channel, after) is None:
                    self._add(channel, after, page)
            future.set_result(page)

    async def _learn(self, stretch: Stretch, place: str) -> bool:
        """Note a place between two messages, if it is one of the log."""
        is_there = await self._why_reset(stretch.channel, place) is None
        if is_there:
            stretch.places[place] = max(count for seq, count in stretch.places.items() if seq < place)
        return is_there


def _fail(asked: dict[tuple[str, int], asyncio.Future[Page]], error: Exception) -> None:
    for future in asked.values():
        if not future.done():
            future.set_exception(error)
            # Perhaps nobody waits any more.
            future.exception()
