"""Work in the background: in order, one at a time, whatever fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from livecollections.bayeux.strand import Strand, Strands

from ..serving import wait_until
from .wire import abandoned


def noted(notes: list[int], number: int, turns: int = 0) -> Callable[[], Awaitable[None]]:
    async def work() -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        notes.append(number)

    return work


async def failing() -> None:
    raise ValueError("on purpose")


@pytest.mark.parametrize("failing", [failing, abandoned])
async def test_what_is_given_first_is_finished_first(
    failing: Callable[[], Awaitable[None]], caplog: pytest.LogCaptureFixture
) -> None:
    strand, notes = Strand(), list[int]()
    for number in range(10):
        strand.do(noted(notes, number, turns=10 - number))
        if number == 5:
            strand.do(failing)
    assert len(strand) == 11
    await wait_until(lambda: not len(strand))
    assert notes == [*range(10)]
    assert caplog.text.count("something in the background failed") == 1
    strand.do(noted(notes, 10))
    await wait_until(lambda: len(notes) == 11)


async def test_room_is_waited_for() -> None:
    strand, notes = Strand(), list[int]()
    gate = asyncio.Event()

    async def wait() -> None:
        await gate.wait()

    await strand.wait_room(1)
    strand.do(wait)
    strand.do(noted(notes, 1))
    await strand.wait_room(3)
    waiting = asyncio.create_task(strand.wait_room(1))
    await asyncio.sleep(0)
    assert not waiting.done()
    gate.set()
    await asyncio.wait_for(waiting, 2)
    assert notes == [1]


async def test_closing_stops_in_the_middle_and_forgets_the_rest() -> None:
    strand, notes = Strand(), list[int]()
    hanging = asyncio.Event()

    async def hang() -> None:
        hanging.set()
        await asyncio.Event().wait()

    strand.do(hang)
    strand.do(noted(notes, 1))
    waiting = asyncio.create_task(strand.wait_room(1))
    await hanging.wait()
    await strand.close()
    await asyncio.wait_for(waiting, 2)
    assert not len(strand)
    strand.do(noted(notes, 2))
    await wait_until(lambda: notes == [2])


async def test_a_piece_of_work_may_close_its_own_strand() -> None:
    strand, notes = Strand(), list[int]()

    async def close() -> None:
        await strand.close()
        notes.append(0)

    strand.do(close)
    strand.do(noted(notes, 1))
    await wait_until(lambda: notes)
    strand.do(noted(notes, 2))
    await wait_until(lambda: len(notes) == 2)
    assert notes == [0, 2]


async def test_different_keys_do_not_wait_for_one_another_and_leave_nothing() -> None:
    strands, notes = Strands(), list[int]()
    gate = asyncio.Event()

    async def wait() -> None:
        await gate.wait()

    strands.do("a", wait)
    strands.do("a", noted(notes, 2))
    strands.do("b", noted(notes, 1))
    await wait_until(lambda: notes == [1])
    waiting = asyncio.create_task(strands.wait_room("a", 1))
    await strands.wait_room("b", 1)
    gate.set()
    await asyncio.wait_for(waiting, 2)
    assert notes == [1, 2]
    await wait_until(lambda: not len(strands))
    strands.do("a", noted(notes, 3))
    await strands.close()
    assert not len(strands)
    assert notes == [1, 2]
