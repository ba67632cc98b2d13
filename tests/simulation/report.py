"""What a person is shown of histories: which faults met which states, what failed, and how it came to that."""

from __future__ import annotations

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


def meetings_table(meetings: Meetings) -> Table:
    """How often each fault met each state; a dash where they can't."""
    table = Table(title="which faults met which states", title_justify="left")
    table.add_column("fault")
    for state in (*LIFE, *COLLECTION):
        table.add_column(state, justify="right")
    for fault in FAULTS:
        cells = [
            "–" if (fault, state) in IMPOSSIBLE else str(meetings.counts[fault, state])
            for state in (*LIFE, *COLLECTION)
        ]
        table.add_row(fault, *cells)
    return table


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


def outcome(found: Outcome, lines: int | None = TAIL) -> RenderableType:
    """One history: what befell it, and the end of its trace."""
    trace = found.trace if lines is None else found.trace[-lines:]
    verdict = found.failure or "all promises were kept"
    head = f"seed {found.history.seed}: {len(found.history.steps)} steps, {len(found.trace)} lines of trace"
    return Group(*(Text(line) for line in (head, *trace, verdict)))


def steps(history: History) -> RenderableType:
    """A history, a line a step."""
    readers = [
        f"client {number}: {reader.kind}, {reader.transport}{', optimistic' if reader.optimistic else ''}"
        for number, reader in enumerate(history.readers)
    ]
    return Group(*(Text(line) for line in (*readers, *(str(step) for step in history.steps))))
