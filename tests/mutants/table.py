"""The table of docs/topics/reliability.md: each safeguard, who noticed that it was gone, and in which history.

One rule: it is the page's last section, and is never edited. Only the numbers that were measured are not in the
catalogue.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from ..command import ROOT
from .catalogue import Safeguard, Section
from .hunters import HUNTERS

PAGE = ROOT / "docs" / "topics" / "reliability.md"
HEADING = "## The safeguards\n"
NEVER = "–"
_ROW = re.compile(r"^\| ([^|]+) \| [^|]* \| G\d \| ([^|]*) \|$", re.M)
_FOUND = re.compile(r"(\w+) (\d+) of \d+")

HEAD = """\
{count} of them, in the order of a change's way. Each was taken out of a copy of the package, and histories were played
until one went wrong. `simulation 3 of 20` says that its third history noticed when it was measured last, and that the
build fails if none of the first 20 does. A hunt that is slow begins with the history that noticed. `make mutants` hunts
them all and writes these tables.

What plays the histories, and of how many safeguards the removal must be noticed by it:

{hunters}
"""
COLUMNS = """\
| Safeguard | What it is for | Promise | Noticed by |
|---|---|---|---|
"""


Numbers = Mapping[tuple[str, str], int]
"""By the names of a safeguard and a hunter: the history that noticed."""


def draw(sections: Sequence[Section], found: Numbers) -> str:
    """The section of the page."""
    safeguards = [one for section in sections for one in section.safeguards]
    used = Counter(hunt.hunter for one in safeguards for hunt in one.hunts)
    hunters = "\n".join(f"- **{name}** ({used[name]}): {each.title}" for name, each in HUNTERS.items())
    parts = [HEADING, HEAD.format(count=len(safeguards), hunters=hunters)]
    for section in sections:
        rows = "".join(
            f"| {one.name} | {one.protects} | {one.promise} | {_noticed(one, found)} |\n"
            for one in section.safeguards
        )
        parts.append(f"### {section.title}\n\n{COLUMNS}{rows}")
    return "\n".join(parts)


def _noticed(safeguard: Safeguard, found: Numbers) -> str:
    return ", ".join(
        f"{hunt.hunter} {found.get((safeguard.name, hunt.hunter), NEVER)} of {hunt.within}"
        for hunt in safeguard.hunts
    )


def measured(page: str) -> dict[tuple[str, str], int]:
    """The numbers that a page has."""
    return {
        (name, hunter): int(number)
        for name, noticed in _ROW.findall(page)
        for hunter, number in _FOUND.findall(noticed)
    }


def put(page: str, section: str) -> str:
    """The page with this section as its last."""
    prose, heading, _ = page.partition(HEADING)
    assert heading, f"{PAGE.name} has no {HEADING.strip()!r}"
    return prose + section
