"""Each safeguard that is removed is noticed in time, by what users would see; with all of them nothing is.

``make test`` hunts five quick ones, drawn by the commit's hash; ``make test-all`` hunts all.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import count

import pytest

from ..scale import FULL, commit
from .catalogue import Hunt, Safeguard, hunts, load
from .hunt import SIDE_BY_SIDE, Found, control, hunt
from .hunters import HUNTERS

Task = tuple[Safeguard, Hunt]
CATALOGUE = load()
TASKS = [task for task in hunts(CATALOGUE) if HUNTERS[task[1].hunter].is_here()]
DRAWN = 5
QUICK = 15.0
"""Seconds in which those are noticed that a small run may draw."""
TOGETHER = 30.0
"""Seconds in which the five are noticed, one after the other: any five that are drawn fit into the suite's time."""


def drawn(hash_: str) -> list[Task]:
    """Those that this commit tries, of the quick ones, which are quick together."""
    source = random.Random(hash_)
    quick = [(one, hunt) for one, hunt in TASKS if hunt.seconds <= QUICK]
    while True:
        found = source.sample(quick, DRAWN)
        if sum(hunt.seconds for _, hunt in found) <= TOGETHER:
            return found


CHOSEN = TASKS if FULL else drawn(commit())
WHOLE = {"simulation", "storm"}
"""Hunters of which a suite of their own plays the same histories, and more, in full."""
BY_NAME = {one.name: one for one in CATALOGUE}


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        yield pool


@pytest.fixture(scope="module")
def found(pool: ThreadPoolExecutor) -> Mapping[Task, Future[Found]]:
    """All that were chosen, under way: what takes longest first."""
    slowest = sorted(CHOSEN, key=lambda task: task[1].seconds, reverse=True)
    return {task: pool.submit(hunt, *task) for task in slowest}


@pytest.mark.parametrize("task", CHOSEN, ids=lambda task: f"{task[0].name}: {task[1].hunter}")
def test_a_safeguard_that_is_removed_is_noticed(task: Task, found: Mapping[Task, Future[Found]]) -> None:
    said = found[task].result()
    safeguard, hunted = task
    assert said.fault is None, said.fault
    assert said.failure, f"histories {hunted.first} to {said.history} of {hunted.hunter} notice nothing"
    print(f"{safeguard.name}: in history {said.history} of {hunted.within}: {said.failure}")


@pytest.mark.parametrize("hunter", sorted({hunt.hunter for _, hunt in CHOSEN} - (WHOLE if FULL else set())))
def test_the_same_histories_find_nothing_while_all_are_there(
    hunter: str, found: Mapping[Task, Future[Found]], pool: ThreadPoolExecutor
) -> None:
    """Those in which something that was removed was found, and those before them in its hunt."""
    played = {
        number
        for (_, hunted), future in found.items()
        if hunted.hunter == hunter
        for number in range(hunted.first, future.result().history + 1)
    }
    for first, last in spans(played):
        said = pool.submit(control, Hunt(hunter, last, first)).result()
        assert said.fault is None, said.fault
        assert said.failure is None, f"history {said.history}: {said.failure}"
        assert said.history == last


def spans(numbers: set[int]) -> Iterator[tuple[int, int]]:
    """The first and the last of those that follow one another."""
    for first in sorted(number for number in numbers if number - 1 not in numbers):
        yield first, next(last for last in count(first) if last + 1 not in numbers)


# The check itself.

VERSION = next(one for one in CATALOGUE if one.name == "version check in Python")
PLACE = VERSION.places[0]
SOON = Hunt("collection", within=20)


def without(text: str) -> Safeguard:
    """The safeguard, with this in its place."""
    return replace(VERSION, places=(replace(PLACE, replace=text),))


def test_a_crash_is_no_find() -> None:
    found = hunt(without("elif 1 / 0:"), SOON)
    assert found.failure is None
    assert found.fault is not None
    assert "ZeroDivisionError" in found.fault


def test_an_assertion_of_the_products_own_is_no_find() -> None:
    found = hunt(without("else:\n            assert not body, 'its own'"), SOON)
    assert found.failure is None
    assert found.fault == "a crash: its own"


def test_what_cannot_be_imported_is_no_find() -> None:
    found = hunt(without("elif:"), SOON)
    assert found.failure is None
    assert found.fault is not None
    assert "can't be imported" in found.fault


def test_what_changes_nothing_is_not_found() -> None:
    found = hunt(without(f"{PLACE.find}  # and nothing else"), Hunt("collection", within=3))
    assert found == Found(3, None)


def test_a_hunt_begins_where_it_is_told() -> None:
    found = hunt(without("else:"), Hunt("collection", within=40, first=21))
    assert found.is_seen
    assert found.history >= 21


def test_other_commits_draw_others() -> None:
    draws = [drawn(f"commit {number}") for number in range(400)]
    tried = {task for found in draws for task in found}
    assert tried == {(one, hunt) for one, hunt in TASKS if hunt.seconds <= QUICK}
    assert len(tried) > len(TASKS) * 0.6
    assert "simulation" in {hunt.hunter for _, hunt in tried}
    assert drawn("one") == drawn("one")
    assert max(sum(hunt.seconds for _, hunt in found) for found in draws) <= TOGETHER
