"""Each version of Python that is here runs a few tests in ``make test-all``, and the suite in ``make test-pythons``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.scale import FULL

from . import pythons
from .pythons import OWN, ROOT, VERSIONS, environment, interpreters, line

FEW = ("tests/test_feed.py", "tests/stores/test_conformance.py", "tests/platforms/test_elsewhere.py")

if FULL:

    @pytest.mark.parametrize("version", [*interpreters()])
    def test_each_interpreter_runs_the_package(version: str) -> None:
        """In an environment of its own each."""
        python = environment(version, interpreters()[version])
        command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *FEW]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1800, check=False)
        assert done.returncode == 0, f"Python {version}: {done.stdout}{done.stderr}"
        assert " passed" in done.stdout


def test_the_line_says_which_there_are_and_which_are_not() -> None:
    there = {VERSIONS[0]: Path("a"), VERSIONS[2]: Path("b")}
    assert line(there) == "Python 3.11, 3.13; not on this machine: 3.12, 3.14"
    assert line(dict.fromkeys(VERSIONS, Path("a"))) == "Python 3.11, 3.12, 3.13, 3.14"


def test_this_interpreter_is_of_a_version_that_the_package_is_for() -> None:
    assert OWN in VERSIONS


def test_every_suite_runs_on_each_interpreter_or_says_why_not() -> None:
    """Those that Node's runner runs are JavaScript, but for one that starts our server."""
    _, _, _, *named = pythons.command(Path(sys.executable))
    left_out = {suite.name: suite for suite in pythons.suites() if suite.name not in named}
    assert all(len(suite.once.split()) > 3 for suite in left_out.values())
    assert {suite.name for suite in left_out.values() if suite.runner == "node"} == {
        suite.name for suite in pythons.suites() if suite.runner == "node"
    } - {"storm"}


@pytest.mark.parametrize(("program", "word"), [("true", "passed"), ("false", "failed")])
def test_each_other_version_runs_and_how_it_ended_is_the_answer(
    program: str, word: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pythons, "interpreters", lambda: dict.fromkeys((OWN, "3.0"), Path("python")))
    monkeypatch.setattr(pythons, "environment", lambda version, interpreter: Path("/bin", program))
    assert pythons.main() == (word == "failed")
    assert capfd.readouterr().out.endswith(f"\nPython 3.0\nPython 3.0: {word}\n")
