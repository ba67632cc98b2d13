"""The pages as they are written: their headings, their links and their snippets of code.

One rule: pages are CommonMark with tables and no HTML, so that they read well unbuilt, too.
Building them is ``build.py``'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

DOCS = Path(__file__).parent
ROOT = DOCS.parent


@dataclass(frozen=True, slots=True)
class Snippet:
    """A block of code: its language, the file that it says it is part of, and where it stands."""

    page: Path
    line: int
    language: str
    file: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def found_pages() -> dict[str, Path]:
    """All pages of the site by name: "index", "topics/testing"."""
    return {page.relative_to(DOCS).with_suffix("").as_posix(): page for page in sorted(DOCS.rglob("*.md"))}


def parse(page: Path) -> list[Token]:
    """A page's tokens, its headings with ids by which links find them."""
    tokens = MarkdownIt("commonmark", {"html": False}).enable("table").parse(page.read_text("utf-8"))
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            opening.attrSet("id", slug(inline.content))
    return tokens


def slug(heading: str) -> str:
    """The id of a heading, made as forges make it."""
    words = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
    return words.replace(" ", "-")


def links(tokens: Sequence[Token]) -> Iterator[str]:
    """Where a page's links and pictures lead."""
    for token in tokens:
        if token.type in ("link_open", "image"):
            yield str(token.attrGet("href") or token.attrGet("src") or "")
        yield from links(token.children or ())


def anchors(tokens: Sequence[Token]) -> set[str]:
    """The ids of a page's headings."""
    return {str(token.attrGet("id")) for token in tokens if token.type == "heading_open"}


def broken_links(page: Path) -> list[str]:
    """Sentences on the links of a page to files and headings that do not exist."""
    faults = []
    for link in links(parse(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            faults.append(f"{page.name}: {link} leads nowhere")
        elif anchor and anchor not in anchors(parse(target)):
            faults.append(f"{page.name}: {link} names no heading of {target.name}")
    return faults


def snippets(page: Path) -> Iterator[Snippet]:
    """A page's blocks of code. ``{directives}`` of Sphinx are none."""
    for token in parse(page):
        if token.type == "fence" and token.map and not token.info.startswith("{"):
            language, _, file = token.info.partition(" ")
            yield Snippet(page, token.map[0] + 1, language, file, token.content)
