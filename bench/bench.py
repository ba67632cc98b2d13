"""One run: how large it is, in which order rounds come, and what a person sees meanwhile.

Rounds alternate: each contender once, then each again, so that what slows the machine for a while slows all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Key = TypeVar("Key")
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large a run is.

    rounds: of each measurement.  seconds: of one, after ``warm`` of them.  subscribers: of the fan-outs.  growing:
    where their number is what is looked at.  idle: of the sessions whose memory is told.  clients: of long-polling
    and rooms.  channels: each client's own, where their number grows.  writes: the cases of writes.  rows: of tables
    and logs that are written to.  rates: batches a second in rooms, rising.  kills: of each server.
    """

    rounds: int
    seconds: float
    warm: float
    subscribers: Sequence[int]
    growing: Sequence[int]
    idle: Sequence[int]
    clients: int
    channels: Sequence[int]
    writes: int
    rows: Sequence[int]
    rates: Sequence[float]
    kills: int


FULL = Sizes(
    9, 0.7, 0.2, (100, 1_000, 10_000), (100, 300, 1_000, 3_000, 10_000), (1_000, 10_000), 1_000,
    (1, 10, 100), 4, (1_000, 10_000, 100_000), (10, 15, 22, 33, 50, 75, 110, 165, 250, 375, 560), 20,
)  # fmt: skip
QUICK = Sizes(
    3,
    0.4,
    0.15,
    (100, 1_000),
    (100, 1_000),
    (1_000,),
    1_000,
    (1, 100),
    1,
    (1_000, 10_000),
    (15, 33, 75, 165, 375),
    5,
)
TINY = Sizes(1, 0.05, 0.01, (10,), (5,), (20,), 10, (1,), 1, (10,), (200, 400), 1)


class Bench:
    """What scenarios measure with."""

    def __init__(self, sizes: Sizes, console: Console) -> None:
        self.sizes = sizes
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Show how far it is."""
        with self._progress:
            yield

    def alternate(
        self, what: str, contenders: Mapping[Key, Callable[[], Found]], rounds: int | None = None
    ) -> dict[Key, list[Found]]:
        """What each found in each round.

        Args:
            what: what a person reads meanwhile.
            contenders: by key, what measures it once.
            rounds: None: as many as the run has.
        """
        number = rounds or self.sizes.rounds
        found: dict[Key, list[Found]] = {key: [] for key in contenders}
        task = self._progress.add_task(what, total=number * len(contenders))
        for _ in range(number):
            for key, measure in contenders.items():
                self._progress.update(task, description=f"{what}: {key}")
                found[key].append(measure())
                self._progress.advance(task)
        self._progress.remove_task(task)
        return found

    @contextmanager
    def preparing(self, what: str) -> Iterator[None]:
        """Say what is under way that is no round."""
        task = self._progress.add_task(what, total=None)
        try:
            yield
        finally:
            self._progress.remove_task(task)
