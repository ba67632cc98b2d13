"""Fan-out: one publish a turn of the loop (a), and bursts of fifty (b), to more and more subscribers."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from ..bench import Bench
from ..contenders import FANOUT, FAYE, OURS, SENDER, WS, Contender
from ..outcome import Chart, Curve, Figures, Outcome, Ratio, ratio
from ..running import Clients, Served

BURST = 50
IN_FLIGHT = 64
"""Messages that each client may be behind, where they come one by one: no bound that a server meets."""
ON_THE_WAY = 64_000
"""Deliveries that may be in flight to all clients together: what is, each round waits for at its end."""
LARGEST_BURST = 100_000
"""Deliveries of one turn of the loop; where a burst makes more, one takes some servers longer than a round."""
SETTLE = 0.3
"""Seconds after the last subscription until the first round."""
MAIN = 1_000
"""Subscribers at which ratios are needed."""
GENERATOR = 1.1
"""Times what the C sender sends that the generator must be able to take: less, and it would be measured itself."""
UNIT = "deliveries/s"


@dataclass(frozen=True, slots=True)
class Round:
    """What one round gave. server, generator: the part of its core that each used.  joined: messages in a frame."""

    rate: float
    server: float
    generator: float
    joined: float
    published: float


def in_flight(number: int) -> int:
    """Messages that each of so many clients may be behind."""
    return max(1, min(IN_FLIGHT, ON_THE_WAY // number))


def measure(clients: Clients, burst: int, window: int, warm: float, seconds: float) -> Round:
    """One round of so many seconds."""
    server = clients.server
    used, begun = server.cpu, time.monotonic()
    found = clients.ask(
        "round", burst, window, round(warm * 1e3), round(seconds * 1e3), seconds=warm + seconds
    )
    return Round(
        found["messages"] / found["seconds"],
        (server.cpu - used) / (time.monotonic() - begun),
        found["busy"],
        found["messages"] / max(found["frames"], 1),
        found["messages"] / found["seconds"] / clients.number,
    )


def connected(
    bench: Bench,
    stack: ExitStack,
    contenders: Iterable[Contender],
    number: int,
    *,
    polls: bool = False,
    rooms: bool = False,
) -> dict[str, Clients]:
    """A server of each, and its clients; ``polls`` and ``rooms`` as of these."""
    found = {}
    servers = [stack.enter_context(Served(contender)) for contender in contenders]
    for server in servers:
        server.wait_listening()
    for server in servers:
        with bench.preparing(f"{server.contender.name}: {number:,} clients"):
            found[server.contender.name] = stack.enter_context(
                Clients(server, number, polls=polls, rooms=rooms)
            )
    time.sleep(SETTLE)
    return found


def figures(of: str, case: str, rounds: Sequence[Round]) -> Figures:
    """The rounds as a line of the table."""
    per_core = [each.rate / each.server for each in rounds if each.server]
    notes = {
        "server": f"{statistics.median(each.server for each in rounds):.0%}",
        "load": f"{statistics.median(each.generator for each in rounds):.0%}",
        "joined": f"{statistics.median(each.joined for each in rounds):.1f}",
    }
    rates = [each.rate for each in rounds]
    busy = statistics.median(each.generator for each in rounds)
    return Figures(of, case, rates, UNIT, notes, statistics.median(per_core) if per_core else None, busy)


def compared(
    outcome: Outcome, of: Contender, with_: Contender, case: str, said: str, needed: float | None
) -> list[Ratio]:
    """The ratio of rates, and that of what each gives per core: where the machine does other things too, only this."""
    rates = ratio(said, outcome.median(of.name, case), outcome.median(with_.name, case), needed)
    cores = ratio(f"{said}, per core", outcome.per_core(of.name, case), outcome.per_core(with_.name, case))
    return [*rates, *cores]


def run(bench: Bench, letters: Iterable[str]) -> list[Outcome]:
    """Both, or the one that is asked for; on the same connections."""
    sizes = bench.sizes
    found: dict[str, list[Figures]] = {letter: [] for letter in letters}
    for number in sizes.subscribers:
        bursts = {"a": (1, in_flight(number)), "b": (BURST, 2 * BURST)}
        asked = [letter for letter in found if bursts[letter][0] * number <= LARGEST_BURST]
        if not asked:
            continue
        with ExitStack() as stack:
            clients = connected(bench, stack, FANOUT, number)
            for letter in asked:
                measures: dict[str, Callable[[], Round]] = {
                    name: partial(measure, each, *bursts[letter], sizes.warm, sizes.seconds)
                    for name, each in clients.items()
                }
                rounds = bench.alternate(f"{letter} {number:,}", measures)
                found[letter] += [figures(name, f"{number:,}", each) for name, each in rounds.items()]
    return [_outcome(letter, lines, sizes.subscribers) for letter, lines in found.items()]


def _outcome(letter: str, lines: Sequence[Figures], numbers: Sequence[int]) -> Outcome:
    title = {"a": "Fan-out, one publish a turn", "b": f"Fan-out, {BURST} publishes a turn"}[letter]
    plain = Outcome(letter, title, lines)
    curves = []
    for contender in FANOUT:
        known = [(number, plain.median(contender.name, f"{number:,}")) for number in numbers]
        points = [(number, median) for number, median in known if median is not None]
        curves.append(Curve(contender.name, [x for x, _ in points], [y for _, y in points]))
    return Outcome(
        letter,
        title,
        lines,
        _ratios(plain, letter),
        [Chart(title, "WebSocket subscribers", UNIT, curves)],
        [
            "Server and load: the part of a core that the server and the load generator used; per core: what a server "
            "gives that has one to itself; joined: messages in a frame. What the generator can take: what came, by the "
            "part of its core that this took."
        ],
    )


def _ratios(outcome: Outcome, letter: str) -> list[Ratio]:
    case = f"{MAIN:,}"
    if letter == "b":
        said = f"{case} subscribers, {OURS.name} ÷ C sender, one send() a message"
        return compared(outcome, OURS, SENDER, case, said, 20)
    ratios = [
        each
        for peer, needed in ((SENDER, 0.75), (FAYE, 3.5), (WS, 1.15))
        for each in compared(
            outcome, OURS, peer, case, f"{case} subscribers, {OURS.name} ÷ {peer.name}", needed
        )
    ]
    busy = outcome.busy(SENDER.name, case)
    said = f"{case} subscribers, what the generator can take ÷ what the {SENDER.name} sends"
    return [*ratios, *ratio(said, 1.0, busy, GENERATOR)]
