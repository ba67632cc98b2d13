"""The wheel by itself: no clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from livecollections.bayeux.wheel import Wheel


@given(st.lists(st.floats(0, 100)), st.lists(st.floats(0, 30), min_size=1), st.sampled_from([0.1, 0.25, 3.0]))
def test_the_wheel_gives_each_once_and_in_time(times: list[float], steps: list[float], width: float) -> None:
    wheel: Wheel[float] = Wheel(width)
    for when in times:
        wheel.add(when, wheel.slot(when))
    now, found = 0.0, []
    for step in [*steps, 200.0]:
        before, now = now, now + step
        due = [item for _, item in wheel.due(now)]
        assert all(item <= now for item in due)
        assert all(item >= before - 2 * width for item in due)
        found += due
        assert all(item > now - 2 * width for item in times if item not in found)
    assert sorted(found) == sorted(times)
    assert not wheel


def test_the_wheel_takes_what_is_late_next_time() -> None:
    wheel: Wheel[str] = Wheel(1.0)
    wheel.due(50.0)
    wheel.add("late", wheel.slot(3.0))
    assert [item for _, item in wheel.due(52.0)] == ["late"]
