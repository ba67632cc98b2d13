"""Which publishes came before."""

from __future__ import annotations

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
    for number in range(Repeats.REMEMBERED):
        one.has(number, message())
    assert not one.has("1", message(size=2))


def test_what_was_refused_is_no_repetition() -> None:
    one = Repeats()
    assert not one.has("1", message())
    one.forget("1")
    one.forget(None)
    assert not one.has("1", message())
