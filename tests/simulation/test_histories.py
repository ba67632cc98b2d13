"""Random histories of users, faults and time: what is promised is kept in each, and each fault meets each state."""

from __future__ import annotations

import faulthandler
import gc
import io
import logging
import os
import random
import subprocess
import sys
from collections import deque
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import median

import pytest
from rich.console import Console

from livecollections.testing.simulation.loop import Loop

from ..scale import commit, scaled
from . import report
from .__main__ import REGRESSIONS, shrunk
from .draw import draw
from .faults import SEVERING
from .history import History, Reader, Step
from .meetings import FAULTS, IMPOSSIBLE, PAIRS, Meetings
from .run import Outcome, run
from .search import Found, fill, search
from .shrink import shrink

HISTORIES = scaled(200, 2_000)
NEW = scaled(0, 500)
"""How many of them each commit draws for itself; the others are always the same, as all are that a commit must pass."""
OLD = HISTORIES - NEW
MORE = scaled(40, 200)
"""Histories that may follow, aimed at what has met too seldom."""
LEAST = scaled(1, 20)
"""How often each fault must have met each protocol state."""
SHRINKING = scaled(20, 60)
"""Seconds for which steps of a history that fails are left out."""


def new(hash_: str) -> range:
    """The seeds that a commit draws for itself."""
    first = random.Random(hash_).randrange(OLD + MORE * len(PAIRS), 1 << 32)
    return range(first, first + NEW)


def failing(outcome: Outcome) -> str:
    """A history that fails, fewer steps that fail alike, and how it is seen again."""
    # What hundreds of tries log would hide what is to be read.
    logging.disable()
    try:
        small = shrunk(Console(file=io.StringIO()), outcome, SHRINKING)
    finally:
        logging.disable(logging.NOTSET)
    return shown(report.outcome(outcome), report.steps(small), report.again(outcome))


def shown(*renderables: object, width: int = 180) -> str:
    """What a person would see."""
    console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    for renderable in renderables:
        console.print(renderable, markup=False)
    console.file.close()
    return console.export_text()


