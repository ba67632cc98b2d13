"""The hunters: what plays generated histories and says which of them went wrong.

Two rules. All have one door: ``python -m tests.mutants.door HUNTER --seed S --histories N``, which plays N histories
from a seed and stops at the first that goes wrong; those in JavaScript have a script that says the same. Only what an
oracle says counts: a safeguard that is missing must be seen by what users would see, not by a crash.

The histories themselves are those of the suites.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..postgres.server import program

Play = Callable[[int], Awaitable[None] | None]
"""Plays the history of a seed; raises AssertionError, or TimeoutError where it never came to its end."""


@dataclass(frozen=True)
class Hunter:
    """title: what it plays, for the table.  pace: about how many histories it plays in a second.

    play: plays one.  script: plays them, if nothing in Python does.  is_chain: whether all are of
    one seed, each at a place of its own.  patience: seconds for one history.  seconds: after which a run of it is given
    up.  is_here: whether the machine has what it needs.
    """

    title: str
    pace: float
    play: Play | None = None
    script: Sequence[str] = ()
    is_chain: bool = False
    patience: float = 30.0
    seconds: float = 120.0
    is_here: Callable[[], bool] = lambda: True


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


def gaps(seed: int) -> None:
    """The rule by which PostgreSQL's log is read on, against all that transactions may do."""
    from ..stores.gap_world import World, play

    play(World(), seed)


async def postgres(seed: int) -> None:
    """Two servers on one PostgreSQL and another program, all at once, on a table with triggers."""
    from ..postgres.histories import tell

    await tell(seed)


async def streams(seed: int) -> None:
    """The real Bayeux server on a resource: sockets cut and stalled, polls aborted and lost."""
    from ..bayeux.test_interleavings import run

    await run(seed, Counter())


async def kept(seed: int) -> None:
    """The real Bayeux server on plain channels with histories, exact names and patterns."""
    from ..bayeux.test_kept_interleavings import run

    await run(seed, Counter(), 3)


@contextmanager
def _file() -> Iterator[Any]:
    """An empty database of SQLite's."""
    from ..databases.tables import SQLite

    with tempfile.TemporaryDirectory() as folder, closing(SQLite(Path(folder) / "drawn.db")) as database:
        yield database


async def views(seed: int) -> None:
    """Users who may see and write different things, and whose rights change."""
    from ..policy.test_g4 import tell

    with _file() as database:
        await tell(seed, database)


async def blind(seed: int) -> None:
    """One who may change a document and not read it, whatever is stored."""
    from ..policy.blind import tell

    with _file() as database:
        await tell(seed, database)


async def writers(seed: int) -> None:
    """Writers by REST, of which each remembers what he saw, and strangers."""
    from ..rest.writers import tell

    with _file() as database:
        await tell(seed, database)


async def letters(seed: int) -> None:
    """A webhook, whose receiver refuses, and whose process is started again."""
    from ..webhooks.histories import tell

    await tell(seed)


async def talk(seed: int) -> None:
    """The real Bayeux server on a plain channel: lost answers, repeated messages, and strangers."""
    from ..bayeux.test_talk import run

    await run(seed, Counter())


async def rush(seed: int) -> None:
    """A crowd that comes to the real Bayeux server in one moment."""
    from ..bayeux.test_pacing import rush

    await rush(seed)


async def kill(seed: int) -> None:
    """A server's process, killed five times while others write and hear."""
    from ..kill.nursery import Nursery
    from ..kill.world import World

    with tempfile.TemporaryDirectory(prefix="live-kill-") as folder, Nursery() as nursery:
        report = await World(nursery, Path(folder), seed, servers=5, shells=0, rest=0.1, patience=10).run()
    assert not report.violations, report.violations[0]


async def crowds(seed: int) -> None:
    """Readers that stop, beside some that read: their memory is bounded, and they end with the right collection."""
    from .. import serving
    from ..crowds import test_stopped_readers as suite
    from ..crowds.scene import scene

    # Straight to the sockets nothing waits in a transport, whatever its bound.
    options = {**suite.OPTIONS, "uvicorn": {"ws": serving.ASGI}}
    with tempfile.TemporaryDirectory(prefix="live-crowd-") as folder:
        async with scene(Path(folder), suite.TEXT, **options) as (server, load, writer):
            await load.ask("join", count=10)
            known = await suite.stop_whole(server, load, writer)
            suite.bounded(await server.ask("measure"))
            await suite.read_again(load, writer, known)


HUNTERS = {
    "capture": Hunter("hostile SQL on SQLite, its log replayed", 8, capture),
    "log": Hunter(
        "SQLite's log and its feed, amid other programs' commits, trims and restored backups",
        4,
        log,
        seconds=240,
    ),
    "gaps": Hunter(
        "the rule by which PostgreSQL's log is read on, in drawn histories of transactions", 2_000, gaps
    ),
    "postgres": Hunter(
        "two servers on one PostgreSQL and another program, all at once",
        0.8,
        postgres,
        is_here=lambda: program("postgres") is not None,
    ),
    "streams": Hunter("sockets and polls on a resource, interleaved by hand", 80, streams),
    "kept": Hunter("sockets and polls on channels with histories, interleaved by hand", 60, kept),
    "talk": Hunter("publishes and polls that are repeated, and strangers, on a plain channel", 50, talk),
    "views": Hunter("users who may see and do different things, and whose rights change", 1.5, views),
    "blind": Hunter("one who may change a document and not read it", 6, blind),
    "writers": Hunter("writers by REST who remember what they saw, beside strangers", 8, writers),
    "letters": Hunter("a webhook whose receiver refuses messages, and restarts", 1.5, letters, patience=60),
    "rush": Hunter("clients that come to a Bayeux server in one moment", 10, rush),
    "collection": Hunter("Python collections on a stub server", 60, collection),
    "rules": Hunter(
        "JavaScript collections with Faye's client on a stub server",
        60,
        script=("tests/js/rules/storm.js", "--shrink", "0"),
        is_chain=True,
    ),
    "simulation": Hunter(
        "the whole product over a simulated network and clock, in Python", 1.5, simulation, seconds=300
    ),
    "storm": Hunter(
        "JavaScript collections with Faye's client, a server's process and fault proxies between them",
        0.5,
        script=("tests/js/storm/run.js", "--quiet"),
        seconds=300,
    ),
    "kill": Hunter(
        "a server's process that is killed while others write and hear", 0.1, kill, patience=60, seconds=240
    ),
    "crowds": Hunter(
        "a server's process with fifty clients that stop reading", 0.1, crowds, patience=100, seconds=240
    ),
}
