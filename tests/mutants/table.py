"""The table of docs/topics/reliability.md: each safeguard, who noticed that it was gone, and after how many histories.

One rule: it is the page's last section, and is never edited. Only the numbers that were measured are not in the
catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..command import ROOT
from .catalogue import Section
from .hunters import HUNTERS

PAGE = ROOT / "docs" / "topics" / "reliability.md"
HEADING = "## The safeguards\n"
NEVER = "–"
_ROW = re.compile(r"^\| ([^|]+) \| [^|]* \| G\d \| [^|]* \| (\d+) \| \d+ \|$", re.M)

HEAD = """\
{count} of them, in the order of a change's way. Each was taken out of a copy of the package, and histories were played
until one went wrong. *Found* is how many that took when it was measured last, *within* how many it may take before the
build fails. `make mutants` hunts them all and writes these tables.

What plays the histories:

{hunters}
"""
COLUMNS = """\
| Safeguard | What it is for | Promise | Hunter | Found | Within |
|---|---|---|---|---|---|
"""


def draw(sections: Sequence[Section], found: Mapping[str, int]) -> str:
    """The section of the page. found: by name, after how many histories."""
    safeguards = [one for section in sections for one in section.safeguards]
    used = {one.hunter for one in safeguards}
    hunters = "\n".join(f"- **{name}**: {each.title}" for name, each in HUNTERS.items() if name in used)
    parts = [HEADING, HEAD.format(count=len(safeguards), hunters=hunters)]
    for section in sections:
        rows = "".join(
            f"| {one.name} | {one.protects} | {one.promise} | {one.hunter} | {found.get(one.name, NEVER)} "
            f"| {one.within} |\n"
            for one in section.safeguards
        )
        parts.append(f"### {section.title}\n\n{COLUMNS}{rows}")
    return "\n".join(parts)


def measured(page: str) -> dict[str, int]:
    """The numbers that a page has."""
    return {name: int(number) for name, number in _ROW.findall(page)}


def put(page: str, section: str) -> str:
    """The page with this section as its last."""
    prose, heading, _ = page.partition(HEADING)
    assert heading, f"{PAGE.name} has no {HEADING.strip()!r}"
    return prose + section
