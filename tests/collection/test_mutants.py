"""Each rule of the collection, broken on purpose, is noticed by vectors or histories; in a small run, one in three."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ..scale import is_drawn, scaled
from .mutants import MUTANTS, Mutant, library_of
from .test_vectors import VECTORS, Run
from .world import World

TRIES = scaled(300, 2_000)
BROKEN = [each for each in MUTANTS if is_drawn(each.name, scaled(3, 1))]


@pytest.mark.parametrize(
    "mutant", [pytest.param(each, id=f"rule {each.rule}: {each.name}") for each in BROKEN]
)
def test_a_broken_rule_is_noticed(mutant: Mutant) -> None:
    library = library_of(mutant)
    noticed = breaks_a_vector(library) or any(breaks_a_history(seed, library) for seed in range(TRIES))
    assert noticed, f"{TRIES} histories and all vectors notice nothing"


def test_a_library_that_is_loaded_anew_and_whole_is_found_right() -> None:
    library = library_of(None)
    assert not breaks_a_vector(library)
    assert not any(breaks_a_history(seed, library) for seed in range(20))


def test_every_rule_that_the_languages_share_is_broken_somewhere() -> None:
    assert {mutant.rule for mutant in MUTANTS} == {1, 2, 3, 4, 6, 7}


def breaks_a_vector(library: SimpleNamespace) -> bool:
    # A broken rule may break anything: an assertion of the product counts as well.
    try:
        for _, vector in VECTORS:
            Run(vector, library)
    except Exception:
        return True
    return False


def breaks_a_history(seed: int, library: SimpleNamespace) -> bool:
    try:
        World(seed, library).run()
    except Exception:
        return True
    return False
