"""The table of ``docs/topics/baucis.md``: it has every behaviour, each shown by a test; each difference says why."""

from __future__ import annotations

import os
import subprocess
import sys

from docs import baucis

from .command import ROOT
from .databases.fixtures import KINDS

FILES = baucis.read()
ROWS = [row for file in FILES for row in file.rows()]
TESTED = {
    "controllers": 47, "del": 2, "del.plural": 2, "get": 3, "get.plural": 7, "head": 2, "head.plural": 1, "headers": 9,
    "inheritence": 4, "middleware": 13, "post.plural": 7, "put": 5, "queries": 56, "versioning": 12,
}  # fmt: skip
"""How many tests run in each of baucis's files."""


def test_every_behaviour_is_there() -> None:
    assert {file.name: len(file.behaviours) for file in FILES} == TESTED
    assert len(ROWS) == 170


def test_each_is_the_same_or_says_what_is_done_instead() -> None:
    for name, one in ROWS:
        assert one.verdict in baucis.VERDICTS, name
        assert one.says.endswith("."), name
        assert one.tests, name
        assert one.here.endswith(".") or (not one.here and one.verdict == "same"), name


def test_differences_are_few_and_each_has_its_reason() -> None:
    different = [(name, one) for name, one in ROWS if one.verdict == "different"]
    assert [name for name, one in different if not one.is_reasoned] == []
    assert len(different) <= 20
    assert f"**{len(different)} are different**" in baucis.PAGE.read_text("utf-8")


def test_each_test_that_is_named_is_there_and_runs_on_all_stores() -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", baucis.TESTS]
    full = {**os.environ, "LIVE_ALL_DATABASES": "1", "CI": "1"}
    run = subprocess.run(command, cwd=ROOT, env=full, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    found: dict[str, set[str]] = {}
    for line in run.stdout.splitlines():
        name, is_test, rest = line.partition("[") if "[" in line else (line, "::" in line, "")
        if is_test and "::" in name:
            found.setdefault(name, set()).add(rest.rstrip("]").partition("-")[0])
    named = {test for _, one in ROWS for test in one.named}
    assert named - found.keys() == set()
    assert found.keys() - named == set(), "tests of no behaviour stand elsewhere"
    assert {name: on for name, on in found.items() if on != {*KINDS}} == {}


def test_what_a_store_does_otherwise_is_reasoned() -> None:
    said = [name for name, one in ROWS if one.mongo]
    assert len(said) == 3
    assert all(
        one.mongo.endswith(".") and (": " in one.mongo or "so " in one.mongo) for _, one in ROWS if one.mongo
    )


def test_the_page_is_that_of_the_rows() -> None:
    assert baucis.PAGE.read_text("utf-8") == baucis.draw(FILES), "run python -m docs.baucis"
