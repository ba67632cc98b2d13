"""Misuse: short histories, and how what they tell the oracle is broken.

Two rules. What breaks is put between the product and the oracle. A history is found sound before it is broken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from livecollections.bayeux import Delivery, Reset

from .actor import PATH, Actor
from .faults import Faults
from .history import History, Reader, Step
from .ledger import Violation
from .run import Outcome, run
from .watch import CollectionWatch, PlainWatch

PLAIN = Reader("plain", "websocket")
HOLDER = Reader("collection", "websocket", optimistic=True)
DAYS = 8 * 86400.0


def insert(at: float, title: str) -> Step:
    return Step(at, "insert", None, {"title": title, "count": 3})


def bulk(at: float, title: str) -> Step:
    return Step(at, "bulk", None, {"title": title, "modulo": 1})


def create(at: float, title: str) -> Step:
    return Step(at, "create", 0, {"kind": "create", "title": title})


RESTORED = (
    insert(2, "a"),
    insert(5, "lost"),
    Step(6, "restore", 0, {"seconds": 0.3, "back": 3.0}),
    insert(9, "b"),
)
"""A backup is put back, which has lost some rows; then others come."""


def play(reader: Reader, *steps: Step) -> Outcome:
    return run(History(1, (reader,), steps))


def breaks(play_it: Callable[[], Outcome], patch: Callable[[], None], promise: str, words: str) -> None:
    """Nothing fails until it is broken; then this promise does, in these words."""
    assert play_it().failure is None
    patch()
    found = play_it()
    assert found.promise == promise, found.failure
    assert words in str(found.failure)


def swallow(monkeypatch: pytest.MonkeyPatch, is_swallowed: Callable[[Delivery | Reset], bool]) -> None:
    """A plain subscriber is not told such things."""
    hear = PlainWatch.hear

    def hear_less(watch: PlainWatch, item: Delivery | Reset) -> None:
        if not is_swallowed(item):
            hear(watch, item)

    monkeypatch.setattr(PlainWatch, "hear", hear_less)


Alter = Callable[[CollectionWatch, Any], Any]
"""What a collection's change is told as; None: it is not told."""


def retell(monkeypatch: pytest.MonkeyPatch, alter: Alter) -> None:
    """A collection's changes are told otherwise."""
    hear = CollectionWatch._hear

    def hear_otherwise(watch: CollectionWatch, changes: list[Any]) -> None:
        told = (alter(watch, change) for change in changes)
        hear(watch, [change for change in told if change is not None])

    monkeypatch.setattr(CollectionWatch, "_hear", hear_otherwise)


def misuse_cut(monkeypatch: pytest.MonkeyPatch, act: Callable[[Actor], Any]) -> None:
    """Where a connection is to be cut, something else happens before."""
    cut = Faults._cut

    async def act_and_cut(faults: Faults, actor: Actor, detail: Any) -> None:
        await act(actor)
        await cut(faults, actor, detail)

    monkeypatch.setattr(Faults, "_cut", act_and_cut)


def reset(actor: Actor) -> None:
    """A reader is told a reset, though he has all that there is."""
    if actor.is_collection:
        replica = actor.collection._replica
        actor.collection._follower.began({PATH: replica.position}, {PATH})
    else:
        watch = actor.watches[-1]
        assert isinstance(watch, PlainWatch)
        try:
            watch.hear(Reset(PATH, watch.position, "without a cause"))
        except Violation as error:
            watch.error = error
