"""The examples of tests are run as they are, by the suites themselves, and say how a reader runs them."""

from __future__ import annotations

import tomllib

from ..command import ROOT


def test_every_example_is_run_by_one_suite_and_says_how() -> None:
    suites = tomllib.loads((ROOT / "tests" / "budget.toml").read_text("utf-8"))["suites"]
    run = [
        path for suite in suites.values() for path in suite.get("pytest", ()) if path.startswith("examples/")
    ]
    found = [f"examples/testing/{path.name}" for path in (ROOT / "examples" / "testing").glob("*.py")]
    assert sorted(run) == sorted(found)
    for name in found:
        assert f"python -m pytest {name}" in (ROOT / name).read_text("utf-8")
