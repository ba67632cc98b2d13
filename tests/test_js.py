"""The browser's collection, proved in Node: what Backbone promises, the rules as vectors, the rules in
generated histories, the findings, and mutants of each rule that the histories must notice.

Every suite reports what it ran; a run in which nothing ran, or something was skipped, is a failure.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.scale import scaled

ROOT = Path(__file__).parent.parent
SUITES = ROOT / "tests" / "js"


@dataclass(frozen=True)
class Outcome:
    """What a run of ``node --test`` says of itself."""

    tests: int
    passed: int
    output: str


def run_node(*files: str, seconds: float, **environment: str) -> Outcome:
    """Run test files in Node; anything failed, skipped or left to do fails here, with Node's own report."""
    paths = [str(SUITES / file) for file in files]
    done = subprocess.run(
        ["node", "--test", "--test-reporter=tap", *paths],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    counts = dict(
        re.findall(r"^# (tests|pass|fail|cancelled|skipped|todo) (\d+)$", done.stdout, re.MULTILINE)
    )
    failed = "\n".join(_failures(done.stdout))
    assert done.returncode == 0, f"{failed or done.stdout}\n{done.stderr}"
    outcome = Outcome(int(counts["tests"]), int(counts["pass"]), done.stdout)
    assert outcome.tests == outcome.passed > 0, done.stdout
    return outcome


def _failures(tap: str) -> list[str]:
    found = re.finditer(r"^( *)not ok [^\n]*\n(?:\1  [^\n]*\n)*", tap, re.MULTILINE)
    return [match.group(0) for match in found]


def test_backbone_stays_backbone() -> None:
    files = sorted(path.name for path in (SUITES / "backbone").glob("*.test.js"))
    outcome = run_node(*(f"backbone/{name}" for name in files), seconds=60)
    print(f"{outcome.passed} cases")
    assert outcome.passed >= 3 * 120


def test_vectors() -> None:
    vectors = [
        vector
        for path in sorted((ROOT / "tests" / "vectors" / "collection").glob("*.json"))
        for vector in json.loads(path.read_text("utf-8"))
    ]
    outcome = run_node("rules/vectors.test.js", seconds=60)
    print(f"{outcome.passed} vectors")
    assert outcome.passed == len(vectors) >= 30
    assert {rule for vector in vectors for rule in vector["rules"]} == {1, 2, 3, 4, 6, 7}


def test_findings() -> None:
    outcome = run_node("rules/findings.test.js", seconds=60)
    print(f"{outcome.passed} findings")


def test_rules_in_generated_histories() -> None:
    outcome = run_node("rules/storm.test.js", seconds=scaled(240, 1800))
    table = re.findall(r"^# ( *\d+ .+)$", outcome.output, re.MULTILINE)
    print("\n".join(table))
    assert len(table) > 30


def test_mutants_are_noticed() -> None:
    outcome = run_node("rules/mutants.test.js", seconds=scaled(240, 3600))
    print(f"{outcome.passed} mutants noticed")
