"""The search: many histories, on both cores, until one fails or time is up."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice

from .draw import aims, draw
from .meetings import FAULTS, Meetings
from .run import Outcome, run

CHUNK = 5
"""Histories that a worker runs before it reports."""


@dataclass
class Found:
    """What a search has come to. failed: the outcomes that broke a promise."""

    histories: int = 0
    seconds: float = 0.0
    failed: list[Outcome] = field(default_factory=list)
    meetings: Meetings = field(default_factory=Meetings)
    resets: Counter[str] = field(default_factory=Counter)
    readers: list[int] = field(default_factory=list)
    writes: list[int] = field(default_factory=list)
    faults: list[int] = field(default_factory=list)

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Count what a worker reports."""
        for outcome in outcomes:
            self.histories += 1
            self.meetings.add(outcome.meetings)
            self.resets.update(outcome.resets)
            self.readers.append(len(outcome.history.readers))
            self.writes.append(outcome.writes)
            self.faults.append(outcome.faults)
            if outcome.failure is not None:
                self.failed.append(outcome)


def search(
    seeds: Iterable[int],
    *,
    seconds: float | None = None,
    workers: int = 2,
    stop: bool = True,
) -> Iterator[Found]:
    """Run the histories of these seeds; gives what was found, each time that there is more.

    Args:
        seconds: after which no more are begun.  stop: end at the first that fails.
    """
    yield from _search(Found(), iter(seeds), seconds, workers, stop)


def fill(found: Found, first: int, least: int, *, most: int, workers: int = 2) -> Iterator[Found]:
    """Go on with histories that aim at pairs which have met less often than they must, until all have.

    Args:
        first: the seed after which they are looked for.  most: how many histories at most.
    """
    seeds = iter(range(first, 1 << 62))
    for _ in range(0, most, CHUNK * workers):
        rare = {*found.meetings.rare(least)}
        if not rare or found.failed:
            return
        aimed = islice((seed for seed in seeds if not rare.isdisjoint(aims(seed))), CHUNK * workers)
        yield from _search(found, iter([*aimed]), None, workers, True)


def _search(
    found: Found, seeds: Iterator[int], seconds: float | None, workers: int, stop: bool
) -> Iterator[Found]:
    began, started = found.seconds, time.monotonic()
    context = multiprocessing.get_context("spawn")
    # Whoever interrupts the search wants to see what it has found: workers play to the end what they have begun.
    deaf = (signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(workers, mp_context=context, initializer=signal.signal, initargs=deaf) as pool:
        waiting: set[Future[list[Outcome]]] = set()
        while True:
            found.seconds = began + time.monotonic() - started
            is_over = (stop and found.failed) or (seconds is not None and found.seconds >= seconds)
            while not is_over and len(waiting) < workers + 1 and (chunk := _take(seeds)):
                waiting.add(pool.submit(run_all, chunk))
            if not waiting:
                return
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                found.add(future.result())
            found.seconds = began + time.monotonic() - started
            yield found


def _take(seeds: Iterator[int]) -> list[int]:
    return list(islice(seeds, CHUNK))


def run_all(seeds: Sequence[int]) -> list[Outcome]:
    """Run the histories of these seeds, in this process."""
    return [run(draw(seed)) for seed in seeds]


def is_fault(what: str) -> bool:
    """Whether a step is a fault."""
    return what in FAULTS
