"""Writers who remember what they saw: what each is answered, and that nothing is lost or done in part."""

from __future__ import annotations

import pytest

from tests.scale import scaled

from .writers import tell


@pytest.mark.parametrize("seed", range(1, 1 + scaled(6, 300)))
async def test_whatever_is_written_is_based_on_what_was_seen(seed: int) -> None:
    story = await tell(seed)
    assert story.done["written"], story.done
