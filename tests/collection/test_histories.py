"""Random histories of a stub server, its line and a few collections: what must hold holds, whatever the order."""

from __future__ import annotations

from collections import Counter

from ..scale import FULL, scaled
from .mutants import LIBRARY
from .world import SITUATIONS, World

HISTORIES = scaled(600, 10_000)


def test_every_history_converges_and_each_situation_occurs() -> None:
    counts: Counter[str] = Counter()
    for seed in range(HISTORIES):
        world = World(seed, LIBRARY)
        try:
            world.run()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from None
        counts += world.counts
    print("\n".join(f"{counts[name]:8} {name}" for name in SITUATIONS))
    least = 200 if FULL else 10
    assert {name: counts[name] for name in SITUATIONS if counts[name] < least} == {}
