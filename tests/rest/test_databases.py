"""The draw of databases: what a run leaves out, a later one tries."""

from __future__ import annotations

from collections import Counter
from hashlib import sha1

import pytest

from tests.databases.fixtures import KINDS, drawn

NAMES = [f"tests/rest/test_{name}.py::test" for name in range(2_400)]
COMMITS = [sha1(str(number).encode()).hexdigest() for number in range(30)]


@pytest.mark.parametrize("one_in", [3, 16])
def test_each_database_has_its_share(one_in: int) -> None:
    for by in ("", *COMMITS):
        counts = Counter(drawn(name, by, one_in) for name in NAMES)
        for kind in KINDS[1:]:
            assert 0.7 < counts[kind] * one_in / len(NAMES) < 1.3


def test_commits_in_a_row_try_each_test_on_each_database() -> None:
    for name in NAMES:
        assert {drawn(name, by, 3) for by in COMMITS} == {*KINDS[1:], None}
