"""What the Bayeux server does, line by line: ``python -m docs.conformance`` writes ``docs/conformance.md``.

The lines are in ``docs/checklist/*.toml``: what servers and clients of this protocol are expected to do, each with
the tests that show it, or with the reason for which it is done otherwise. The page is never edited: a test draws it
again and compares, and finds each test that is named.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

CHECKLIST = Path(__file__).parent / "checklist"
PAGE = Path(__file__).parent / "conformance.md"

HEAD = """\
# Conformance

What the protocol, Faye's and CometD's servers, and the clients that are in use ask
of a Bayeux server, in {count} lines.
**{met} are met**, each by the tests that are named beside it. **{different} are done otherwise on purpose**, with the
reason. What other servers do was read in their code, and tried where npm's `faye` can be asked.
This page is made from `docs/checklist` (`python -m docs.conformance`), and a test finds each test that it names.
"""
DIFFERENT = """\
## Different on purpose

What one might expect and will not find, and why.

| | Expected | Why not |
|---|---|---|
"""
UNLIKE = """\
## Otherwise than in Faye or CometD

What is met, where one or both of them do something else.

| | Here | There |
|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that is expected.

    tests: those that show it, as pytest names them, or a file of Node's and the title of a test in it.
    different: why it is done otherwise.  unlike: how others do it.
    """

    id: str
    says: str
    tests: Sequence[str] = ()
    different: str = ""
    unlike: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Lines about one thing."""

    number: str
    title: str
    lines: Sequence[Line]

    @property
    def different(self) -> int:
        """How many lines are done otherwise."""
        return sum(bool(line.different) for line in self.lines)


def read(folder: Path = CHECKLIST) -> list[Section]:
    """All sections, in the order of their numbers.

    Raises:
        TypeError: a line has a field that there is not.
    """
    found = [tomllib.loads(file.read_text("utf-8")) for file in folder.glob("*.toml")]
    sections = [_section(**each) for each in found]
    return sorted(sections, key=lambda each: [int(part) for part in each.number.split(".")])


def _section(section: str, title: str, line: Sequence[dict[str, Any]]) -> Section:
    return Section(section, title, [Line(**each) for each in line])


def draw(sections: Sequence[Section]) -> str:
    """The page."""
    lines = [line for section in sections for line in section.lines]
    different = sum(section.different for section in sections)
    head = HEAD.format(count=len(lines), met=len(lines) - different, different=different)
    parts = [
        head,
        rows("| | | Met | Different |\n|---|---|---|---|\n", (_counts(section) for section in sections)),
        rows(DIFFERENT, ([each.id, each.says, each.different] for each in lines if each.different)),
        rows(UNLIKE, ([each.id, each.says, each.unlike] for each in lines if each.unlike)),
        *(rows(_heading(section), map(_row, section.lines)) for section in sections),
    ]
    return "\n".join(parts)


def _counts(section: Section) -> list[str]:
    met = len(section.lines) - section.different
    return [section.number, section.title, str(met), str(section.different)]


def _heading(section: Section) -> str:
    return f"## {section.number} {section.title}\n\n| | | Shown by |\n|---|---|---|\n"


def _row(line: Line) -> list[str]:
    shown = "; ".join(named(line.tests))
    if line.different:
        shown = f"*Different*; see above. {shown}".rstrip()
    return [line.id, line.says, shown]


def named(tests: Sequence[str]) -> Iterator[str]:
    """Tests file by file."""
    pairs = [test.split("::", 1) for test in tests]
    for file, of_file in groupby(pairs, key=lambda pair: pair[0]):
        names = ", ".join(f"`{name}`" for _, name in of_file)
        yield f"`{file.removeprefix('tests/')}`: {names}"


def rows(head: str, rows: Iterator[list[str]]) -> str:
    """A table, its bars escaped."""
    return head + "".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in rows
    )


if __name__ == "__main__":
    PAGE.write_text(draw(read()), "utf-8")
