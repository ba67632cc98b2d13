"""``python -m tests.mutants``: hunts all safeguards, or those that are named, two at a time, and says what was found.

With ``--write`` the table of docs/topics/reliability.md is written; of those that were not hunted it keeps the numbers.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from . import table
from .catalogue import Hunt, Safeguard, hunts, load, read
from .hunt import SIDE_BY_SIDE, Found, hunt
from .hunters import HUNTERS

Task = tuple[Safeguard, Hunt]


def hunted(console: Console, wanted: Sequence[Task]) -> Iterator[tuple[Task, Found]]:
    """Hunt, with a bar on a terminal."""
    columns = (TextColumn("hunting"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
        ThreadPoolExecutor(SIDE_BY_SIDE) as pool,
    ):
        task = progress.add_task("", total=len(wanted))
        running = {pool.submit(hunt, *one): one for one in wanted}
        for done in as_completed(running):
            progress.advance(task)
            yield running[done], done.result()


def describe(safeguard: Safeguard, task: Hunt, found: Found) -> str:
    """One line on what came of it."""
    outcome = found.fault or found.failure or "nobody noticed"
    return f"{task.hunter:11} {found.history:5} of {task.within:5}  {safeguard.name}: {outcome}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="safeguards or hunters; all if none is named")
    parser.add_argument("--by", choices=HUNTERS, help="hunt them with this hunter, whoever must notice")
    parser.add_argument("--first", type=int, default=1, help="the history with which that begins")
    parser.add_argument("--within", type=int, default=100, help="the history with which that ends")
    parser.add_argument("--write", action="store_true", help="write the table of the documentation")
    given = parser.parse_args()
    console = Console(highlight=False, soft_wrap=True)
    wanted = [
        (one, task)
        for one, task in hunts(load())
        if not given.names or {one.name, task.hunter} & {*given.names}
    ]
    if given.by:
        other = Hunt(given.by, given.within, given.first)
        wanted = [(one, other) for one in dict.fromkeys(one for one, _ in wanted)]
    numbers = table.measured(table.PAGE.read_text("utf-8"))
    unseen = 0
    for (safeguard, task), found in hunted(console, wanted):
        unseen += not found.is_seen
        console.print(Text(describe(safeguard, task, found)[:200], style="" if found.is_seen else "red"))
        if found.is_seen:
            numbers[safeguard.name, task.hunter] = found.history
    if given.write:
        page = table.put(table.PAGE.read_text("utf-8"), table.draw(read(), numbers))
        table.PAGE.write_text(page, "utf-8")
    console.print(f"{len(wanted) - unseen} of {len(wanted)} were noticed")
    return 1 if unseen or not wanted else 0


if __name__ == "__main__":
    sys.exit(main())
