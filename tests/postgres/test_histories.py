"""Histories of two servers and another program on one PostgreSQL: what each is told is what was written."""

from __future__ import annotations

import pytest

from ..scale import scaled
from .histories import tell
from .server import PostgresServer


@pytest.mark.parametrize("seed", range(scaled(2, 30)))
async def test_what_is_written_at_once_is_told_as_it_was(postgres: PostgresServer, seed: int) -> None:
    await tell(seed, postgres.schema())
