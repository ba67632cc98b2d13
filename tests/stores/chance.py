"""Chance: the loop's clock, and what SQLite draws, come from a history's seed and not from the computer.

One rule: each question for the time is answered a little later than the one before, however long the machine took.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

STEPS = (0.0005, 0.002, 0.005, 0.02)
"""Seconds between two questions, on average: a store that polls each 20 ms does so seldom, or at every turn."""


@contextmanager
def drawn(seed: int) -> Iterator[None]:
    """Of the loop that runs, and of the connections that are opened meanwhile."""
    rng, loop, connect = random.Random(seed), asyncio.get_running_loop(), sqlite3.connect
    step, now = rng.choice(STEPS), 0.0

    def time() -> float:
        nonlocal now
        now += 2 * step * rng.random()
        return now

    def connected(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)
        connection.create_function("randomblob", 1, lambda size: rng.randbytes(max(1, size)))
        return connection

    with patch.object(loop, "time", time), patch.object(sqlite3, "connect", connected):
        yield
