"""The examples of tests, run as their first lines say."""

from __future__ import annotations

import subprocess
import sys
import tomllib

from ..command import ROOT

EXAMPLES = ROOT / "examples" / "testing"


def test_the_page_is_tested_in_a_browser_as_it_says() -> None:
    name = "examples/testing/test_page.py"
    assert f"python -m pytest {name}" in (ROOT / name).read_text("utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", name],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout


def test_every_other_example_is_run_by_this_suite() -> None:
    paths = tomllib.loads((ROOT / "tests" / "budget.toml").read_text("utf-8"))["suites"]["kit"]["pytest"]
    found = {f"examples/testing/{path.name}" for path in EXAMPLES.glob("*.py")}
    assert found == {*paths[1:], "examples/testing/test_page.py"}
