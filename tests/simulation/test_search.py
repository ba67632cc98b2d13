"""`make soak`: what is shown of a search, also of one that is interrupted, and what is kept of what fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from . import __main__ as soak
from .draw import draw
from .history import History
from .meetings import FAULTS
from .run import run
from .search import Found, run_all


def test_a_search_tells_which_faults_met_which_states_and_how_fast_it_was(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert soak.main(["--seed", "1", "--histories", "3", "--workers", "1"]) == 0
    shown = capsys.readouterr().out
    assert "from seed 1" in shown
    assert all(fault in shown for fault in FAULTS)
    assert re.search(r"3 histories in \d+ s \(\d+\.\d/s\), 0 failed", shown)


def test_a_search_that_is_interrupted_tells_what_it_has_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: Any, **__: Any) -> Iterator[Found]:
        found = Found(seconds=1.0)
        found.add(run_all([1, 2]))
        yield found
        raise KeyboardInterrupt

    monkeypatch.setattr(soak, "search", interrupted)
    assert soak.main(["--seed", "1", "--seconds", "3600"]) == 0
    assert "2 histories" in capsys.readouterr().out


def test_what_fails_is_told_and_kept_with_the_steps_that_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    whole = replace(draw(3), steps=draw(3).steps[:3])
    needed = whole.steps[1]

    def failing(history: History) -> Any:
        failure = "G1: it is lost" if needed in history.steps else None
        return replace(run(history), failure=failure, promise="G1")

    def search(*_: Any, **__: Any) -> Iterator[Found]:
        found = Found(seconds=1.0)
        found.add([failing(whole)])
        yield found

    monkeypatch.setattr(soak, "search", search)
    monkeypatch.setattr(soak, "run", failing)
    monkeypatch.setattr(soak, "REGRESSIONS", tmp_path)
    assert soak.main(["--seed", "3", "--histories", "1"]) == 1
    (path,) = tmp_path.glob("*.json")
    assert path.name == "g1-3.json"
    assert [*History.read(path).steps] == [needed]
    assert "failed: 3 (G1: it is lost)" in capsys.readouterr().out
