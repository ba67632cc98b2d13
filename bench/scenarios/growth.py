"""Growth (g): how the time of one publish grows with its subscribers, and with channels that it does not concern."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from functools import partial

from ..bench import Bench
from ..contenders import OURS, SENDER
from ..outcome import Chart, Curve, Figures, Outcome
from ..running import Clients, Served
from .fanout import Round, connected, in_flight, measure

RECEIVERS = 100
"""Subscribers of the channel that is published on, while others grow in number."""


def run(bench: Bench, letters: Iterable[str]) -> list[Outcome]:
    """Both."""
    subscribers, of_subscribers = _subscribers(bench)
    channels, of_channels = _channels(bench)
    title = "Growth: the time of one publish"
    return [
        Outcome(
            "g",
            title,
            [*subscribers, *channels],
            charts=[
                Chart(
                    "A publish against its subscribers", "subscribers", "ms", of_subscribers, exponents=True
                ),
                Chart("A publish against other channels", "channels", "ms", of_channels, exponents=True),
            ],
            remarks=[
                f"Against {chart}: {curve.name} grows with the power {curve.exponent:.2f}."
                for chart, curves in (("subscribers", of_subscribers), ("channels", of_channels))
                for curve in curves
            ],
        )
    ]


def _milliseconds(rounds: Sequence[Round]) -> list[float]:
    return [1e3 / each.published for each in rounds]


def _subscribers(bench: Bench) -> tuple[list[Figures], list[Curve]]:
    sizes = bench.sizes
    contenders = (SENDER, OURS)
    measures = {}
    with ExitStack() as stack:
        for number in sizes.growing:
            for name, clients in connected(bench, stack, contenders, number).items():
                behind = in_flight(number)
                measures[name, number] = partial(measure, clients, 1, behind, sizes.warm, sizes.seconds)
        found = bench.alternate("g subscribers", measures)
    lines = [
        Figures(name, f"{number:,} subscribers", _milliseconds(rounds), "ms")
        for (name, number), rounds in found.items()
    ]
    curves = [
        Curve(
            each.name,
            sizes.growing,
            [statistics.median(_milliseconds(found[each.name, number])) for number in sizes.growing],
        )
        for each in contenders
    ]
    return lines, curves


def _channels(bench: Bench) -> tuple[list[Figures], list[Curve]]:
    sizes = bench.sizes
    receivers = min(RECEIVERS, sizes.clients)
    measures = {}
    with ExitStack() as stack:
        servers = [stack.enter_context(Served(OURS)) for _ in sizes.channels]
        for server, each in zip(servers, sizes.channels, strict=True):
            clients = stack.enter_context(Clients(server, receivers, extra=each))
            behind = in_flight(receivers)
            measures[each * receivers] = partial(measure, clients, 1, behind, sizes.warm, sizes.seconds)
        found = bench.alternate("g channels", measures)
    lines = [
        Figures(OURS.name, f"{number:,} other channels", _milliseconds(rounds), "ms")
        for number, rounds in found.items()
    ]
    medians = [statistics.median(_milliseconds(rounds)) for rounds in found.values()]
    return lines, [Curve(OURS.name, list(found), medians)]
