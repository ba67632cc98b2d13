"""The hunters: what plays generated histories and says which of them went wrong.

Two rules. All have one door: ``python -m tests.mutants.door HUNTER --seed S --histories N``, which plays N histories
from a seed and stops at the first that goes wrong. Only what an oracle says counts: a safeguard that is missing
must be seen by what users would see, not by a crash.

The histories themselves are those of the suites.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

Play = Callable[[int], Awaitable[None] | None]
"""Plays the history of a seed; raises AssertionError, or TimeoutError where it never came to its end."""


@dataclass(frozen=True)
class Hunter:
    """title: what it plays, for the table.  play: one history; None: ``tests/js/rules/storm.js`` plays them.

    pace: about how many of them it plays in a second.  seconds: after which a run of it is given up.
    """

    title: str
    play: Play | None
    pace: float
    seconds: float = 120.0


def capture(seed: int) -> None:
    """Hostile SQL: the log replayed is the table, and applications see no difference."""
    from ..stores import test_capture as suite

    ended = suite.ended(seed)
    assert ended.log == ended.table, "the log, replayed, is not the table"
    ours = (ended.outcomes, ended.whole)
    if ours != suite.seen(ended.history, None):
        assert ours == suite.seen(ended.history, suite.idly), "applications see a difference"


def collection(seed: int) -> None:
    """Python collections on a stub server: lists, pushes and own writes in any order."""
    from ..collection.mutants import LIBRARY
    from ..collection.world import World

    World(seed, LIBRARY).run()


async def log(seed: int) -> None:
    """A real store and feed: writes, lists and replays amid other programs' commits, trims and restored backups."""
    from ..stores.log_world import World

    with tempfile.TemporaryDirectory(prefix="live-log-") as folder:
        async with World(Path(folder), seed, Counter()) as world:
            await world.run()


def simulation(seed: int) -> None:
    """The whole product over a simulated network and clock: users, faults, crashes and restored databases."""
    from ..simulation.draw import draw
    from ..simulation.run import run

    outcome = run(draw(seed))
    if outcome.promise == "error":
        raise RuntimeError(outcome.failure)
    assert outcome.failure is None, f"{outcome.promise}: {outcome.failure}"


async def streams(seed: int) -> None:
    """The real Bayeux server on a resource: sockets cut and stalled, polls aborted and lost."""
    from ..bayeux.test_interleavings import run

    await run(seed, Counter())


async def kept(seed: int) -> None:
    """The real Bayeux server on plain channels with histories, exact names and patterns."""
    from ..bayeux.test_kept_interleavings import run

    await run(seed, Counter(), 3)


HUNTERS = {
    "capture": Hunter("hostile SQL on SQLite, its log replayed", capture, 8),
    "log": Hunter(
        "SQLite's log and its feed, amid other programs' commits, trims and restored backups", log, 4, 240
    ),
    "simulation": Hunter("the whole product over a simulated network and clock", simulation, 1.5, 300),
    "streams": Hunter("sockets and polls on a resource, interleaved by hand", streams, 80),
    "kept": Hunter("sockets and polls on channels with histories, interleaved by hand", kept, 60),
    "collection": Hunter("Python collections on a stub server", collection, 60),
    "javascript": Hunter("JavaScript collections with Faye's client on a stub server", None, 60),
}
