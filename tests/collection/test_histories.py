"""Random histories of a stub server, its line and a few collections: what must hold holds, whatever the order."""

from __future__ import annotations

from collections import Counter

import pytest

from ..scale import scaled
from .mutants import LIBRARY
from .world import SITUATIONS, World

PARTS = scaled(1, 10)
HISTORIES = scaled(400, 1_000)
"""In each part; together 10,000 in full."""
LEAST = scaled(10, 20)
"""How often each situation must occur in a part."""


@pytest.mark.parametrize("part", range(PARTS))
def test_every_history_converges_and_each_situation_occurs(part: int) -> None:
    counts: Counter[str] = Counter()
    for seed in range(part * HISTORIES, (part + 1) * HISTORIES):
        world = World(seed, LIBRARY)
        try:
            world.run()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from None
        counts += world.counts
    print("\n".join(f"{counts[name]:8} {name}" for name in SITUATIONS))
    assert {name: counts[name] for name in SITUATIONS if counts[name] < LEAST} == {}
