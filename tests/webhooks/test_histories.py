"""Histories of a webhook: whatever its receiver answers and however often we restart, it hears all, in order."""

from __future__ import annotations

import pytest

from tests.scale import scaled

from .histories import tell

LEAST = 3
"""What is written at the end of each, when all is well."""


@pytest.mark.parametrize("seed", range(1, 1 + scaled(4, 100)))
async def test_each_change_is_taken_in_order_or_a_dead_letter(seed: int) -> None:
    story = await tell(seed)
    assert len(story.heard) >= LEAST
