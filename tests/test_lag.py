"""Lag: how late a reader of the log is, by when its end was seen where he has not come to."""

from __future__ import annotations

from livecollections.lag import MARKS, Lag


def seq(place: int, epoch: str = "aaaaaaaa") -> str:
    return f"{epoch}{place:016x}0000"


def test_nobody_is_late_where_nothing_was_seen() -> None:
    assert Lag().seconds(seq(0), 10.0) == 0.0


def test_a_reader_is_late_since_the_end_was_first_seen_where_he_is_not() -> None:
    lag = Lag()
    lag.see(seq(5), seq(5), 10.0)
    assert lag.seconds(seq(5), 11.0) == 0.0
    lag.see(seq(7), seq(5), 12.0)
    lag.see(seq(9), seq(5), 13.0)
    assert lag.seconds(seq(5), 15.0) == 3.0
    assert lag.seconds(seq(6), 15.0) == 3.0
    assert lag.seconds(seq(7), 15.0) == 2.0
    assert lag.seconds(seq(9), 15.0) == 0.0


def test_one_who_keeps_a_distance_is_as_late_as_that_and_no_later() -> None:
    lag = Lag()
    for now in range(100):
        lag.see(seq(now), seq(max(0, now - 4)), float(now))
        assert lag.seconds(seq(max(0, now - 4)), float(now)) == min(now - 1, 3) if now else True


def test_the_dead_grow_later_however_much_is_written() -> None:
    lag = Lag()
    for now in range(1, 3 * MARKS):
        lag.see(seq(now), seq(0), float(now))
    assert lag.seconds(seq(0), float(3 * MARKS)) == 3 * MARKS - 1
    assert lag.seconds(seq(3 * MARKS), float(3 * MARKS)) == 0.0


def test_what_is_seen_by_nobody_for_long_is_not_kept_from_being_seen_later() -> None:
    lag = Lag()
    for now in range(1, 3 * MARKS):
        lag.see(seq(now), seq(now), float(now))
    lag.see(seq(10_000), seq(3 * MARKS), 5_000.0)
    assert lag.seconds(seq(3 * MARKS), 5_001.0) == 1.0


def test_another_epoch_is_waited_for_and_the_one_before_no_longer() -> None:
    lag = Lag()
    lag.see(seq(9), seq(5), 10.0)
    lag.see(seq(2, "bbbbbbbb"), seq(5), 20.0)
    assert lag.seconds(seq(5), 25.0) == 15.0
    assert lag.seconds(seq(1, "bbbbbbbb"), 25.0) == 5.0
    assert lag.seconds(seq(2, "bbbbbbbb"), 25.0) == 0.0
