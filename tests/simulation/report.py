"""What a person is shown of histories: which faults met which states, what failed, and how it came to that."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .history import History
from .meetings import COLLECTION, FAULTS, IMPOSSIBLE, LIFE, Meetings
from .run import Outcome
from .search import Found

TAIL = 200
"""Lines of a trace that are shown of a failure."""


def meetings_table(meetings: Meetings) -> RenderableType:
    """How often each fault met each state, in 80 columns; a dash where they can't."""
    states = (*LIFE, *COLLECTION)
    table = Table(
        "fault", title="which faults met which states", title_justify="left", box=None, padding=(0, 0, 0, 1)
    )
    for number in range(1, len(states) + 1):
        table.add_column(str(number), justify="right", min_width=4)
    for fault in FAULTS:
        cells = (
            "–" if (fault, state) in IMPOSSIBLE else short(meetings.counts[fault, state]) for state in states
        )
        table.add_row(fault, *cells)
    return Group(
        table,
        Text(f"clients: {legend(LIFE, 1)}"),
        Text(f"collections: {legend(COLLECTION, len(LIFE) + 1)}"),
    )


def short(count: int) -> str:
    """A count in four characters."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if count >= size and count >= 10_000:
            return f"{count // size}{unit}"
    return str(count)


def legend(names: Iterable[str], first: int) -> str:
    """Which number is which state."""
    return ", ".join(f"{number} {name}" for number, name in enumerate(names, first))


def figures(found: Found) -> str:
    """What a search has done, in a line."""
    if not found.histories:
        return "no history was run"
    rate = found.histories / max(found.seconds, 1e-9)
    sizes = ", ".join(
        f"{median(values):g} {name}"
        for name, values in (("clients", found.readers), ("writes", found.writes), ("faults", found.faults))
    )
    resets = ", ".join(f"{cause}: {count}" for cause, count in found.resets.most_common()) or "none"
    return (
        f"{found.histories} histories in {found.seconds:.0f} s ({rate:.1f}/s), {len(found.failed)} failed; "
        f"median {sizes}\nresets by cause: {resets}"
    )


def outcome(found: Outcome, lines: int | None = None) -> RenderableType:
    """One history: what befell it, and the end of its trace.

    lines: how many of them; 0: all; None: TAIL of a failure, and none of a success.
    """
    is_silent = lines is None and not found.failure
    trace = [] if is_silent else found.trace[-(TAIL if lines is None else lines) :]
    verdict = found.failure or "all promises were kept"
    head = f"seed {found.history.seed}: {len(found.history.steps)} steps, {len(found.trace)} lines of trace"
    return Group(*(Text(line) for line in (head, *trace, verdict)))


def again(found: Outcome) -> RenderableType:
    """How the history of a seed is seen to fail again, and kept."""
    command = f".venv/bin/python -m tests.simulation --seed {found.history.seed}"
    return Text(
        f"again: {command}\n"
        "It leaves out steps for as long as it fails alike, and keeps what is left in tests/simulation/regressions/\n"
        f"(only to see it: {command} --quick --lines 0)"
    )


def steps(history: History) -> RenderableType:
    """A history, a line a step."""
    readers = [
        f"client {number}: {reader.kind}, {reader.transport}{', optimistic' if reader.optimistic else ''}"
        f"{'' if reader.ack else ', without acknowledging'}"
        for number, reader in enumerate(history.readers)
    ]
    return Group(*(Text(line) for line in (*readers, *(str(step) for step in history.steps))))
