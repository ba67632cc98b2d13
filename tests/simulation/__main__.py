"""Run histories by hand: one, to read it; many, to search; a file, to see it fail again.

The exit status is 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import sys
import time
from contextlib import suppress
from itertools import count
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from . import report
from .draw import draw
from .history import History
from .run import Outcome, run
from .search import Found, search
from .shrink import TRIES, shrink

REGRESSIONS = Path(__file__).parent / "regressions"


def parser() -> argparse.ArgumentParser:
    """The options."""
    found = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    found.add_argument("--seed", type=int, help="the history of this seed, or the first of several")
    found.add_argument("--replay", type=Path, metavar="FILE", help="the history in a file")
    found.add_argument("--histories", type=int, metavar="N", help="search this many, from the seed on")
    found.add_argument("--seconds", type=float, metavar="S", help="search for so long")
    found.add_argument("--workers", type=int, default=os.cpu_count() or 2, metavar="N", help="processes")
    found.add_argument("--all", action="store_true", help="do not stop at the first failure")
    found.add_argument("--quick", action="store_true", help="do not shrink what fails")
    found.add_argument(
        "--lines",
        type=int,
        metavar="N",
        help=f"lines of trace to show, from the end; 0: all (of a failure {report.TAIL}, of a success none)",
    )
    return found


def main(arguments: list[str]) -> int:
    """Do what is asked; the answer is the exit status."""
    options = parser().parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True)
    lines = options.lines
    if options.histories is None and options.seconds is None:
        history = History.read(options.replay) if options.replay else draw(options.seed or 0)
        console.print(report.steps(history))
        found = run(history, is_told=True)
        console.print(report.outcome(found, lines))
        if found.failure and not options.quick and not options.replay:
            show_shrunk(console, found, lines)
        return 1 if found.failure else 0
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    total = look(console, seed, options)
    console.print(report.meetings_table(total.meetings))
    console.print(report.figures(total))
    for failed in total.failed[:1]:
        console.print(report.outcome(failed, lines))
        if not options.quick:
            show_shrunk(console, failed, lines)
    if total.failed:
        seeds = ", ".join(f"{one.history.seed} ({one.failure})"[:200] for one in total.failed)
        console.print(f"failed: {seeds}", markup=False)
    return 1 if total.failed else 0


def look(console: Console, seed: int, options: argparse.Namespace) -> Found:
    """Search, with a progress bar."""
    console.print(f"from seed {seed}")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[rate]:.1f} histories/s, {task.fields[failed]} failed"),
    )
    total = Found()
    # What is interrupted has found what it has found so far.
    with (
        suppress(KeyboardInterrupt),
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
    ):
        task = progress.add_task("histories", total=options.histories, rate=0.0, failed=0)
        seeds = count(seed) if options.histories is None else range(seed, seed + options.histories)
        for total in search(seeds, seconds=options.seconds, workers=options.workers, stop=not options.all):
            rate = total.histories / max(total.seconds, 1e-9)
            progress.update(task, completed=total.histories, rate=rate, failed=len(total.failed))
            if total.failed and options.all and not console.is_terminal:
                print(
                    total.failed[-1].history.seed,
                    str(total.failed[-1].failure)[:300],
                    file=sys.stderr,
                    flush=True,
                )
    return total


def show_shrunk(console: Console, failed: Outcome, lines: int | None) -> None:
    """Find fewer steps that fail alike, and keep them where the tests replay them."""
    small = shrunk(console, failed)
    again = run(small)
    console.print(report.outcome(again, lines))
    console.print(report.steps(small))
    path = REGRESSIONS / f"{again.promise.lower().replace(' ', '-')}-{failed.history.seed}.json"
    path.write_text(small.dump(), "utf-8")
    console.print(f"{len(small.steps)} of {len(failed.history.steps)} steps are left: {path}")


def shrunk(console: Console, failed: Outcome, seconds: float = math.inf) -> History:
    """Fewer steps that fail alike, as few as are found in so many seconds; how far that is stands in a line."""
    tries, left, end = 0, len(failed.history.steps), time.monotonic() + seconds

    def told() -> str:
        return f"shrinking: {left} of {len(failed.history.steps)} steps are left, {tries} of at most {TRIES} tries"

    # It is drawn between two histories, not by a thread: while one runs, there is another clock.
    with Live(told(), console=console, auto_refresh=False) as status:

        def fails(history: History) -> bool:
            nonlocal tries, left
            if time.monotonic() > end:
                return False
            is_alike = failed.fails_alike(run(history))
            tries, left = tries + 1, len(history.steps) if is_alike else left
            status.update(told(), refresh=True)
            return is_alike

        return shrink(failed.history, fails)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
