"""The session by itself: no loop, no clock, no socket."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecollections.bayeux import channel as channels
from livecollections.bayeux.cycle import TRANSITIONS, Happening, State
from livecollections.bayeux.message import Message
from livecollections.bayeux.position import Places, Position
from livecollections.bayeux.session import Held, Offer, Session
from livecollections.change import follows

STEPS = ("offer", "plain", "take", "landed", "put_back", "stalled", "push")


def seq(place: int) -> str:
    return f"5e1f03aa{place:016x}abcd"


def message(place: int | None = None, channel: str = "/a", size: int = 1) -> Message:
    return Message(channel, "x" * size, None if place is None else seq(place))


def session(limit: int = 10_000) -> Session:
    return Session("s" * 40, limit, deadline=90.0)


def test_every_state_has_a_row_and_every_way_leads_to_the_end() -> None:
    assert TRANSITIONS.keys() == set(State)
    assert all(
        row[Happening.END] is State.ENDED for state, row in TRANSITIONS.items() if state is not State.ENDED
    )


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("happening", Happening)
def test_only_the_transitions_of_the_table_are_made(state: State, happening: Happening) -> None:
    one = session()
    one.state = state
    if happening in TRANSITIONS[state]:
        one.step(happening)
        assert one.state is TRANSITIONS[state][happening]
    else:
        with pytest.raises(KeyError):
            one.step(happening)


def test_a_held_connect_is_released_once() -> None:
    one = session()
    held = Held(Any, {}, 5.0)  # type: ignore[arg-type]  # nobody answers here
    one.hold(held)
    assert one.release() is held
    assert one.release() is None
    assert one.state is State.IDLE


def test_a_plain_queue_is_bounded_and_overflow_is_told() -> None:
    one = session(limit=1_000)
    offers = [one.offer(message(size=170)) for _ in range(6)]
    assert offers == [Offer.QUEUED] * 5 + [Offer.OVERFLOW]
    assert one.size <= 1_000


def test_one_message_over_the_bound_still_goes() -> None:
    one = session(limit=100)
    assert one.offer(message(size=500)) is Offer.QUEUED
    assert one.offer(message()) is Offer.OVERFLOW


def test_a_turns_burst_is_no_overflow_while_the_link_takes_all() -> None:
    one = session(limit=100)
    one.flowing = True
    assert {one.offer(message(size=90)) for _ in range(20)} == {Offer.QUEUED}


def test_a_history_gives_way_to_plain_messages() -> None:
    one = session(limit=400)
    position = one.watch("/h", seq(0))
    for place in range(1, 4):
        one.offer(message(place, "/h", 80))
    assert one.offer(message(size=200)) is Offer.QUEUED
    assert position.is_behind
    assert position.queued == seq(0)
    assert [waiting.channel for waiting in one.take(9_999)] == ["/a"]


def test_what_is_not_after_the_position_is_not_queued() -> None:
    one = session()
    one.watch("/a", seq(5))
    offers = [one.offer(message(place)) for place in (4, 5, 6, 6, 7)]
    assert offers == [Offer.IGNORED, Offer.IGNORED, Offer.QUEUED, Offer.IGNORED, Offer.QUEUED]


def test_another_logs_seq_follows() -> None:
    assert follows("00000001" + seq(1)[8:], seq(9))
    assert not follows(seq(1), seq(9))


def test_take_gives_at_least_one_and_at_most_the_room() -> None:
    one = session()
    for _ in range(5):
        one.offer(message(size=100))
    assert [len(one.take(1)), len(one.take(300)), len(one.take(9_999)), len(one.take(1))] == [1, 2, 2, 0]
    assert one.size == 0


def test_what_was_put_back_comes_first_and_a_position_goes_back() -> None:
    one = session()
    position = one.watch("/h", seq(0))
    plain = [message(), message()]
    one.offer(plain[0])
    one.offer(message(1, "/h"))
    assert len(one.take(9_999)) == 2
    assert position.sent == seq(1)
    one.offer(plain[1])
    one.offer(message(2, "/h"))
    one.put_back()
    assert position.sent == position.queued == seq(0)
    assert position.is_behind
    assert one.take(9_999) == plain


def test_what_landed_is_not_put_back() -> None:
    one = session()
    one.offer(message())
    one.take(9_999)
    one.landed()
    one.put_back()
    assert not one.queue


def test_a_stall_squashes_what_waits() -> None:
    one = session()
    waits, quiet = one.watch("/h", seq(0)), one.watch("/q", seq(0))
    one.offer(message(1, "/h"))
    one.stalled()
    assert waits.is_behind
    assert waits.squash
    assert not quiet.is_behind
    assert not one.queue


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(1, 200))))
def test_the_sizes_add_up_and_positions_never_pass_what_was_sent(steps: list[tuple[str, int]]) -> None:
    one = session(limit=600)
    position = one.watch("/h", seq(0))
    place = 0
    for step, number in steps:
        if step == "offer":
            place += 1
            one.offer(message(place, "/h", number))
        elif step == "plain":
            one.offer(message(size=number))
        elif step == "take":
            one.landed()
            one.take(number * 3)
        elif step == "push":
            if position.is_behind and position.queued < seq(place):
                one.push(position, message(int(position.queued[8:24], 16) + 1, "/h", number))
                if position.queued >= seq(place):
                    one.catch_up(position)
        else:
            getattr(one, step)()
        assert one.size == sum(len(waiting.body) for waiting in one.queue)
        assert one.size <= 600 + 250
        waiting = [item.seq or "" for item in one.queue if item.seq is not None]
        assert waiting == sorted(set(waiting))
        assert all(position.sent < item <= position.queued for item in waiting)
        assert position.sent <= position.queued <= seq(place)
        assert position.is_behind or position.queued == seq(place)


def test_channels_that_stalled_are_behind_in_the_order_in_which_they_were_queued() -> None:
    """Not in the order of a set, which is another one in each process."""
    one = session()
    channels = [f"/{letter}" for letter in "qwertyui"]
    for channel in sorted(channels):
        one.watch(channel, seq(0))
    for place, channel in enumerate(channels, 1):
        one.offer(message(place, channel))
    one.stalled()
    assert one.behind() == channels


_SEGMENTS = st.lists(st.sampled_from(["a", "b", "a-b", "a0"]), min_size=1, max_size=4)
_CHANNELS = _SEGMENTS.map(lambda segments: "".join(f"/{segment}" for segment in segments))


@given(st.lists(st.tuples(st.booleans(), _CHANNELS)), _CHANNELS, st.sampled_from(["", "/*", "/**"]))
def test_the_positions_that_a_pattern_covers_are_found(
    steps: list[tuple[bool, str]], start: str, end: str
) -> None:
    places = Places()
    for is_made, channel in steps:
        if is_made:
            places[channel] = Position(channel, "1")
        elif channel in places:
            del places[channel]
    for name in (start + end, "/*", "/**"):
        covered = [channel for channel in sorted(places) if channels.matches(name, channel)]
        assert places.under(name) == covered
    places.clear()
    assert places.under("/**") == []
