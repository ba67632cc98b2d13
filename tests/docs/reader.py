"""The folder of somebody who reads the tutorial, and copies from the text of its pages alone.

Three rules, which its first page tells: a page shows each file whole; a file's first part begins it anew, and each
further one goes below the one before; the paragraph above a part names its file, unless the part before was of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from docs.pages import DOCS, parse

from ..command import ROOT

STEPS = ROOT / "examples" / "tutorial"
PAGES = sorted((DOCS / "tutorial").glob("*.md"))


class Lost(Exception):
    """A page says not where a block of code goes."""


def written(page: Path) -> dict[str, str]:
    """The files that a page shows, by their names in the reader's folder."""
    files: dict[str, list[str]] = {}
    above = last = ""
    for token in parse(page):
        if token.type == "inline":
            above = token.content
        if token.type != "fence" or token.info == "sh":
            continue
        name = _name(page, token.info)
        if name != last and f"`{name}`" not in above:
            raise Lost(f"{page.name}: nothing above the block names {name}: {above}")
        files.setdefault(name, []).append(token.content)
        last = name
    return {name: "\n\n".join(parts) for name, parts in files.items()}


def _name(page: Path, info: str) -> str:
    number = page.name.partition("-")[0]
    found = re.fullmatch(rf"\w+ examples/tutorial/step{number}/(\S+)", info)
    if found is None:
        raise Lost(f"{page.name}: a block of {info} is of no file of step {number}")
    return found[1]


def copy(pages: Iterable[Path], folder: Path) -> None:
    """Do what the reader does, page after page."""
    for page in pages:
        for name, text in written(page).items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text, "utf-8")


def lines(folder: Path) -> dict[str, list[str]]:
    """The lines of each file in a folder, without the blank ones: how many are between two parts no page says."""
    return {
        path.relative_to(folder).as_posix(): [line for line in path.read_text("utf-8").splitlines() if line]
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    }
