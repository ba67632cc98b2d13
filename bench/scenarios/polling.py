"""Long-polling (d): each client has one poll open, and each message answers all of them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial

from ..bench import Bench
from ..contenders import BAYEUX, FAYE, OURS
from ..outcome import Outcome, ratio
from .fanout import connected, figures, measure

NEEDED = 2.0


def run(bench: Bench, letters: Iterable[str]) -> list[Outcome]:
    """The next message is published once each client has the one before: one poll, one answer, one message."""
    sizes = bench.sizes
    case = f"{sizes.clients:,}"
    with ExitStack() as stack:
        clients = connected(bench, stack, BAYEUX, sizes.clients, polls=True)
        measures = {
            name: partial(measure, each, 1, 1, sizes.warm, 2 * sizes.seconds)
            for name, each in clients.items()
        }
        found = bench.alternate(f"d {case}", measures)
    plain = Outcome(
        "d",
        "Long-polling, one message a poll",
        [figures(name, case, rounds) for name, rounds in found.items()],
    )
    ours, faye = plain.median(OURS.name, case), plain.median(FAYE.name, case)
    return [
        Outcome(
            "d", plain.title, plain.figures, ratio(f"{case} clients, {OURS.name} ÷ faye", ours, faye, NEEDED)
        )
    ]
