"""The package in Chromium: by script tags and from a bundle, both under a strict policy, and as a native module."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from livecollections.testing import Site
from tests.demo.window import chromium

from .conftest import MODULES
from .site import make


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def built(project: Path, tmp_path: Path) -> Path:
    """A bundle of the app, and an ES build of Backbone, which has none of its own."""
    # Faye's sources name the global object as Node does.
    options = ("--format=iife", "--define:global=globalThis")
    bundle(project, tmp_path / "built" / "bundled.js", "bundled.js", *options)
    backbone = "node_modules/backbone/backbone.js"
    bundle(project, tmp_path / "built" / "backbone.js", backbone, "--format=esm")
    return tmp_path / "built"


def bundle(project: Path, target: Path, entry: str, *options: str) -> None:
    """Run esbuild; it must have nothing to warn of."""
    run = subprocess.run(
        [MODULES / ".bin" / "esbuild", entry, "--bundle", "--minify", "--log-level=warning",
         f"--outfile={target}", *options],
        cwd=project, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")


@pytest.fixture
def live_app(built: Path) -> Any:
    return make(built)


def opened(browser: Browser, address: str) -> tuple[Page, list[str]]:
    """A page, and what its console and the policy complain of."""
    page = browser.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "console",
        lambda message: faults.append(message.text) if message.type in ("error", "warning") else None,
    )
    page.goto(address)
    return page, faults


@pytest.mark.parametrize(
    ("name", "global_names"), [("tags", "Backbone _ LiveCollection"), ("bundled", ""), ("module", "")]
)
def test_a_page_becomes_live_and_hears_a_push(
    browser: Browser, live_site: Site, name: str, global_names: str
) -> None:
    with httpx.Client(base_url=live_site.url) as client:
        assert client.post("/api/todos", json={"title": "milk"}).status_code == 201
        page, faults = opened(browser, f"{live_site.url}/{name}.html")
        assert faults == []
        titles = page.locator("#titles > li")
        expect(page.locator("#state")).to_have_text("live")
        expect(titles).to_have_text(["milk"])
        assert client.post("/api/todos", json={"title": "bread"}).status_code == 201
        expect(titles).to_have_text(["milk", "bread (pushed)"])
        page.click("#create")
        expect(titles).to_have_count(3)
        expect(titles.last).to_contain_text("tea")
        assert [row["title"] for row in client.get("/api/todos").json()] == ["milk", "bread", "tea"]
        expect(page.locator("#globals")).to_have_text(global_names)
        expect(page.locator("#plain")).to_have_text("true")
        assert faults == []
        page.close()


def test_the_policy_is_in_force(browser: Browser, live_site: Site) -> None:
    page, faults = opened(browser, f"{live_site.url}/inline.html")
    expect(page.locator("#state")).to_have_text("off")
    assert [fault for fault in faults if "Content Security Policy" in fault]
    page.close()
