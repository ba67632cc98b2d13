"""What baucis does, behaviour by behaviour: ``python -m docs.baucis`` writes ``docs/topics/baucis.md``.

The rows are in ``docs/baucis.toml``: each behaviour that baucis's own tests assert, in the order of their files, with
what is done here and the tests that show it. The page is never edited: a test draws it again and compares, and finds
each test that is named.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).parent / "baucis.toml"
PAGE = Path(__file__).parent / "topics" / "baucis.md"
TESTS = "tests/rest/baucis"
REASONS = ("Security:", "same reason of security", "RFC ", "Data safety:", "same reason of data safety")
VERDICTS = ("same", "better", "different")

HEAD = """\
# Baucis, behaviour by behaviour

[baucis](https://www.npmjs.com/package/baucis) made REST of Mongoose's models, and was half of what this grew from.
Its 2.0.11 has {count} tests that run. Each asserts a behaviour, and here is what became of it: **{same} are the same**,
**{better} are better** (it is done, and more), and **{different} are different**: each for security, for an RFC, or so
that no data is lost. A client that was written for baucis finds in [Coming from baucis](../coming-from/baucis.md)
what to change.

This page is made from `docs/baucis.toml` (`python -m docs.baucis`), and a test finds each test that it names, in
`tests/rest/baucis`. All of them ask over HTTP, and each runs on SQLite, on PostgreSQL and on MongoDB, whose models are
Pydantic classes with the same fields. They are answered alike, but for what
[MongoDB does otherwise](#on-mongodb).

| baucis's file | Same | Better | Different |
|---|---|---|---|
"""
DIFFERENT = """\
## Different

| | In baucis | Here |
|---|---|---|
"""
MONGO = """\
## On MongoDB

| | There |
|---|---|
"""
TABLE = """\
| | In baucis | | Here | Shown by |
|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One behaviour that a test of baucis asserts.

    says: what baucis does.  verdict: one of VERDICTS.  tests: of ours, ``module:name``.  here: what is done here,
    where that is not the same.  mongo: what MongoDB does otherwise than SQLite and PostgreSQL, and why.
    """

    says: str
    verdict: str
    tests: Sequence[str]
    here: str = ""
    mongo: str = ""

    @property
    def is_reasoned(self) -> bool:
        """Whether it has a reason of security, of an RFC or of data safety."""
        return any(reason in self.here for reason in REASONS)

    @property
    def named(self) -> list[str]:
        """The tests as pytest names them."""
        pairs = (test.split(":") for test in self.tests)
        return [f"{TESTS}/test_{module}.py::test_{name}" for module, name in pairs]


@dataclass(frozen=True, slots=True)
class File:
    """A file of baucis's tests."""

    name: str
    behaviours: Sequence[Behaviour]

    def count(self, verdict: str) -> int:
        """How many have this verdict."""
        return sum(each.verdict == verdict for each in self.behaviours)

    def rows(self) -> Iterator[tuple[str, Behaviour]]:
        """The behaviours with their numbers."""
        for number, behaviour in enumerate(self.behaviours, 1):
            yield f"{self.name} {number}", behaviour


def read(data: Path = DATA) -> list[File]:
    """All files, in their order. Raises TypeError for a row with a field that there is not."""
    found = tomllib.loads(data.read_text("utf-8"))
    return [File(name, [Behaviour(**each) for each in rows]) for name, rows in found.items()]


def draw(files: Sequence[File]) -> str:
    """The page."""
    counts = {verdict: sum(file.count(verdict) for file in files) for verdict in VERDICTS}
    every = [row for file in files for row in file.rows()]
    parts = [
        HEAD.format(count=len(every), **counts)
        + _rows([f"{file.name}.js", *(str(file.count(verdict)) for verdict in VERDICTS)] for file in files),
        DIFFERENT + _rows([name, one.says, one.here] for name, one in every if one.verdict == "different"),
        MONGO + _rows([name, one.mongo] for name, one in every if one.mongo),
        *(f"## {file.name}.js\n\n{TABLE}" + _rows(map(_row, file.rows())) for file in files),
    ]
    return "\n".join(parts)


def _row(row: tuple[str, Behaviour]) -> list[str]:
    name, one = row
    shown = ", ".join(f"`{test.partition('::')[2]}`" for test in one.named)
    return [name, one.says, one.verdict, one.here, shown]


def _rows(rows: Iterator[list[str]]) -> str:
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in rows)


if __name__ == "__main__":
    PAGE.write_text(draw(read()), "utf-8")
