"""Which publishes came before."""

from __future__ import annotations

import tracemalloc

from livecollections.bayeux.message import Message
from livecollections.bayeux.repeats import Repeats


def message(size: int = 1) -> Message:
    return Message("/a", "x" * size)


def test_a_repeated_publish_is_known_by_id_and_content() -> None:
    one = Repeats()
    assert not one.has("1", message())
    assert one.has("1", message())
    assert not one.has("1", message(size=2))
    assert not one.has(None, message())
    assert not one.has(None, message())
    for number in range(Repeats.REMEMBERED - 1):
        one.has(number, message())
    assert one.has("1", message())
    for number in range(2 * Repeats.REMEMBERED):
        one.has(str(number), message(size=3))
    assert not one.has("1", message())


def test_what_was_refused_is_no_repetition() -> None:
    one = Repeats()
    assert not one.has("1", message())
    one.forget("1", message(size=2))
    assert one.has("1", message())
    one.forget("1", message())
    one.forget(None, message())
    assert not one.has("1", message())


def test_what_is_remembered_costs_the_same_however_long_ids_are() -> None:
    one = Repeats()
    tracemalloc.start()
    try:
        for number in range(3 * Repeats.REMEMBERED):
            assert not one.has(f"{number:<20000}", message())
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 100 * 2 * Repeats.REMEMBERED
