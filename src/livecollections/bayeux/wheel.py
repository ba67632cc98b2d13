"""Deadlines in slots of time: what is due is found without looking at the rest.

It knows no clock and not what it holds; ``now`` is an argument.
"""

from __future__ import annotations

from typing import Generic, TypeVar

Item = TypeVar("Item")


class Wheel(Generic[Item]):
    """Deadlines in slots of time: finds what is due without looking at the rest."""

    def __init__(self, width: float) -> None:
        self.width = width
        self._slots: dict[int, list[Item]] = {}
        self._reached: int | None = None

    def __bool__(self) -> bool:
        return bool(self._slots)

    def slot(self, when: float) -> int:
        """Where to put what is to be found at ``when`` or up to ``width`` later."""
        slot = int(when / self.width) + 1
        return slot if self._reached is None else max(slot, self._reached + 1)

    def add(self, item: Item, slot: int) -> None:
        self._slots.setdefault(slot, []).append(item)

    def due(self, now: float) -> list[tuple[int, Item]]:
        """All whose slot has come, with it; they are no longer in the wheel."""
        reached = int(now / self.width)
        if self._reached is None or reached - self._reached > len(self._slots):
            passed = sorted(slot for slot in self._slots if slot <= reached)
        else:
            passed = list(range(self._reached + 1, reached + 1))
        self._reached = reached
        return [(slot, item) for slot in passed for item in self._slots.pop(slot, ())]
