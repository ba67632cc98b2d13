"""Memory (e): what one more idle WebSocket session costs, all told, in the server's process."""

from __future__ import annotations

import time
from collections.abc import Iterable
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


def measure(contender: Contender, number: int) -> float:
    """Bytes a session, of a server that is new and has so many."""
    with Served(contender) as server:
        before = server.resident()
        with Clients(server, number):
            time.sleep(SETTLE)
            return (server.resident() - before) / number


def run(bench: Bench, letters: Iterable[str]) -> list[Outcome]:
    """At each number of sessions, each server anew in each round."""
    lines = []
    for number in bench.sizes.idle:
        measures = {each.name: partial(measure, each, number) for each in MEMORY}
        for name, values in bench.alternate(f"e {number:,}", measures).items():
            lines.append(Figures(name, f"{number:,}", values, "bytes a session"))
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
                "Resident memory after garbage was collected, less that of the same server without sessions."
            ],
        )
    ]
