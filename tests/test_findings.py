"""Each finding of the correctness review has tests that name it, for all that it concerns.

A test names one by the end of its name (``_07``), within it (``finding_7``, ``correctness_7``), or in its docstring
("Finding 7", "findings 7 and 12"); a vector of the collection's by its ``findings``.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SQLITE, POSTGRES, MONGO = "tests/test_correctness_sqlite.py", "tests/postgres", "tests/mongo"
STORES, RULES, REST, BAYEUX = (
    "src/livecollections/testing/stores",
    "tests/js/rules",
    "tests/rest",
    "tests/bayeux",
)
VECTORS = "tests/vectors/collection"

CONCERNS: dict[int, list[str]] = {
    1: ["tests/test_feed.py", RULES, VECTORS],
    2: [RULES, VECTORS],
    3: [BAYEUX, RULES, VECTORS],
    4: ["tests/stores", POSTGRES],
    5: [SQLITE, POSTGRES, MONGO, REST, VECTORS],
    6: [SQLITE, POSTGRES, MONGO, REST, RULES, VECTORS],
    7: [SQLITE, "tests/stores", POSTGRES],
    8: [SQLITE, POSTGRES, MONGO, REST, RULES],
    9: [RULES, VECTORS],
    10: [STORES, MONGO, RULES, VECTORS],
    11: [SQLITE, POSTGRES, MONGO, "tests/test_alembic.py", VECTORS],
    12: [SQLITE, "tests/stores", POSTGRES, "tests/test_alembic.py"],
    13: [SQLITE, POSTGRES, MONGO, REST, "tests/test_resource.py"],
    14: ["tests/test_feed.py", RULES, VECTORS],
    15: [SQLITE, STORES, POSTGRES, MONGO, BAYEUX],
    16: [MONGO],
    17: [BAYEUX, RULES, VECTORS],
    18: [RULES],
    19: [RULES, VECTORS],
    20: ["tests/test_query.py", RULES, VECTORS],
    21: ["tests/policy"],
    22: [RULES, VECTORS],
    23: [REST, VECTORS],
    24: [RULES, VECTORS],
    25: [BAYEUX, "tests/test_resource.py"],
    26: [STORES, MONGO],
    27: [SQLITE, POSTGRES],
    28: [REST],
    29: ["tests/test_listeners.py"],
    30: [SQLITE, POSTGRES],
    31: [POSTGRES],
    32: ["tests/test_layers.py"],
}
"""By number: the files and folders in which it is shown. The collection's rules are the same on every store."""

NAME = re.compile(r"(?:finding|correctness)_(\d+)_|_(\d\d)$")
TOLD = re.compile(r"\b[Ff]indings? (\d+)(?: and (\d+))?")


def of_python(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            for pattern, told in ((NAME, node.name), (TOLD, ast.get_docstring(node) or "")):
                for found in pattern.finditer(told):
                    yield from filter(None, found.groups())


def of_vectors(text: str) -> Iterator[str]:
    for vector in json.loads(text):
        yield from (str(number).rstrip("abcde") for number in vector.get("findings", []))


def of_javascript(text: str) -> Iterator[str]:
    yield from re.findall(r"\bit\(\s*['`]finding (\d+):", text)


READERS = {".py": of_python, ".json": of_vectors, ".js": of_javascript}


@cache
def named(place: str) -> frozenset[int]:
    """The findings that tests of a file, or of those in a folder, name."""
    path = ROOT / place
    files = path.rglob("*") if path.is_dir() else [path]
    texts = ((READERS[file.suffix], file.read_text("utf-8")) for file in files if file.suffix in READERS)
    return frozenset(int(number) for read, text in texts for number in read(text))


def test_every_finding_is_listed() -> None:
    assert list(CONCERNS) == list(range(1, 33))


@pytest.mark.parametrize("number", CONCERNS)
def test_each_finding_is_named_by_tests_of_all_that_it_concerns(number: int) -> None:
    assert [place for place in CONCERNS[number] if number not in named(place)] == []
