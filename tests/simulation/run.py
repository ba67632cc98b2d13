"""Running a history: the world is built from its seed, the steps are played, the oracle judges."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from livecollections.testing.simulation import Simulation

from .history import History
from .ledger import Violation
from .stage import Stage


@dataclass
class Outcome:
    """What has come of a history.

    failure: the promise that was broken and how, or None.  promise: which.  meetings: how often each fault met each
    state.  resets: those that readers were told, by cause.  writes, faults: those that came to something; what was
    planned for who was away is none.  trace: a line a fact, if it is wanted.
    """

    history: History
    failure: str | None
    promise: str
    meetings: Mapping[tuple[str, str], int]
    resets: Mapping[str, int]
    writes: int
    faults: int
    trace: list[str]

    def fails_alike(self, other: Outcome) -> bool:
        """Whether the other breaks the same promise in the same words, but for seqs and names."""
        return other.failure is not None and _gist(self.failure) == _gist(other.failure)


def _gist(failure: str | None) -> str:
    words = (failure or "").split()[:6]
    return " ".join(word for word in words if word.isalpha() or word.endswith(":"))


def run(history: History, *, is_told: bool = False) -> Outcome:
    """Play a history to its end, or to the first broken promise.

    Args:
        is_told: whether its trace is wanted where all went well, too.
    """
    failure, promise = None, ""
    simulation, stage = Simulation(history.seed, tail=0), Stage(history)
    try:
        simulation.run(stage.play)
    except Violation as error:
        failure, promise = str(error), error.promise
    except Exception as error:
        told = "".join(traceback.format_exception(error))
        failure, promise = f"error: {type(error).__name__}: {error}\n{told}", "error"
    lines = simulation.trace.lines() if failure or is_told else []
    resets: Counter[str] = Counter()
    for cause in stage.causes():
        resets[cause] += 1
    met = dict(stage.meetings.counts)
    return Outcome(history, failure, promise, met, resets, stage.writes, stage.befallen, lines)
