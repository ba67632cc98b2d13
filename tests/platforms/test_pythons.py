"""Each version of Python that is here runs what depends on it most, in full, and more in ``make test-pythons``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scale import FULL

from .pythons import OWN, SMALL, VERSIONS, environment, interpreters, line, run

if FULL:

    @pytest.mark.parametrize("version", [*interpreters()])
    def test_each_interpreter_runs_the_package(version: str) -> None:
        """Few tests; an environment of its own each."""
        done = run(environment(version, interpreters()[version]), *SMALL)
        assert done.returncode == 0, f"Python {version}: {done.stdout}{done.stderr}"
        assert " passed" in done.stdout


def test_the_line_says_which_there_are_and_which_are_not() -> None:
    there = {VERSIONS[0]: Path("a"), VERSIONS[2]: Path("b")}
    assert line(there) == "Python 3.11, 3.13; not on this machine: 3.12, 3.14"
    assert line(dict.fromkeys(VERSIONS, Path("a"))) == "Python 3.11, 3.12, 3.13, 3.14"


def test_this_interpreter_is_of_a_version_that_the_package_is_for() -> None:
    assert OWN in VERSIONS
