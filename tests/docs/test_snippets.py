"""Every snippet of the documentation is run: as part of a file that a test runs, or here as it stands.

``snippets.toml`` has what a snippet needs that its page does not show, and the few commands that no test can run.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import sys
import tomllib
from collections.abc import Iterator
from contextlib import AsyncExitStack
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from playwright.sync_api import Browser, Route

from docs.pages import Snippet, found_pages, links, parse, snippets
from examples import todos
from livecollections import Live
from livecollections.bayeux import Policy, Server
from livecollections.testing import Site

from ..command import ROOT
from ..demo.window import chromium

SETTINGS: dict[str, Any] = tomllib.loads(Path(__file__).with_name("snippets.toml").read_text("utf-8"))
TESTED: dict[str, str] = SETTINGS["files"]
MORE = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")
PAGES = [*found_pages().values(), *(ROOT / name for name in MORE)]
SNIPPETS = [each for page in PAGES for each in snippets(page)]
LIBRARIES = (
    "jquery/jquery.min.js", "underscore/underscore-umd-min.js", "backbone/backbone-min.js", "faye/faye-browser-min.js",
)  # fmt: skip
VENDOR = ROOT / "src/livecollections/demo/static/vendor"
AWAITED = inspect.CO_COROUTINE
DATA = {
    "", "caddy", "css", "dockerfile", "haproxy", "http", "ini",
    "json", "nginx", "sql", "systemd", "text", "toml", "yaml",
}  # fmt: skip
"""Languages of what is output, configuration or data."""
WHEN_LIVE = (
    "return typeof todos === 'object' && todos.whenLive ? todos.whenLive().then(() => 'live') : 'ran';"
)
HEAD = re.compile(r'\A""".*?"""\n', re.DOTALL)
"""What a file says of itself."""
RUN = {"python", "js", "html", "sh", "typescript"}


def of(*languages: str) -> list[Snippet]:
    """Snippets that stand for themselves, of no file."""
    return [each for each in SNIPPETS if each.language in languages and not each.file and not elsewhere(each)]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def elsewhere(snippet: Snippet) -> bool:
    """Whether a test of its own runs the whole page."""
    return name_of(snippet.page) in SETTINGS["pages"]


def before(language: str, snippet: Snippet) -> str:
    """What the snippets of a page need."""
    return str(SETTINGS[language].get(name_of(snippet.page), ""))


def test_every_language_is_known() -> None:
    unknown = [f"{each}: {each.language}" for each in SNIPPETS if each.language not in RUN | DATA]
    assert not unknown, "code is written as python, js, html or sh; output and configuration as one of DATA"


def test_every_test_that_is_named_is_there() -> None:
    for test in {*TESTED.values(), *SETTINGS["pages"].values()}:
        assert (ROOT / test).is_file(), test


@pytest.mark.parametrize("snippet", [each for each in SNIPPETS if each.file], ids=str)
def test_a_snippet_of_a_file_is_in_it_and_the_file_is_tested(snippet: Snippet) -> None:
    text = (ROOT / snippet.file).read_text("utf-8")
    assert lines(snippet.text) in lines(text), f"it is not in {snippet.file}"
    assert any(fnmatch(snippet.file, pattern) for pattern in TESTED), (
        f"no test is named for {snippet.file} in tests/docs/snippets.toml"
    )


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_that_shows_a_part_leads_to_the_whole(page: Path) -> None:
    shown: dict[str, str] = {}
    for each in SNIPPETS:
        if each.page == page and each.file:
            shown[each.file] = shown.get(each.file, "") + each.text
    led_to = {(page.parent / link).resolve() for link in links(parse(page))}
    for file, text in shown.items():
        whole = HEAD.sub("", (ROOT / file).read_text("utf-8"))
        is_whole = set(whole.splitlines()) <= set(text.splitlines())
        assert is_whole or ROOT / file in led_to, f"{file} is shown in part, without a link to it"


def lines(text: str) -> str:
    """Text whose indentation does not count: a page shows a part of a function as it likes."""
    return "\n".join(line.strip() for line in text.strip().splitlines())


# Python


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """What the snippets' clients speak to: todos, and plain channels under /demo."""
    opened = Server(policy=Policy(subscribe=["/demo/**"], publish=["/demo/**"]))
    live = Live("sqlite://", bayeux=opened)
    live.add_resource("/api/todos", todos.Todo)
    live.add_resource("/api/tasks", todos.Todo)
    with Site(live) as site:
        yield site


@pytest.mark.parametrize("snippet", of("python"), ids=str)
def test_python_runs(snippet: Snippet, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "sqlite://")
    monkeypatch.setitem(sys.modules, "shop", todos)
    prelude = compiled(before("python", snippet), snippet)
    code = compiled(snippet.text.replace("http://127.0.0.1:8000", site.url), snippet)
    names: dict[str, Any] = {"__name__": "snippet"}
    exec(prelude, names)
    if code.co_flags & AWAITED or names.get("is_within"):
        asyncio.run(awaited(code, names))
    else:
        exec(code, names)
    if isinstance(live := names.get("live"), Live) and not re.search("(postgresql|mongodb)://", snippet.text):
        asyncio.run(started(live))


def compiled(text: str, snippet: Snippet) -> CodeType:
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code: CodeType = compile(text, str(snippet), "exec", flags=flags, dont_inherit=True)
    return code


async def awaited(code: CodeType, names: dict[str, Any]) -> None:
    """Run it on a loop, within what its prelude opens."""
    async with asyncio.timeout(20), AsyncExitStack() as stack:
        if "around" in names:
            await stack.enter_async_context(names["around"]())
        result = eval(code, names)
        if inspect.iscoroutine(result):
            await result


async def started(live: Live) -> None:
    """Its models and options are read at the start; a wrong one ends it."""
    if live._started is None:
        async with live:
            pass


# JavaScript


def blank(route: Route) -> None:
    """A page of the site's origin, with no policy against scripts in it."""
    route.fulfill(content_type="text/html", body="<!doctype html>")


def heard(faults: list[str], error: object) -> None:
    faults.append(str(error))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def test_javascript_runs(browser: Browser, site: Site) -> None:
    """All in one test, since each needs a page and no more."""
    for snippet in of("js"):
        page = browser.new_page()
        faults: list[str] = []
        page.on("pageerror", partial(heard, faults))
        page.route(f"{site.url}/page", blank)
        page.goto(f"{site.url}/page")
        for library in LIBRARIES:
            page.add_script_tag(path=VENDOR / library)
        page.add_script_tag(url=f"{site.url}/live/livecollections.js")
        whole = f"() => {{ {before('js', snippet)}\n{snippet.text}\n{WHEN_LIVE} }}"
        assert page.evaluate(whole) in ("live", "ran"), snippet
        assert faults == [], snippet
        page.close()
