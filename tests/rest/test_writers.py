"""Writers who remember what they saw: what each is answered, and that nothing is lost or done in part."""

from __future__ import annotations

from collections.abc import Callable

from tests.databases.database import Database
from tests.databases.fixtures import stories
from tests.scale import scaled

from .writers import tell


@stories(1, 1, sqlite=scaled(6, 120), postgres=scaled(1, 12), mongo=scaled(1, 12))
async def test_whatever_is_written_is_based_on_what_was_seen(
    seeds: range, databases: Callable[[], Database]
) -> None:
    for seed in seeds:
        story = await tell(seed, databases())
        assert story.done["written"], story.done
