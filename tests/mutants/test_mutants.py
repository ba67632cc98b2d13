"""Each safeguard that is removed is noticed in time, by what users would see; with all of them nothing is.

``make test`` hunts five quick ones, drawn by the commit's hash; ``make test-all`` hunts all.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pytest

from ..command import ROOT
from ..scale import FULL
from .catalogue import Safeguard, load
from .hunt import SIDE_BY_SIDE, Found, control, hunt

CATALOGUE = load()
DRAWN = 5
QUICK = 6.0
"""Seconds in which those are noticed that a small run may draw."""


def commit() -> str:
    """The hash of what is checked out; nothing where there is no repository."""
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def drawn(hash_: str) -> list[Safeguard]:
    """Those that this commit tries, of the quick ones."""
    return random.Random(hash_).sample([one for one in CATALOGUE if one.seconds <= QUICK], DRAWN)


CHOSEN = CATALOGUE if FULL else drawn(commit())
BY_NAME = {one.name: one for one in CATALOGUE}


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        yield pool


@pytest.fixture(scope="module")
def hunts(pool: ThreadPoolExecutor) -> Mapping[str, Future[Found]]:
    """All that were chosen, under way."""
    return {one.name: pool.submit(hunt, one) for one in CHOSEN}


@pytest.mark.parametrize("safeguard", CHOSEN, ids=lambda one: one.name)
def test_a_safeguard_that_is_removed_is_noticed(
    safeguard: Safeguard, hunts: Mapping[str, Future[Found]]
) -> None:
    found = hunts[safeguard.name].result()
    assert found.fault is None, found.fault
    assert found.failure, f"{found.histories} histories of {safeguard.hunter} notice nothing"
    print(f"{safeguard.name}: in history {found.histories} of {safeguard.within}: {found.failure}")


@pytest.mark.parametrize("hunter", sorted({one.hunter for one in CHOSEN}))
def test_the_same_histories_find_nothing_while_all_are_there(
    hunter: str, hunts: Mapping[str, Future[Found]], pool: ThreadPoolExecutor
) -> None:
    """As many as it took to find what was removed."""
    played = max(hunts[one.name].result().histories for one in CHOSEN if one.hunter == hunter)
    found = pool.submit(control, hunter, played).result()
    assert found.fault is None, found.fault
    assert found.failure is None, f"history {found.histories}: {found.failure}"
    assert found.histories == played


# The check itself.

VERSION = BY_NAME["version check in Python"]


def test_a_crash_is_no_find() -> None:
    found = hunt(replace(VERSION, replace="elif 1 / 0:"))
    assert found.failure is None
    assert found.fault is not None
    assert "ZeroDivisionError" in found.fault


def test_an_assertion_of_the_products_own_is_no_find() -> None:
    found = hunt(replace(VERSION, replace="else:\n            assert not body, 'its own'"))
    assert found.failure is None
    assert found.fault == "a crash: its own"


def test_what_cannot_be_imported_is_no_find() -> None:
    found = hunt(replace(VERSION, replace="elif:"))
    assert found.failure is None
    assert found.fault is not None
    assert "can't be imported" in found.fault


def test_what_changes_nothing_is_not_found() -> None:
    found = hunt(replace(VERSION, replace=f"{VERSION.find}  # and nothing else", within=3))
    assert found == Found(3, None)


def test_other_commits_draw_others() -> None:
    tried = {one.name for number in range(200) for one in drawn(f"commit {number}")}
    assert tried == {one.name for one in CATALOGUE if one.seconds <= QUICK}
    assert len(tried) > len(CATALOGUE) * 0.6
    assert drawn("one") == drawn("one")