def test_every_history_keeps_what_is_promised_and_each_fault_meets_each_state(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # It takes its time, and hangs nowhere: a history has a limit of its own.
    faulthandler.cancel_dump_traceback_later()
    found = Found()
    drawn = new(commit())
    for found in search([*range(1, OLD + 1), *drawn]):  # noqa: B007  the last one has all
        pass
    assert found.histories == HISTORIES or found.failed
    deque(fill(found, OLD + 1, LEAST, most=MORE), maxlen=0)
    with capsys.disabled():
        print(shown(report.meetings_table(found.meetings), report.figures(found)))
        print(f"seeds 1 to {OLD}, and {NEW} from {drawn.start} on of this commit")
    assert not found.failed, failing(found.failed[0])
    assert median(found.readers) >= 3
    assert median(found.writes) >= 40
    assert median(found.faults) >= 5
    assert found.meetings.missing(LEAST) == []


@pytest.mark.parametrize("path", sorted(REGRESSIONS.glob("*.json")), ids=lambda path: path.stem)
def test_what_failed_once_does_not_fail_again(path: Path) -> None:
    outcome = run(History.read(path))
    assert outcome.failure is None, shown(report.outcome(outcome))


def test_a_seed_has_one_trace_byte_for_byte() -> None:
    def traces(hashes: str, *seeds: int) -> list[bytes]:
        program = (
            "import sys; from tests.simulation.draw import draw; from tests.simulation.run import run;"
            f"told = ['\\n'.join(run(draw(seed), is_told=True).trace) for seed in {seeds}];"
            "sys.stdout.write('\\0'.join(told))"
        )
        environment = {**os.environ, "PYTHONHASHSEED": hashes}
        root = Path(__file__).parent.parent.parent
        command = [sys.executable, "-c", program]
        told = subprocess.run(command, cwd=root, env=environment, check=True, stdout=subprocess.PIPE).stdout
        return told.split(b"\0")

    first = traces("1", 11, 12, 13)
    assert len(first) == 3
    assert min(len(trace.splitlines()) for trace in first) > 500
    # Whatever the process has played before.
    assert first == [*reversed(traces("2", 13, 12, 11))]


def test_a_commit_draws_its_own_seeds() -> None:
    assert new("one").start == new("one").start != new("another").start
    assert len(new("one")) == NEW
    assert not {*new("one")} & {*range(OLD + 1)}


def test_a_history_is_the_same_after_a_file() -> None:
    for seed in range(20):
        history = draw(seed)
        assert draw(seed) == history
        assert History.load(history.dump()) == history


def test_every_pair_is_aimed_at_or_named_as_impossible() -> None:
    aimed = {(step.what, step.state) for seed in range(len(PAIRS)) for step in draw(seed).steps}
    # Who has not come yet is met without waiting for him.
    assert {pair for pair in PAIRS if pair[1] != "new"} <= aimed
    assert not aimed & IMPOSSIBLE.keys()
    assert {fault for fault, _ in PAIRS} == FAULTS.keys()
    assert len(Meetings().missing(1)) == len(PAIRS)


@pytest.mark.parametrize("fault", sorted(SEVERING))
def test_what_has_no_connection_is_not_met_by_a_fault_of_connections(fault: str) -> None:
    readers = (Reader("collection", "websocket", at=4.0),)
    for at, meets in ((2.0, False), (6.0, True)):
        outcome = run(History(1, readers, (Step(at, fault, 0),)))
        assert outcome.failure is None
        assert any(met == fault for met, _ in outcome.meetings) is meets


def test_who_is_away_writes_nothing_that_would_count() -> None:
    act = {"kind": "create", "title": "a"}
    steps = (Step(2.0, "create", 0, act), Step(8.0, "create", 0, {**act, "title": "b"}))
    outcome = run(History(1, (Reader("collection", "websocket", at=5.0),), steps))
    assert (outcome.failure, outcome.writes) == (None, 1)


@pytest.mark.parametrize(
    ("fault", "detail"),
    [
        ("restore", {"back": 10.0, "seconds": 0.1}),
        ("duplicate", {"kind": "create", "title": "b"}),
        ("lost answer", {"kind": "create", "title": "b", "severs": False}),
        ("partition", {"seconds": 0.5}),
        ("sleep", {"seconds": 0.5}),
    ],
)
def test_what_does_not_happen_is_not_counted(fault: str, detail: dict[str, object]) -> None:
    # There is no copy so old, nobody who writes, and nothing that runs.
    for at, meets in ((3.0, False), (16.0, True)):
        readers = (Reader("collection", "websocket", at=12.0),)
        outcome = run(History(1, readers, (Step(at, fault, 0, detail),)))
        assert outcome.failure is None
        assert any(met == fault for met, _ in outcome.meetings) is meets
        assert outcome.faults == meets


def test_a_log_that_was_trimmed_is_trimmed_again_of_something_new() -> None:
    steps = (
        Step(2.0, "insert", None, {"title": "a", "count": 3}),
        Step(4.0, "trim", 0),
        Step(5.0, "trim", 0),
    )
    outcome = run(History(1, (Reader("collection", "websocket"),), steps), is_told=True)
    assert outcome.failure is None
    trimmed = [line.rpartition(" ")[2] for line in outcome.trace if "trims the log to" in line]
    assert len({*trimmed}) == 2
    assert (outcome.faults, outcome.writes) == (2, 2)


@pytest.mark.parametrize("later", [0.2, 30.0])
def test_a_message_that_others_follow_is_not_the_last(later: float) -> None:
    readers = (Reader("collection", "websocket"),)
    lost = Step(4.0, "lost last", 0, {"severs": True, "title": "a"})
    outcome = run(History(1, readers, (lost, Step(4.0 + later, "insert", None, {"title": "b", "count": 1}))))
    assert outcome.failure is None
    assert {fault for fault, _ in outcome.meetings} == {"lost last" if later > 20 else "drop"}


def test_readers_of_each_kind_on_each_transport_acknowledge_or_do_not() -> None:
    readers = [reader for seed in range(40) for reader in draw(seed).readers]
    kinds = {(reader.kind, reader.transport, reader.ack) for reader in readers}
    assert kinds == {*product(("collection", "plain"), ("websocket", "long-polling"), (True, False))}


def test_shrinking_leaves_what_is_needed() -> None:
    history = draw(5)
    needed = [history.steps[3], history.steps[-4]]
    small = shrink(history, lambda one: all(step in one.steps for step in needed))
    assert list(small.steps) == needed
    assert small.readers == history.readers


def test_the_table_can_be_read_in_80_columns() -> None:
    meetings = Meetings()
    meetings.counts.update({pair: 9_999 + place for place, pair in enumerate(PAIRS)})
    lines = shown(report.meetings_table(meetings), width=80).splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)
    assert [line.split()[:3] for line in lines if line.split()[0] == "partition"] == [
        ["partition", "10k", "10k"]
    ]
    assert lines[-1].endswith("12 reset")


def test_a_trace_is_shown_of_a_failure_and_of_a_success_where_it_is_asked_for() -> None:
    success = run(draw(3), is_told=True)
    assert success.failure is None
    last = success.trace[-1].split()[0]
    assert last not in shown(report.outcome(success))
    assert len(shown(report.outcome(success, 0)).splitlines()) > len(success.trace)
    failure = replace(success, failure="G1: it is lost")
    assert len(shown(report.outcome(failure)).splitlines()) > report.TAIL
    assert "-m tests.simulation --seed 3" in shown(report.again(failure))


def test_shrinking_tells_how_far_it_is() -> None:
    history = replace(draw(3), steps=draw(3).steps[:2])
    failure = replace(run(history), failure="G1: it is lost")
    screen = io.StringIO()
    assert shrunk(Console(width=100, file=screen, force_terminal=True, highlight=False), failure) == history
    assert "shrinking: 2 of 2 steps are left, 2 of at most 300 tries" in screen.getvalue()


def test_a_history_leaves_nothing_behind() -> None:
    run(draw(1))
    gc.collect()
    assert [one for one in gc.get_objects() if type(one) is Loop] == []
