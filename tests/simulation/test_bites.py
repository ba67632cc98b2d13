"""The search bites: without a safeguard a history breaks the promise that this keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from .history import History
from .run import run
from .safeguards import HISTORIES, SAFEGUARDS, Safeguard, replay, without


@pytest.mark.parametrize("safeguard", SAFEGUARDS, ids=lambda safeguard: safeguard.name)
def test_a_safeguard_that_is_gone_is_missed(safeguard: Safeguard, tmp_path: Path) -> None:
    assert run(History.read(safeguard.history)).failure is None
    found = replay(safeguard.history, without(safeguard, tmp_path))
    assert found.returncode == 1, found.stdout
    assert found.stdout.splitlines()[-1].startswith(f"{safeguard.promise}: "), found.stdout


def test_each_history_is_one_of_a_safeguard() -> None:
    assert {path.stem for path in HISTORIES.glob("*.json")} == {safeguard.name for safeguard in SAFEGUARDS}
