"""Long-polling (d): each client has one poll open.

Twice: the next message is published once each client has the one before, so that each message is a poll of each client;
and with one publish a turn, as in (a), where what is published between two polls travels together. What uvicorn alone
does in the first case is the bound of ours there.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial

from ..bench import Bench
from ..contenders import FAYE, OURS, POLLS
from ..outcome import Figures, Outcome, Ratio
from .fanout import IN_FLIGHT, compared, connected, figures, measure

NEEDED = 2.0
CASES = {"one a poll": 1, "one a turn": IN_FLIGHT}
"""How many messages may be in flight."""


def run(bench: Bench, letters: Iterable[str]) -> list[Outcome]:
    """Both, on the same connections."""
    sizes = bench.sizes
    lines: list[Figures] = []
    with ExitStack() as stack:
        clients = connected(bench, stack, POLLS, sizes.clients, polls=True)
        for case, window in CASES.items():
            measures = {
                name: partial(measure, each, 1, window, sizes.warm, sizes.seconds)
                for name, each in clients.items()
            }
            found = bench.alternate(f"d {case}", measures)
            lines += [figures(name, case, rounds) for name, rounds in found.items()]
    plain = Outcome("d", f"Long-polling, {sizes.clients:,} clients", lines)
    return [Outcome("d", plain.title, lines, _ratios(plain))]


def _ratios(outcome: Outcome) -> list[Ratio]:
    return [
        each
        for case in CASES
        for each in compared(outcome, OURS, FAYE, case, f"{case}, {OURS.name} ÷ faye", NEEDED)
    ]
