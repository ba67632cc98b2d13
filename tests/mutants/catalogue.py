"""The catalogue: the safeguards that are removed, each by places in files that are replaced.

Three rules. A place stands exactly once in its file, so whoever rewrites that moves the entry too. Where another
safeguard covers one, both are removed. An entry names the hunters that must notice, and in which history at the latest.

It knows no process and runs nothing.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..command import ROOT
from .hunters import HUNTERS

SOURCE = ROOT / "src" / "livecollections"
FOLDER = Path(__file__).parent / "catalogue"
PROMISES = ("G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8")


class Wrong(Exception):
    """An entry that can't be obeyed."""


@dataclass(frozen=True)
class Place:
    """Text that is replaced. file: below the package.  find, replace: it, and what stands there without it."""

    file: str
    find: str
    replace: str


@dataclass(frozen=True)
class Hunt:
    """One hunter's.

    hunter: by name.  within: the history in which it must have noticed, of those from 1 on.  first: the one with
    which a hunt begins, since those before notice nothing.
    """

    hunter: str
    within: int
    first: int = 1

    @property
    def histories(self) -> int:
        """How many are played at most."""
        return self.within - self.first + 1

    @property
    def seconds(self) -> float:
        """About how long it may take to notice."""
        return self.histories / HUNTERS[self.hunter].pace


@dataclass(frozen=True)
class Safeguard:
    """One that is removed.

    name: in a few words.  places: that it is.  protects: in a sentence, for users.  promise: which of G1 to G8.
    hunts: who must notice.
    """

    name: str
    places: tuple[Place, ...]
    protects: str
    promise: str
    hunts: tuple[Hunt, ...]

    @classmethod
    def load(cls, entry: Mapping[str, Any]) -> Safeguard:
        """One of a file's. Raises TypeError for a field that there is none of."""
        known = dict(entry)
        place = Place(known.pop("file"), known.pop("find"), known.pop("replace"))
        more = [Place(**{"file": place.file, **one}) for one in known.pop("also", ())]
        hunts = tuple(Hunt(**one) for one in known.pop("hunts"))
        return cls(places=(place, *more), hunts=hunts, **known)

    def removed(self) -> Mapping[str, str]:
        """The text of its files without it, by name."""
        texts: dict[str, str] = {}
        for place in self.places:
            source = texts.get(place.file) or (SOURCE / place.file).read_text("utf-8")
            count = source.count(place.find)
            if count != 1:
                where = f"its place stands {count} times in {place.file}"
                raise Wrong(
                    f"the safeguard {self.name!r}: {where}: move its entry in tests/mutants/catalogue"
                )
            texts[place.file] = source.replace(place.find, place.replace)
        return texts

    def check(self) -> None:
        """Raise Wrong if it can't be obeyed."""
        hunters = [hunt.hunter for hunt in self.hunts]
        if self.promise not in PROMISES or not hunters or len({*hunters} & HUNTERS.keys()) != len(hunters):
            raise Wrong(f"{self.name}: no such promise or hunter, or one twice")
        for hunt in self.hunts:
            if not 1 <= hunt.first <= hunt.within:
                raise Wrong(f"{self.name}: {hunt.hunter} can't begin or end there")
        if not self.protects.endswith(".") or any(place.find == place.replace for place in self.places):
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
        sections.append(Section(content["title"], tuple(map(Safeguard.load, content["safeguard"]))))
    found = [one for section in sections for one in section.safeguards]
    for one in found:
        one.check()
    if len({one.name for one in found}) != len(found):
        raise Wrong("two entries have one name")
    return sections


def load() -> list[Safeguard]:
    """All of them, of all sections. Raises Wrong."""
    return [one for section in read() for one in section.safeguards]


def hunts(safeguards: list[Safeguard]) -> Iterator[tuple[Safeguard, Hunt]]:
    """Each with each of its hunts."""
    return ((one, hunt) for one in safeguards for hunt in one.hunts)
