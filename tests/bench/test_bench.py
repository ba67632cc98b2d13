"""The benches, in a size whose figures mean nothing: each scenario measures all that it names, and loses nothing.

The article's stack (h), which takes half a minute to stand, is measured in full only.
"""

from __future__ import annotations

import io
import math
from pathlib import Path

import pytest
from rich.console import Console

from bench import report
from bench.__main__ import SCENARIOS, measure
from bench.bench import TINY, Bench
from bench.contenders import BAYEUX, FANOUT, MEMORY, OURS, POLLS, SENDER, WS
from bench.outcome import Curve, Figures, Outcome, Ratio, ratio
from bench.running import Clients, Served

from ..scale import FULL

NAMED = {"a": FANOUT, "b": FANOUT, "c": BAYEUX, "d": POLLS, "e": MEMORY}
"""Who must be measured."""


@pytest.fixture
def bench() -> Bench:
    return Bench(TINY, Console(file=io.StringIO(), width=100))


@pytest.mark.parametrize("letters", [letters for letters in SCENARIOS if FULL or "h" not in letters])
def test_a_scenario_measures_all_that_it_names(
    letters: tuple[str, ...], bench: Bench, tmp_path: Path
) -> None:
    failed: list[str] = []
    outcomes = [outcome for found in measure(bench, letters, failed) for outcome in found]
    assert not failed
    assert tuple(outcome.letter for outcome in outcomes) == letters
    for outcome in outcomes:
        assert all(math.isfinite(value) for figures in outcome.figures for value in figures.values)
        assert outcome.letter == "e" or all(figures.median > 0 for figures in outcome.figures)
        assert {each.name for each in NAMED.get(outcome.letter, ())} <= {each.of for each in outcome.figures}
        assert all(each.notes.get("lost", "0") == "0" for each in outcome.figures if each.of == OURS.name)
    path = tmp_path / "results.md"
    report.write(path, {"machine": "this"}, outcomes, {letters[0]: ["chart.png"]}, "how")
    written = path.read_text("utf-8")
    assert "(chart.png)" in written
    for outcome in outcomes:
        assert outcome.figures
        assert f"## {outcome.letter}. " in written
        assert all(ratio.what in written for ratio in outcome.ratios)


def test_each_message_reaches_each_client_once() -> None:
    with Served(SENDER) as server, Clients(server, 7) as clients:
        found = clients.ask("round", 5, 20, 1, 500)
    assert found["messages"] > 0
    assert found["published"] * 7 >= found["messages"]
    assert found["frames"] == found["messages"]


def test_a_server_that_is_not_understood_is_told() -> None:
    with (
        Served(WS) as server,
        pytest.raises(RuntimeError, match="ws: what is nonsense"),
        Clients(server, 1) as clients,
    ):
        clients.ask("nonsense")


def test_growth_is_told_by_its_exponent() -> None:
    assert Curve("square", [1, 10, 100], [2, 200, 20_000]).exponent == pytest.approx(2)
    assert Curve("flat", [1, 10, 100], [3, 3, 3]).exponent == pytest.approx(0)


def test_a_ratio_is_of_medians_and_says_whether_it_suffices() -> None:
    outcome = Outcome("x", "x", [Figures("a", "1", [1, 9, 8], "s"), Figures("b", "1", [2, 2, 7], "s")])
    assert ratio("a ÷ b", outcome.median("a", "1"), outcome.median("b", "1"), 4) == [Ratio("a ÷ b", 4.0, 4)]
    assert ratio("a ÷ c", outcome.median("a", "1"), outcome.median("c", "1"), 4) == []
    assert Ratio("a ÷ b", 4.0, 4).is_reached
    assert not Ratio("a ÷ b", 3.9, 4).is_reached
