"""Memory (e): what one more idle WebSocket session costs, all told, in the server's process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from ..bench import Bench
from ..contenders import FAYE, MEMORY, OURS, Contender
from ..outcome import Figures, Outcome, ratio
from ..running import Clients, Served

SETTLE = 0.5
"""Seconds after the last subscription until memory is read."""
NEEDED = 1.2
MAIN = 10_000
"""Sessions at which the ratio is needed."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Bytes a session: as the system tells it, and after the server was made to collect its garbage."""

    resident: float
    collected: float


def measure(contender: Contender, number: int) -> Cost:
    """What sessions cost a server that is new."""
    with Served(contender) as server:
        server.wait_listening()
        time.sleep(SETTLE)
        before = server.resident
        with Clients(server, number):
            time.sleep(SETTLE)
            resident = server.resident
            server.collect()
            return Cost((resident - before) / number, (server.resident - before) / number)


def run(bench: Bench, letters: Iterable[str]) -> list[Outcome]:
    """At each number of sessions, each server anew in each round."""
    lines = []
    for number in bench.sizes.idle:
        measures = {each.name: partial(measure, each, number) for each in MEMORY}
        for name, costs in bench.alternate(f"e {number:,}", measures).items():
            collected = statistics.median(cost.collected for cost in costs)
            notes = {"collected": f"{collected:,.0f}"}
            lines.append(
                Figures(name, f"{number:,}", [cost.resident for cost in costs], "bytes a session", notes)
            )
    plain = Outcome("e", "Memory of an idle WebSocket session", lines)
    case = f"{MAIN:,}"
    needed = ratio(
        f"{case} sessions, faye ÷ {OURS.name}",
        plain.median(FAYE.name, case),
        plain.median(OURS.name, case),
        NEEDED,
    )
    return [
        Outcome(
            "e",
            plain.title,
            lines,
            needed,
            remarks=[
                "Resident memory, less that of the same server without sessions; collected: after it was made to "
                "collect its garbage, which a server that serves is not."
            ],
        )
    ]
