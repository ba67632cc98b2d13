"""The checklists of ``docs``: lines are met or different, threats guarded, tests that are named are there."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache

from docs import conformance, threats
from docs.conformance import Line

from .command import ROOT

SECTIONS = conformance.read()
LINES = [line for section in SECTIONS for line in section.lines]
THREATS = threats.read()
NAMED = sorted(
    {test for line in LINES for test in line.tests} | {test for each in THREATS for test in each.tests}
)


@cache
def collected() -> frozenset[str]:
    """Every test that pytest finds in the files that are named, with and without its parameters."""
    files = sorted({test.partition("::")[0] for test in NAMED if ".py::" in test})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    found = [line for line in run.stdout.splitlines() if "::" in line]
    return frozenset([*found, *(test.partition("[")[0] for test in found)])


def is_there(test: str) -> bool:
    file, _, title = test.partition("::")
    if file.endswith(".py"):
        return test in collected()
    text = (ROOT / file).read_text("utf-8") if (ROOT / file).exists() else ""
    return (
        bool(title)
        and re.search(rf"""\b(?:test|it|describe)\(['"`]{re.escape(title)}['"`]""", text) is not None
    )


def test_each_line_is_met_or_different() -> None:
    for section in SECTIONS:
        ids = [line.id for line in section.lines]
        assert ids == [f"{section.number}-{number}" for number in range(1, len(ids) + 1)]
    for line in LINES:
        assert line.says.endswith("."), line.id
        assert line.tests or line.different, line.id
        assert len(line.different) > 40 or not line.different, f"{line.id}: that is no reason"
        assert not (line.different and line.unlike), f"{line.id}: the reason says it"
        assert len(set(line.tests)) == len(line.tests), line.id


def test_every_section_is_there() -> None:
    numbers = ["1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "2", "5", "10", "11"]
    assert [section.number for section in SECTIONS] == numbers


def test_each_test_that_is_named_is_there() -> None:
    assert [test for test in NAMED if not is_there(test)] == []


def test_a_test_that_is_not_there_is_missed() -> None:
    assert not is_there(NAMED[0] + "x")
    assert not is_there("tests/js/wire/faye.test.js::no such title")
    assert not is_there("tests/js/nothing.test.js::x")


def test_the_page_is_that_of_the_lines() -> None:
    drawn = conformance.draw(SECTIONS)
    assert conformance.PAGE.read_text("utf-8") == drawn, "run python -m docs.conformance"
    for line in LINES:
        assert drawn.count(f"| {line.id} |") == 1 + bool(line.different) + bool(line.unlike)


def test_each_threat_is_guarded_by_tests() -> None:
    for threat in THREATS:
        assert threat.tests, threat.says
        assert all(each.endswith(".") for each in (threat.says, threat.guard, threat.yours) if each), (
            threat.says
        )
    assert len({threat.says for threat in THREATS}) == len(THREATS) > 30


def test_the_page_is_that_of_the_threats() -> None:
    assert threats.PAGE.read_text("utf-8") == threats.draw(THREATS), "run python -m docs.threats"


def test_a_line_says_what_it_is_and_how_it_is_shown() -> None:
    lines = [
        Line(
            "9-1",
            "It is so.",
            ["tests/a.py::test_b", "tests/a.py::test_c", "tests/d.py::test_e"],
            "",
            "x | y",
        ),
        Line("9-2", "It is not.", (), "Because."),
    ]
    drawn = conformance.draw([conformance.Section("9", "All", lines)])
    assert "in 2 lines" in drawn
    assert "**1 are met**" in drawn
    assert "**1 are done otherwise" in drawn
    assert "| 9 | All | 1 | 1 |" in drawn
    assert "| 9-1 | It is so. | `a.py`: `test_b`, `test_c`; `d.py`: `test_e` |" in drawn
    assert "| 9-1 | It is so. | x \\| y |" in drawn
    assert "| 9-2 | It is not. | Because. |" in drawn
    assert "| 9-2 | It is not. | *Different*; see above. |" in drawn
