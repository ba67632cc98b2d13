"""The hot paths take no more calls and memory than was noted, but for a tenth. Neither depends on the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
NOTED = tomllib.loads((Path(__file__).parent / "hotpaths.toml").read_text("utf-8"))
ROOM = 1.1


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, int]]:
    """What they take in a process of their own, where nothing else has been imported or cached."""
    run = subprocess.run(
        [sys.executable, "-m", "bench.hotpaths"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        check=True,
    )
    counted: dict[str, dict[str, int]] = json.loads(run.stdout)
    return counted


@pytest.mark.parametrize("path", NOTED)
def test_a_hot_path_costs_what_was_noted(path: str, found: dict[str, dict[str, int]]) -> None:
    noted = NOTED[path]
    over = {what: found[path][what] for what, number in noted.items() if found[path][what] > ROOM * number}
    assert not over, f"noted: {noted}"


def test_every_hot_path_is_noted(found: dict[str, dict[str, int]]) -> None:
    assert found.keys() == NOTED.keys()


def test_each_is_counted(found: dict[str, dict[str, int]]) -> None:
    assert not [path for path, counts in found.items() if not all(counts.values())]
