"""Pages: what a crowd asks is read once, and nobody is told anything else than the log says."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise

import pytest

from livecollections.bayeux.history import Page
from livecollections.bayeux.message import Message
from livecollections.cause import Cause
from livecollections.pages import Pages
from tests.scale import scaled

CHANNEL = "/api/items"
OTHER = 3
"""Each third entry of the log is of another source."""


def seq(place: int, epoch: str = "5e1f03aa") -> str:
    return f"{epoch}{place:016x}{place * 7919 % 65536:04x}"


class Book:
    """A log, what was published of it, and what was asked."""

    def __init__(self, room: int = 1 << 20) -> None:
        self.length = self.published = self.trimmed = self.rows = 0
        self.reads: list[str] = []
        self.asked: list[str] = []
        self.pages = Pages(self.why_reset, self.read, self.position, room)

    def position(self) -> str:
        return seq(self.published)

    def write(self, count: int) -> None:
        self.length += count

    def start(self) -> None:
        """A server starts at the end of the log."""
        self.published = self.length

    def publish(self) -> None:
        while self.published < self.length:
            if (self.published + 1) % OTHER:
                self.pages.publish(self.message(self.published + 1))
            self.published += 1

    @staticmethod
    def message(place: int) -> Message:
        return Message(CHANNEL, {"at": place}, seq(place))

    def place(self, text: str) -> int | None:
        return next((n for n in range(self.trimmed, self.length + 1) if seq(n) == text), None)

    async def why_reset(self, channel: str, since: str) -> Cause | None:
        self.asked.append(since)
        await asyncio.sleep(0)
        return Cause.TRIMMED if self.place(since) is None else None

    async def read(self, channel: str, after: str, limit: int) -> tuple[Page, bool]:
        self.reads.append(after)
        place = self.place(after)
        if place is None:
            end = seq(self.length)
            return Page([Message(channel, {"method": "RESET"}, end)], end), False
        found = [n for n in range(place + 1, self.length + 1) if n % OTHER][:limit]
        self.rows += len(found)
        await asyncio.sleep(0)
        upto = seq(found[-1]) if len(found) == limit else seq(self.length)
        return Page([self.message(n) for n in found], upto), True

    async def ask(self, after: str, limit: int) -> Page:
        """A page; who is told nothing takes it that nothing was published that it lacks."""
        published = self.published
        page = await self.pages.read(CHANNEL, after, limit)
        place = self.place(after)
        assert page.messages or place is None or not [n for n in range(place + 1, published + 1) if n % OTHER]
        return page

    async def catch_up(self, after: int, limit: int = 20) -> list[str]:
        """All seqs that one at a place is told, until there is no more."""
        heard: list[str] = []
        at = seq(after)
        while True:
            page = await self.ask(at, limit)
            heard += [message.seq or "" for message in page.messages]
            if page.upto == at:
                return heard
            at = page.upto

    def after(self, place: int) -> list[str]:
        return [seq(n) for n in range(place + 1, self.length + 1) if n % OTHER]


async def test_a_crowd_at_one_place_costs_one_reading() -> None:
    book = Book()
    book.write(200)
    told = await asyncio.gather(*(book.catch_up(0) for _ in range(500)))
    assert all(heard == book.after(0) for heard in told)
    assert book.rows == len(book.after(0))


async def test_places_nearby_share_a_reading() -> None:
    book = Book()
    book.write(200)
    book.start()
    told = await asyncio.gather(*(book.catch_up(place % 10) for place in range(500)))
    assert all(heard == book.after(place % 10) for place, heard in enumerate(told))
    assert book.rows == len(book.after(0))


async def test_the_end_of_what_was_read_once_is_not_taken_for_the_end_of_the_log() -> None:
    """Two who come back at places far apart leave a seam; a third is at the last message before it."""
    book = Book()
    book.write(100)
    book.start()
    seam = 60
    assert seam % OTHER == 0, "at a seq that is no message of the channel"
    assert await book.catch_up(seam) == book.after(seam)
    assert await book.catch_up(10) == book.after(10)
    page = await book.ask(seq(seam - 1), 20)
    assert [message.seq for message in page.messages] == book.after(seam)[:20]


async def test_what_was_published_lately_is_not_read_at_all() -> None:
    book = Book()
    book.write(700)
    book.publish()
    assert await book.catch_up(0) == book.after(0)
    assert await book.catch_up(301) == book.after(301)
    assert book.reads == []
    book.write(1)
    book.publish()
    assert await book.catch_up(699) == book.after(699)
    assert book.reads == []


async def test_what_was_trimmed_is_told_by_nobody() -> None:
    book = Book()
    book.write(100)
    book.publish()
    await book.catch_up(1)
    book.trimmed = 50
    page = await book.pages.read(CHANNEL, seq(10), 20)
    assert b"RESET" in page.messages[0].body
    first, second = await asyncio.gather(
        book.pages.read(CHANNEL, seq(10), 20), book.pages.read(CHANNEL, seq(70), 20)
    )
    assert b"RESET" in first.messages[0].body
    assert [message.seq for message in second.messages] == book.after(70)[:20]


@pytest.mark.parametrize(
    "place", ["", "nonsense", "5e1f03aa" + "0" * 15 + "1ffff", seq(5, "00000000"), seq(999)]
)
async def test_a_place_that_is_none_is_never_told_from_what_is_kept(place: str) -> None:
    book = Book()
    book.write(30)
    book.publish()
    await book.catch_up(1)
    page = await book.pages.read(CHANNEL, place, 20)
    assert b"RESET" in page.messages[0].body


async def test_what_is_kept_is_bounded() -> None:
    book = Book(room=20_000)
    for _ in range(50):
        book.write(30)
        book.publish()
        assert book.pages.size <= 20_000
    assert await book.catch_up(0) == book.after(0)
    assert book.pages.size <= 20_000
    await book.pages.close()
    assert book.pages.size == 0


async def test_the_same_question_is_asked_once_at_a_time() -> None:
    book = Book()
    book.write(10)
    told = await asyncio.gather(*(book.pages.why_reset(CHANNEL, seq(5)) for _ in range(100)))
    assert told == [None] * 100
    assert book.asked == [seq(5)]
    assert await book.pages.why_reset(CHANNEL, seq(11)) is Cause.TRIMMED


async def test_a_reading_that_fails_fails_for_all_who_asked_and_not_for_the_next() -> None:
    async def fail(channel: str, after: str, limit: int) -> tuple[Page, bool]:
        await asyncio.sleep(0)
        if failing:
            raise OSError("the disk is gone")
        return await book.read(channel, after, limit)

    failing = True
    book = Book()
    book.write(10)
    pages = Pages(book.why_reset, fail, book.position)
    outcomes = await asyncio.gather(
        *(pages.read(CHANNEL, seq(0), 20) for _ in range(3)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [OSError] * 3
    failing = False
    assert len((await pages.read(CHANNEL, seq(0), 20)).messages) == len(book.after(0))


async def test_one_who_goes_takes_nobody_with_it() -> None:
    book = Book()
    book.write(10)
    going = asyncio.ensure_future(book.catch_up(0))
    staying = asyncio.ensure_future(book.catch_up(0))
    await asyncio.sleep(0)
    going.cancel()
    assert await staying == book.after(0)


async def test_everybody_hears_the_log_in_order_and_once() -> None:
    """Whatever was written, published, trimmed and forgotten in between."""
    for seed in range(scaled(100, 1_000)):
        await _history(random.Random(seed))


async def _history(chance: random.Random) -> None:
    book = Book(room=chance.choice([3_000, 30_000, 1 << 20]))
    readers = [seq(0) for _ in range(6)]
    heard: list[list[str]] = [[] for _ in readers]

    async def turn(index: int) -> None:
        page = await book.ask(readers[index], chance.choice([5, 20]))
        if page.messages and b"RESET" in page.messages[0].body:
            assert book.place(readers[index]) is None
            heard[index] = []
        heard[index] += [message.seq or "" for message in page.messages]
        readers[index] = page.upto

    for _ in range(30):
        book.write(chance.randrange(12))
        if chance.random() < 0.7:
            book.publish()
        if chance.random() < 0.1:
            book.trimmed = chance.randint(book.trimmed, book.length)
        await asyncio.gather(*(turn(index) for index in range(len(readers)) if chance.random() < 0.5))
    book.publish()
    for index, _ in enumerate(readers):
        while readers[index] != seq(book.length):
            await turn(index)
        # A RESET has the seq of the end, of whatever source that was.
        for before, after in pairwise(heard[index]):
            place = (
                book.length
                if before == after
                else next(n for n in range(book.length + 1) if seq(n) == before)
            )
            assert after == next(seq(n) for n in range(place + 1, book.length + 1) if n % OTHER)
