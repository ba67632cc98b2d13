"""Measures fan-out, rooms, polls, memory and writes beside peers and the article's stack, in one run.

    python -m bench [a b c d e f g h i] [--rounds 9] [--quick] [--output bench/results]

Prints tables, and writes ``<date>.md`` with charts beside it.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from . import charts, report
from .bench import FULL, QUICK, TINY, Bench, Sizes
from .instructions import compare
from .machine import facts, load, raise_limits
from .outcome import Outcome
from .scenarios import fanout, growth, memory, original, polling, rooms, write

SCENARIOS = {
    ("a", "b"): fanout.run,
    ("c",): rooms.run,
    ("d",): polling.run,
    ("e",): memory.run,
    ("f",): write.run,
    ("g",): growth.run,
    ("h",): original.run,
    ("i",): compare,
}
LETTERS = [letter for letters in SCENARIOS for letter in letters]
RESULTS = Path(__file__).parent / "results"


def measure(bench: Bench, wanted: Iterable[str], failed: list[str]) -> Iterator[list[Outcome]]:
    """What the wanted scenarios find, one after the other in their own order.

    Args:
        failed: gets the letters of those that broke off: whatever happens to one, the others are measured.
    """
    with bench.showing():
        for letters, run in SCENARIOS.items():
            asked = [letter for letter in letters if letter in wanted]
            if not asked:
                continue
            try:
                yield run(bench, asked)
            except Exception:
                traceback.print_exc()
                failed += asked


def main(
    scenarios: Annotated[list[str] | None, typer.Argument(help=f"Of {' '.join(LETTERS)}; none: all.")] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Of each measurement.")] = None,
    quick: Annotated[bool, typer.Option(help="Fewer rounds, fewer sizes: under 3 minutes.")] = False,
    tiny: Annotated[bool, typer.Option(help="Only whether it runs; the figures mean nothing.")] = False,
    output: Annotated[Path | None, typer.Option(help="A folder for the file and its charts.")] = None,
) -> None:
    """Measure, print, write."""
    wanted = scenarios or LETTERS
    unknown = sorted({*wanted} - {*LETTERS})
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: there are {', '.join(LETTERS)}")
    raise_limits()
    sizes = TINY if tiny else QUICK if quick else FULL
    sizes = replace(sizes, rounds=rounds or sizes.rounds)
    console = Console()
    before = load()
    began, outcomes, failed = time.monotonic(), list[Outcome](), list[str]()
    path = None
    for found in measure(Bench(sizes, console), wanted, failed):
        outcomes += found
        for outcome in found:
            report.show(console, outcome)
        if output is not None:
            # After each: what was found stays, whatever comes.
            path = _write(output, outcomes, sizes, before)
    report.show_ratios(console, outcomes)
    console.print(f"{(time.monotonic() - began) / 60:.1f} minutes" + (f", written: {path}" if path else ""))
    if failed:
        console.print(f"broke off: {', '.join(failed)}", style="red")
        raise typer.Exit(1)


def _write(folder: Path, outcomes: Sequence[Outcome], sizes: Sizes, before: float) -> Path:
    now = datetime.now(UTC)
    path = folder / f"{now:%Y-%m-%d}.md"
    drawn = {outcome.letter: charts.draw(outcome, folder, path.stem) for outcome in outcomes}
    size = " --quick" if sizes.seconds == QUICK.seconds else ""
    how = (
        f"`python -m bench {' '.join(outcome.letter for outcome in outcomes)}{size}`, {now:%H:%M} UTC: medians of "
        f"{sizes.rounds} rounds in alternation, of {sizes.seconds:g} s each unless said otherwise. Servers have all "
        f"cores but the last, which is the load generator's. The load of the machine was {before:.1f} before it began."
    )
    report.write(path, facts(), outcomes, drawn, how)
    return path


if __name__ == "__main__":
    typer.run(main)
