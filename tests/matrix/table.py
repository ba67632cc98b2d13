"""The matrix: which clients run on which transports, what they can't do and why, and how it is printed.

One rule: a cell that is not run stands here with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.console import Console
from rich.table import Table

from .scenarios import SCENARIOS


@dataclass(frozen=True, slots=True)
class Column:
    """A client on a transport.

    place: "node", "chromium" or "python".  kind: its program.  is_foreign: its page is of another origin than the
    server.
    """

    place: str
    kind: str
    transport: str
    is_foreign: bool = False

    def __str__(self) -> str:
        return f"{self.kind} in {self.place}, {self.transport}" + (
            ", cross-origin" if self.is_foreign else ""
        )


@dataclass(frozen=True, slots=True)
class Cell:
    """A client on a transport in a scenario."""

    column: Column
    scenario: str

    def __str__(self) -> str:
        return f"{self.column}: {self.scenario}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a cell ended: seconds, and the fault if there was one."""

    seconds: float
    fault: str = ""


COLUMNS: Sequence[Column] = (
    Column("node", "faye", "websocket"),
    Column("node", "faye", "long-polling"),
    Column("chromium", "faye", "websocket"),
    Column("chromium", "faye", "eventsource"),
    Column("chromium", "faye", "long-polling"),
    Column("chromium", "faye", "cross-origin-long-polling", is_foreign=True),
    Column("chromium", "faye", "callback-polling", is_foreign=True),
    Column("node", "cometd", "websocket"),
    Column("node", "cometd", "long-polling"),
    Column("chromium", "cometd", "websocket"),
    Column("chromium", "cometd", "long-polling"),
    Column("chromium", "cometd", "long-polling", is_foreign=True),
    Column("chromium", "cometd", "callback-polling", is_foreign=True),
    Column("node", "halley", "websocket"),
    Column("node", "halley", "long-polling"),
    Column("node", "live", "websocket"),
    Column("node", "live", "long-polling"),
    Column("python", "python", "websocket"),
    Column("python", "python", "long-polling"),
    Column("python", "local", "in-process"),
)
"""``live`` is livecollections.js over CometD's client; for ``python`` and ``local`` see ``python.py``."""

NOT_APPLICABLE: Mapping[tuple[str, str], str] = {
    **dict.fromkeys(
        [("local", name) for name in ("rehandshake", "restart", "cut", "half-open", "slow")],
        "there is no connection in the server's own process",
    ),
    ("local", "service call"): "in the server's own process a service is a function: call it",
    ("live", "wildcard"): "a collection listens to its own channel",
    ("live", "service call"): "a collection calls no services",
    ("live", "batch"): "a collection sends by REST, a request for each write",
    ("faye in chromium, websocket", "half-open"): (
        "Faye's client closes a WebSocket that it found dead and uses no other until that is answered, and "
        "Chromium waits for the answer as long as TCP does"
    ),
    ("halley", "service call"): (
        "Halley's client knows no remote calls, and drops an answer with the id of a publish that it sent a moment ago"
    ),
}
"""(a column as text, or its kind; the scenario) → why it is not run."""


def reason(cell: Cell) -> str:
    """Why a cell is not run; empty if it is."""
    for key in (str(cell.column), cell.column.kind):
        if (found := NOT_APPLICABLE.get((key, cell.scenario))) is not None:
            return found
    return ""


def cells() -> list[Cell]:
    """All that can be run."""
    every = [Cell(column, scenario) for column in COLUMNS for scenario in SCENARIOS]
    return [cell for cell in every if not reason(cell)]


def tenth() -> list[Cell]:
    """A fixed tenth: one for each client and transport, and the scenarios in turn."""
    chosen = []
    for number, (_, group) in enumerate(groupby(cells(), key=lambda cell: cell.column)):
        of_column = list(group)
        chosen.append(of_column[number % len(of_column)])
    return chosen


def show(outcomes: Mapping[Cell, Outcome]) -> str:
    """The matrix as text: seconds, "n/a" with the reasons below, "-" for what this run left out."""
    table = Table(title=f"{len(outcomes)} of {len(cells())} cells, in seconds")
    table.add_column("client and transport", no_wrap=True)
    for scenario in SCENARIOS:
        table.add_column(scenario, justify="right", no_wrap=True)
    reasons: dict[str, list[str]] = {}
    for column in COLUMNS:
        row = []
        for scenario in SCENARIOS:
            cell = Cell(column, scenario)
            outcome = outcomes.get(cell)
            if why := reason(cell):
                row.append("n/a")
                reasons.setdefault(why, []).append(str(cell))
            elif outcome is None:
                row.append("-")
            else:
                row.append("FAILED" if outcome.fault else f"{outcome.seconds:.1f}")
        table.add_row(str(column), *row)
    console = Console(width=190, color_system=None)
    with console.capture() as captured:
        console.print(table)
        for why, of in reasons.items():
            console.print(f"n/a: {why}: {'; '.join(of)}", markup=False, highlight=False)
    return captured.get()
