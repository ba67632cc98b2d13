"""The catalogue: the safeguards that are removed, each by one place in a file that is replaced.

Two rules. The place stands exactly once in its file, so whoever rewrites that moves the entry too. An entry names
the hunter that must notice, and within how many histories.

It knows no process and runs nothing.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from ..command import ROOT
from .hunters import HUNTERS

SOURCE = ROOT / "src" / "livecollections"
FOLDER = Path(__file__).parent / "catalogue"
PROMISES = ("G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8")


class Wrong(Exception):
    """An entry that can't be obeyed."""


@dataclass(frozen=True)
class Safeguard:
    """One that is removed.

    name: in a few words.  file: below the package.  find, replace: its text, and what stands there without it.
    protects: in a sentence, for users.  promise: which of G1 to G8.  hunter: who must notice.  within: histories.
    """

    name: str
    file: str
    find: str
    replace: str
    protects: str
    promise: str
    hunter: str
    within: int

    @property
    def seconds(self) -> float:
        """About how long it may take to notice."""
        return self.within / HUNTERS[self.hunter].pace

    def removed(self) -> str:
        """The text of its file without it."""
        source = (SOURCE / self.file).read_text("utf-8")
        places = source.count(self.find)
        if places != 1:
            where = f"its place stands {places} times in {self.file}"
            raise Wrong(f"the safeguard {self.name!r}: {where}: move its entry in tests/mutants/catalogue")
        return source.replace(self.find, self.replace)

    def check(self) -> None:
        """Raise Wrong if it can't be obeyed."""
        if self.promise not in PROMISES or self.hunter not in HUNTERS or self.within < 1:
            raise Wrong(f"{self.name}: no such promise, hunter or bound")
        if not self.protects.endswith(".") or self.find == self.replace:
            raise Wrong(f"{self.name}: it protects nothing, or nothing of it is removed")
        self.removed()


@dataclass(frozen=True)
class Section:
    """The safeguards of one part of a change's way."""

    title: str
    safeguards: tuple[Safeguard, ...]


def read() -> list[Section]:
    """All of them, along the way of a change. Raises Wrong."""
    sections = []
    for path in sorted(FOLDER.glob("*.toml")):
        content = tomllib.loads(path.read_text("utf-8"))
        sections.append(Section(content["title"], tuple(Safeguard(**one) for one in content["safeguard"])))
    found = [one for section in sections for one in section.safeguards]
    for one in found:
        one.check()
    if len({one.name for one in found}) != len(found):
        raise Wrong("two entries have one name")
    return sections


def load() -> list[Safeguard]:
    """All of them, of all sections. Raises Wrong."""
    return [one for section in read() for one in section.safeguards]
