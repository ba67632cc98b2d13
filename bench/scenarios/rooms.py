"""CometD's standard load (c): clients in ten of a hundred rooms publish batches of ten messages of fifty bytes.

First it is found which rates each server can take: they rise until it is saturated. Then rounds alternate over these.
A server is saturated where a tenth of what was published has not arrived when the round ends, or one message in a
hundred takes more than a second.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from ..bench import Bench
from ..contenders import BAYEUX, FAYE, OURS
from ..outcome import Chart, Curve, Figures, Outcome, Ratio, ratio
from ..report import number
from ..running import Clients
from .fanout import connected

BATCH = 10
RECEIVERS = 0.1
"""The part of all clients that is in a room."""
NEEDED = 5.0
ROUND = 1.5
"""Times as long as other rounds: their first quarter does not count."""
TIMES = 2
"""In turn that a rate is too much for a server that is saturated: once may have been the machine."""
PERCENTILES = {"p50": "p50", "p99": "p99", "p999": "p99.9"}

Report = Mapping[str, Any]


def is_saturated(report: Report) -> bool:
    """Whether the server could no longer."""
    return bool(report["in_time"] < 0.9 * report["expected"] or report["p99"] > 1_000)


def measure(clients: Clients, batches: float, seconds: float) -> Report:
    """One round at a rate."""
    return clients.ask("chat", batches, BATCH, round(seconds * 1e3), seconds=seconds)


def run(bench: Bench, letters: Iterable[str]) -> list[Outcome]:
    """Ramp up, then measure."""
    sizes = bench.sizes
    seconds = ROUND * sizes.seconds
    with ExitStack() as stack:
        clients = connected(bench, stack, BAYEUX, sizes.clients, rooms=True)
        with bench.preparing("c: ramping up"):
            last = {name: _last(each, sizes.rates, seconds) for name, each in clients.items()}
        measures: dict[tuple[str, float], Callable[[], Report]] = {
            (name, rate): partial(measure, each, rate, seconds)
            for name, each in clients.items()
            # Where one saturates, both are looked at.
            for rate in sizes.rates
            if rate <= max(last[name], last[FAYE.name])
        }
        found = bench.alternate("c", measures)
    return [_outcome(found, last[FAYE.name], sizes.clients)]


def _last(clients: Clients, rates: Sequence[float], seconds: float) -> float:
    """The first rate that the server can't take, twice in turn; the highest if it can take all."""
    for rate in rates:
        if all(is_saturated(measure(clients, rate, seconds)) for _ in range(TIMES)):
            return rate
    return rates[-1]


def _deliveries(batches: float, clients: int) -> float:
    return batches * BATCH * clients * RECEIVERS


def _outcome(found: Mapping[tuple[str, float], Sequence[Report]], last: float, clients: int) -> Outcome:
    lines, curves = [], []
    for (name, rate), reports in found.items():
        case = f"{_deliveries(rate, clients):,.0f}/s"
        busy = statistics.median(report["busy"] for report in reports)
        arrived = statistics.median(report["in_time"] / report["expected"] for report in reports)
        notes = {
            "p50": number(statistics.median(report["p50"] for report in reports)),
            "p99.9": number(statistics.median(report["p999"] for report in reports)),
            "in time": f"{arrived:.0%}",
            "load": f"{busy:.0%}",
        }
        lines.append(Figures(name, case, [report["p99"] for report in reports], "ms", notes))
    for name in dict.fromkeys(name for name, _ in found):
        of_name = {rate: reports for (of, rate), reports in found.items() if of == name}
        for key, percentile in PERCENTILES.items():
            xs = [_deliveries(rate, clients) for rate in of_name]
            ys = [statistics.median(report[key] for report in reports) for reports in of_name.values()]
            curves.append(Curve(f"{name}, {percentile}", xs, ys))
    return Outcome(
        "c",
        f"CometD's standard load, {clients:,} clients: 99th percentile of latency, by deliveries offered",
        lines,
        _ratios(found, last, clients),
        [Chart("CometD's standard load", "deliveries/s offered", "ms", curves)],
        ["Latency counts from when a batch was due. In time: what had arrived when the round ended."],
    )


def _ratios(found: Mapping[tuple[str, float], Sequence[Report]], last: float, clients: int) -> list[Ratio]:
    def p99(name: str) -> float | None:
        reports = found.get((name, last))
        return statistics.median(report["p99"] for report in reports) if reports else None

    what = f"p99 where faye saturates ({_deliveries(last, clients):,.0f}/s), faye ÷ {OURS.name}"
    return ratio(what, p99(FAYE.name), p99(OURS.name), NEEDED)
