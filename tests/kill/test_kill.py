"""Servers and writers are killed with signal 9 at any moment: what was acknowledged is told, nothing else ever."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..scale import scaled
from .nursery import Nursery
from .receivers import Hesitant, Plain, Socket
from .world import SOUND, Report, World

WORLDS = scaled(2, 8)
"""Databases, each with its own server, writers and receivers."""
AT_ONCE = 4
SERVERS, SHELLS = scaled(4, 9), scaled(6, 17)
"""Killed of each, in each world."""
PATIENCE_WITH_FAULTS = 3.0
TRIES = 12
"""Worlds in which a planted fault is found, each with five kills of its server."""


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as found:
        yield found


async def test_nothing_is_lost_or_made_up(nursery: Nursery, tmp_path: Path) -> None:
    slots = asyncio.Semaphore(AT_ONCE)

    async def live(seed: int) -> Report:
        path = tmp_path / str(seed)
        path.mkdir()
        async with slots:
            return await World(nursery, path, seed, SERVERS, SHELLS).run()

    reports = await asyncio.gather(*(live(seed) for seed in range(WORLDS)))
    for seed, report in enumerate(reports):
        print(f"world {seed}: {report}")
    assert [report.violations for report in reports] == [[]] * WORLDS
    total = {name: sum(getattr(report, name) for report in reports) for name in COUNTED}
    print(total)
    assert total["kills"] >= scaled(20, 200)
    assert total["server_kills"] >= scaled(8, 60)
    # It was no quiet time at all.
    assert total["open_kills"] > 0
    assert total["unanswered"] > 0
    assert total["acknowledged"] > total["server_kills"]
    assert total["committed"] > total["shell_kills"]


COUNTED = (
    "kills",
    "server_kills",
    "shell_kills",
    "open_kills",
    "entries",
    "acknowledged",
    "committed",
    "unanswered",
)

FAULTS: dict[str, tuple[tuple[type[Plain], ...], float, str]] = {
    "acknowledge before commit": (SOUND, 0.4, "was acknowledged, and is in the log 0 times"),
    "log in another transaction": (SOUND, 0.0, "the log does not tell the table"),
    "": ((Hesitant, Socket), 0.0, "plain long-polling, b heard"),
}
"""By their names in the server: who hears, how long authors rest (kills fall between two writes, or into one), and what
is found."""


async def test_planted_faults_are_found(nursery: Nursery, tmp_path: Path) -> None:
    async def found(name: str, seed: int) -> list[str]:
        path = tmp_path / f"fault {name} {seed}"
        path.mkdir()
        plain, rest, violation = FAULTS[name]
        world = World(nursery, path, seed, 5, 0, name, plain, rest, PATIENCE_WITH_FAULTS)
        return [one for one in (await world.run()).violations if violation in one]

    async def hunt(name: str) -> None:
        # Where a kill falls is chance: one between two transactions that lie close together may take several worlds.
        for seed in range(1, TRIES + 1):
            if violations := await found(name, seed):
                print(f"{name}: in world {seed}: {violations[:2]}")
                return
        pytest.fail(f"{name}: nothing is found in {TRIES} worlds")

    await asyncio.gather(*map(hunt, FAULTS))
