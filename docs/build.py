"""Builds the documentation: each page of ``docs/**/*.md`` as HTML in ``docs/_site``, in the same folders, with a menu.

``PAGES`` is the menu's order; a page that it lacks, and a link that leads nowhere, end the build with a sentence.
Nothing is loaded from elsewhere.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

DOCS = Path(__file__).parent
SITE = DOCS / "_site"
PAGES = (
    "index",
    "quickstart",
    "ten-minutes",
    "concepts",
    "rest",
    "collection",
    "python",
    "bayeux",
    "conformance",
    "fastapi",
    "from-fastcrud",
    "from-baucis",
    "topics/baucis",
    "howto/serve",
    "deploy",
    "howto/configuration",
    "howto/logging",
    "howto/doctor",
    "capture",
    "topics/change-capture",
    "howto/postgresql",
    "howto/mongodb",
    "topics/security",
    "topics/webhooks",
    "topics/filters",
    "topics/testing",
    "topics/reliability",
    "topics/speed",
    "topics/simulation",
    "cli",
    "todomvc",
)

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --link: light-dark(#0b5394, #8ab4f8); }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 1.5rem; font: 1rem/1.6 system-ui, sans-serif; display: grid;
  grid-template-columns: 11rem minmax(0, 1fr); gap: 2.5rem; }
nav { font-size: .95rem; position: sticky; top: 1.5rem; align-self: start; }
nav a { display: block; padding: .15rem 0; color: inherit; text-decoration: none; }
nav a[aria-current] { font-weight: 600; }
a { color: var(--link); }
h1 { line-height: 1.2; margin-top: 0; }
h2 { margin-top: 2.2rem; border-bottom: 1px solid var(--line); }
h2 a, h3 a { color: inherit; text-decoration: none; }
code, pre { font: .9em/1.5 ui-monospace, monospace; background: var(--soft); border-radius: 4px; }
code { padding: .1em .3em; }
pre { padding: .8rem 1rem; overflow-x: auto; }
pre code { background: none; padding: 0; font-size: 1em; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top; }
img { max-width: 100%; }
@media (max-width: 45rem) { body { display: block; } nav { position: static; columns: 2; margin-bottom: 2rem; } }
"""


def markdown() -> MarkdownIt:
    """The one dialect that pages are written in: CommonMark with tables, no raw HTML."""
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def parse(page: Path) -> list[Token]:
    """A page's tokens, its headings with ids by which links find them."""
    tokens = markdown().parse(page.read_text("utf-8"))
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


def title(tokens: Sequence[Token]) -> str:
    """A page's first heading."""
    return next(inline.content for opening, inline in pairwise(tokens) if opening.type == "heading_open")


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


def found_pages() -> dict[str, Path]:
    """All pages by name: "index", "topics/testing"."""
    return {page.relative_to(DOCS).with_suffix("").as_posix(): page for page in sorted(DOCS.rglob("*.md"))}


def render(name: str, pages: dict[str, list[Token]]) -> str:
    """One page with the menu."""
    top = "../" * name.count("/")
    for token in walk(pages[name]):
        if token.type == "link_open":
            href = str(token.attrGet("href"))
            if not re.match(r"[a-z]+:", href):
                token.attrSet("href", re.sub(r"\.md(?=#|$)", ".html", href))
    menu = "".join(
        f'<a href="{top}{other}.html"{" aria-current=page" if other == name else ""}>{escape(title(tokens))}</a>'
        for other, tokens in pages.items()
    )
    parser = markdown()
    body = parser.renderer.render(pages[name], parser.options, {})
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title(pages[name]))}</title><link rel=stylesheet href={top}style.css>"
        f"<nav>{menu}</nav><main>{body}</main></html>\n"
    )


def walk(tokens: Sequence[Token]) -> Iterator[Token]:
    """Tokens and those inside them."""
    for token in tokens:
        yield token
        yield from walk(token.children or ())


def build(site: Path = SITE) -> list[str]:
    """Build all pages; the answer is what is wrong, in sentences."""
    found = found_pages()
    faults = [f"docs/{name}.md is not in PAGES" for name in sorted(found.keys() - set(PAGES))]
    faults += [f"docs/{name}.md is in PAGES, and missing" for name in sorted(set(PAGES) - found.keys())]
    for page in found.values():
        faults += broken_links(page)
    if faults:
        return faults
    shutil.rmtree(site, ignore_errors=True)
    site.mkdir(parents=True)
    (site / "style.css").write_text(STYLE.lstrip(), "utf-8")
    if (DOCS / "images").is_dir():
        shutil.copytree(DOCS / "images", site / "images")
    pages = {name: parse(found[name]) for name in PAGES}
    for name in PAGES:
        target = site / f"{name}.html"
        target.parent.mkdir(exist_ok=True)
        target.write_text(render(name, pages), "utf-8")
    return []


if __name__ == "__main__":
    wrong = build()
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(PAGES)} pages in {SITE.relative_to(DOCS.parent)}")
