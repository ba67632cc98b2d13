"""The benches, in a size whose figures mean nothing: each scenario measures all that it names, and loses nothing."""

from __future__ import annotations

import io
import math
from pathlib import Path

import pytest
from rich.console import Console

from bench import report
from bench.__main__ import LETTERS, measure
from bench.bench import TINY, Bench
from bench.contenders import FANOUT, MEMORY, SENDER, WS
from bench.outcome import Curve, Figures, Outcome, Ratio, ratio
from bench.running import Clients, Served


def test_every_scenario_measures_every_server(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=100)
    outcomes = {outcome.letter: outcome for outcome in measure(Bench(TINY, console), LETTERS)}
    assert [*outcomes] == LETTERS
    for letter, outcome in outcomes.items():
        assert outcome.figures, letter
        assert all(math.isfinite(value) for figures in outcome.figures for value in figures.values), letter
    for letter, contenders in (("a", FANOUT), ("b", FANOUT), ("e", MEMORY)):
        assert {figures.of for figures in outcomes[letter].figures} == {each.name for each in contenders}
    assert all(figures.median > 0 for letter in "abcdg" for figures in outcomes[letter].figures)
    path = tmp_path / "results.md"
    report.write(path, {"machine": "this"}, [*outcomes.values()], {"a": ["a.png"]}, "how")
    written = path.read_text("utf-8")
    assert all(f"## {letter}. " in written for letter in LETTERS)
    assert "(a.png)" in written


def test_each_message_reaches_each_client_once() -> None:
    with Served(SENDER) as server, Clients(server, 7) as clients:
        found = clients.ask("round", 5, 20, 1, 50)
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
