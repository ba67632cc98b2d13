"""Random histories of a store and its feed: each answer, list, push and replay agrees with the table as it was then."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ..scale import scaled
from .log_world import World

PARTS = scaled(1, 2)
HISTORIES = scaled(40, 200)
"""In each part."""
LEAST = {
    "written": 300, "repeated": 30, "refused": 100, "restored": 8, "new epoch": 8, "triggers lost": 5, "trimmed": 10,
    "trimmed under a receiver": 4, "resets": 50,
}  # fmt: skip


@pytest.mark.parametrize("part", range(PARTS))
async def test_whatever_the_log_tells_is_so(part: int, tmp_path: Path) -> None:
    happened: Counter[str] = Counter()
    for seed in range(1_000 * part, 1_000 * part + HISTORIES):
        folder = tmp_path / str(seed)
        folder.mkdir()
        try:
            async with World(folder, seed, happened) as world:
                await world.run()
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
    print(dict(happened))
    assert {name: happened[name] for name, least in LEAST.items() if happened[name] < least} == {}
