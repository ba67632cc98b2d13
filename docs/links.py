"""The built site looked through: each link leads somewhere in it, and nothing is loaded from elsewhere.

Only the files are looked at; no network is asked, so where links to other sites lead is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "link": "href"}
"""What a browser fetches by itself, and by which attribute."""
DOWNLOADS = "_downloads"
"""Where Sphinx puts the files beside the pages to which they link."""


@dataclass
class Found(HTMLParser):
    """What one page has: ids to be found by, links, and what it loads."""

    ids: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    loads: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One more element."""
        given = dict(attrs)
        if name := given.get("id"):
            self.ids.add(name)
        for attribute, found in (("href", self.links), ("src", self.links)):
            if value := given.get(attribute):
                found.add(value)
        if value := given.get(LOADED.get(tag, "")):
            self.loads.add(value)


def faults(site: Path) -> list[str]:
    """Sentences on what is wrong in a built site. Files that are there to be kept are no pages of it."""
    found = sorted(path for path in site.rglob("*.html") if DOWNLOADS not in path.relative_to(site).parts)
    pages = {path: _read(path) for path in found}
    return [fault for path in pages for fault in _page_faults(site, path, pages)] + list(_style_faults(site))


def _read(path: Path) -> Found:
    found = Found()
    found.feed(path.read_text("utf-8"))
    return found


def _page_faults(site: Path, path: Path, pages: dict[Path, Found]) -> Iterator[str]:
    name = path.relative_to(site)
    for link in sorted(pages[path].loads):
        if urlsplit(link).netloc:
            yield f"{name}: {link} is loaded from elsewhere"
    for link in sorted(pages[path].links):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if not target.is_file():
            yield f"{name}: {link} leads nowhere"
        elif parts.fragment and unquote(parts.fragment) not in _ids(target, pages):
            yield f"{name}: {link} names nothing in {target.name}"


def _ids(target: Path, pages: dict[Path, Found]) -> set[str]:
    return pages[target].ids if target in pages else set()


def _style_faults(site: Path) -> Iterator[str]:
    for path in sorted(site.rglob("*.css")):
        for link in re.findall(r"(?:url\(|@import)\s*['\"]?([^'\")\s;]+)", path.read_text("utf-8")):
            if urlsplit(link).netloc:
                yield f"{path.relative_to(site)}: {link} is loaded from elsewhere"
