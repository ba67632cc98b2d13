"""The rule of gaps, by itself: the schedules that were met, any history there can be, and what goes wrong without."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecollections.stores.gaps import GRACE, PATIENCE, Gaps, Horizon, Look, Span

from ..scale import scaled
from .gap_world import RuleOff, SnapshotBound, World, play

HISTORIES = scaled(1_000, 20_000)
STEPS = st.lists(st.tuples(st.integers(0, 14), st.integers(0, 9_999)), max_size=60)


def look(world: World) -> None:
    world.look()
    world.answer(-1)


@given(STEPS)
def test_no_history_loses_a_change_or_stalls(steps: list[tuple[int, int]]) -> None:
    world = World()
    for action, number in steps:
        world.do(action, number)
    world.finish()


def test_no_drawn_history_does() -> None:
    for seed in range(HISTORIES):
        play(World(), seed)


@pytest.mark.parametrize(
    "broken",
    [RuleOff, SnapshotBound],
    ids=["rule off", "pg_snapshot_xmax as bound"],
)
def test_without_its_parts_histories_lose_changes(broken: type[Gaps]) -> None:
    for seed in count():
        assert seed < 20_000, "nothing was lost: the histories prove nothing"
        try:
            play(World(broken), seed)
        except AssertionError:
            return


def three_transactions(world: World) -> None:
    """Finding 4: xids 100, 101 and 102; the last draws 1, the first draws 2 and commits, the second ends."""
    first, second, last = world.begin(), world.begin(is_writer=False), world.begin()
    world.draw(last)
    world.draw(first)
    world.end(first)
    look(world)
    world.bind()
    world.answer(-1)
    world.end(second)
    look(world)
    world.end(last)


def test_finding_4_the_three_transaction_schedule() -> None:
    world = World()
    three_transactions(world)
    look(world)
    assert world.told == [1, 2]


def test_finding_4_loses_a_change_if_the_bound_is_the_end_of_a_snapshot() -> None:
    with pytest.raises(AssertionError, match="nobody will be told"):
        three_transactions(World(SnapshotBound))


def test_a_gap_is_dead_once_all_older_ones_have_ended() -> None:
    world = World()
    one, other = world.begin(), world.begin()
    world.draw(one)
    world.draw(other)
    world.end(other)
    world.read()
    assert world.gaps.watermark == 0
    world.end(one, commits=False)
    world.read()
    assert world.gaps.watermark == 2


def test_a_stranger_delays_nothing() -> None:
    world = World()
    world.begin(is_writer=False)
    one, other = world.begin(), world.begin()
    world.draw(one)
    world.draw(other)
    world.end(one, commits=False)
    world.end(other)
    world.read()
    assert world.gaps.watermark == 0, "it can't be known yet"
    world.now += GRACE
    world.read()
    world.read()
    assert world.gaps.watermark == 2


def test_a_gap_is_passed_after_its_time_and_only_when_that_is_written_down() -> None:
    world = World()
    one, other = world.begin(), world.begin()
    world.draw(one)
    world.draw(other)
    world.end(other)
    world.read()
    world.now += PATIENCE - 0.01
    world.read()
    assert not world.passed
    world.now += 0.01
    world.read()
    assert world.passed == [Span(1, 1)]
    assert world.gaps.watermark == 0
    world.read()
    assert world.gaps.watermark == 2
    world.end(one)
    assert world.late == {1}


def test_what_another_reader_passed_is_passed_here() -> None:
    world = World()
    one, other = world.begin(), world.begin()
    world.draw(one)
    world.draw(other)
    world.end(other)
    world.passed.append(Span(1, 1))
    world.read()
    assert world.gaps.watermark == 2


def test_a_gap_that_fills_in_part_keeps_its_bound() -> None:
    gaps = Gaps(0)
    gaps.see(Look(10, [Span(1, 9)], Horizon(100, 105)), 0)
    gaps.bind(gaps.begin(), 110)
    gaps.see(Look(10, [Span(1, 4), Span(6, 9)], Horizon(100, 112)), 1)
    assert [(gap.span, gap.bound, gap.since) for gap in gaps.gaps] == [
        (Span(1, 4), 110, 0),
        (Span(6, 9), 110, 0),
    ]
    gaps.see(Look(10, [Span(6, 9)], Horizon(100, 112)), 1)
    assert gaps.watermark == 5
    gaps.see(Look(10, [Span(6, 9)], Horizon(111, 112)), 1)
    assert gaps.watermark == 10


def test_a_gap_seen_while_an_xid_was_being_drawn_is_not_bound_by_it() -> None:
    gaps = Gaps(0)
    ticket = gaps.begin()
    gaps.see(Look(3, [Span(1, 2)], Horizon(100, 100)), 0)
    gaps.bind(ticket, 100)
    assert gaps.is_unbound


def test_what_is_trimmed_is_no_gap() -> None:
    gaps = Gaps(3)
    gaps.see(Look(60, [Span(4, 50), Span(55, 55)], Horizon(100, 100), floor=50), 0)
    assert gaps.watermark == 54
    assert [gap.span for gap in gaps.gaps] == [Span(55, 55)]


def test_a_snapshot_is_read_as_the_database_prints_it() -> None:
    assert Horizon.read("742:742:") == Horizon(742, 742)
    horizon = Horizon.read("10:20:10,14")
    assert [xid for xid in range(8, 22) if not horizon.has_ended(xid)] == [10, 14, 20, 21]


@given(st.lists(st.integers(0, 30)), st.integers(0, 30), st.integers(0, 30))
def test_spans_are_sets_of_places(others: list[int], first: int, last: int) -> None:
    span, taken = Span(first, first + last), [Span(place, place + place % 3) for place in others]
    left = {place for each in span.without(taken) for place in range(each.first, each.last + 1)}
    gone = {place for each in taken for place in range(each.first, each.last + 1)}
    assert left == set(range(span.first, span.last + 1)) - gone
