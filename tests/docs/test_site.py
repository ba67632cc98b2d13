"""The built site: whole without a network, each link leads somewhere, and the reference has what is public."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer

import livecollections
from docs import build, links
from docs.pages import found_pages
from livecollections import bayeux, testing
from livecollections.cli import cli
from livecollections.rest import cors


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built once for all tests here."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    assert build.build(folder) == []
    return folder


def test_every_page_is_built_and_in_the_menu(site: Path) -> None:
    pages = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")}
    assert set(found_pages()) <= pages
    menu = (site / "index.html").read_text("utf-8")
    sidebar = menu[menu.index('class="sidebar-tree"') : menu.index('<div class="main">')]
    named = [link.removesuffix(".html") for link in re.findall(r'href="([^"#]+\.html)"', sidebar)]
    assert sorted(named) == sorted(set(found_pages()) - {"index"}), "each is there once"


def test_the_search_knows_every_page(site: Path) -> None:
    index = (site / "searchindex.js").read_text("utf-8")
    known = json.loads(index.removeprefix("Search.setIndex(").removesuffix(")"))["docnames"]
    assert set(known) == set(found_pages())


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    for page, module in (("api", livecollections), ("bayeux", bayeux), ("testing", testing)):
        text = (site / "reference" / f"{page}.html").read_text("utf-8")
        text += (site / "reference" / "errors.html").read_text("utf-8")
        for name in module.__all__:
            if not name.startswith("__"):
                assert re.search(rf'id="livecollections[\w.]*\.{name}"', text), f"{name} is in no reference"


def test_every_command_and_header_is_in_the_reference(site: Path) -> None:
    commands = (site / "reference" / "cli.html").read_text("utf-8")
    for name in typer.main.get_command(cli).commands:  # type: ignore[attr-defined]
        assert f'id="livecollections-{name}"' in commands, name
    headers = (site / "reference" / "headers.html").read_text("utf-8")
    for name in cors.EXPOSED.decode().split(", "):
        assert f'<span class="pre">{name}</span></code>' in headers, name


def test_a_warning_ends_the_build(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "index.md").write_text("# Here\n\n[there](nowhere.md)\n")
    [fault] = build.build(tmp_path / "site", source)
    assert "nowhere.md" in fault


def test_what_leads_nowhere_or_elsewhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.html").write_text('<h1 id="one">One</h1>')
    (tmp_path / "page.html").write_text(
        '<a href="other.html#one"><a href="other.html#two"><a href="third.html"><a href="https://example.org">'
        '<a href="#three"><img src="picture.png"><script src="https://example.org/script.js"></script>'
    )
    (tmp_path / "page.css").write_text('@import "https://example.org/a.css"; b { background: url(b.png) }')
    assert [fault.partition(": ")[2] for fault in links.faults(tmp_path)] == [
        "https://example.org/script.js is loaded from elsewhere",
        "#three names nothing in page.html",
        "other.html#two names nothing in other.html",
        "picture.png leads nowhere",
        "third.html leads nowhere",
        "https://example.org/a.css is loaded from elsewhere",
    ]
