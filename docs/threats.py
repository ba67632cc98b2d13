"""What attackers try, and what stands against it: ``python -m docs.threats`` writes ``docs/topics/threats.md``.

The rows are in ``docs/threats.toml``, each with the tests that guard it. The page is never edited: a test draws it
again and compares, and finds each test that is named.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from .conformance import named, rows

DATA = Path(__file__).parent / "threats.toml"
PAGE = Path(__file__).parent / "topics" / "threats.md"

HEAD = """\
# Threats

What attackers try, what stands against it, and what is left to who runs it: {count} threats, each tried on a product
that serves. The tests that guard each are named beside it.
This page is made from `docs/threats.toml` (`python -m docs.threats`), and a test finds each test that it names.
How to run it safely is on [Users, rights and partitions](security.md).
"""
TABLE = """\
| Threat | What stands against it | Guarded by |
|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Threat:
    """One thing that is tried.

    guard: what stands against it.  tests: those that show that, as pytest names them.  yours: what is left to who
    runs it.
    """

    area: str
    says: str
    guard: str
    tests: Sequence[str]
    yours: str = ""


def read(data: Path = DATA) -> list[Threat]:
    """All threats, in their order. Raises TypeError for a field that there is not."""
    return [Threat(**each) for each in tomllib.loads(data.read_text("utf-8"))["threat"]]


def draw(threats: Sequence[Threat]) -> str:
    """The page."""
    parts = [HEAD.format(count=len(threats))]
    for area, found in groupby(threats, key=lambda each: each.area):
        parts.append(rows(f"## {area}\n\n{TABLE}", (_row(each) for each in found)))
    return "\n".join(parts)


def _row(threat: Threat) -> list[str]:
    yours = f" *Yours:* {threat.yours}" if threat.yours else ""
    return [threat.says, threat.guard + yours, "; ".join(named(threat.tests))]


if __name__ == "__main__":
    PAGE.write_text(draw(read()), "utf-8")
