"""The package in Chromium: by script tags and from a bundle, both under a strict policy, and as a native module."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.demo.window import CHROMIUM, SWITCHES
from tests.serving import served

from .conftest import MODULES
from .site import make


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        await browser.close()


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
async def address(built: Path, tmp_path: Path) -> AsyncIterator[str]:
    _, app = make(tmp_path / "todos.db", built)
    async with served(app) as address:
        yield address


async def opened(browser: Browser, address: str) -> tuple[Page, list[str]]:
    """A page, and what its console and the policy complain of."""
    page = await browser.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "console",
        lambda message: faults.append(message.text) if message.type in ("error", "warning") else None,
    )
    await page.goto(address)
    return page, faults


@pytest.mark.parametrize(
    ("name", "global_names"), [("tags", "Backbone _ LiveCollection"), ("bundled", ""), ("module", "")]
)
async def test_a_page_becomes_live_and_hears_a_push(
    browser: Browser, address: str, name: str, global_names: str
) -> None:
    async with httpx.AsyncClient(base_url=address) as client:
        assert (await client.post("/api/todos", json={"title": "milk"})).status_code == 201
        page, faults = await opened(browser, f"{address}/{name}.html")
        assert faults == []
        titles = page.locator("#titles > li")
        await expect(page.locator("#state")).to_have_text("live")
        await expect(titles).to_have_text(["milk"])
        assert (await client.post("/api/todos", json={"title": "bread"})).status_code == 201
        await expect(titles).to_have_text(["milk", "bread (pushed)"])
        await page.click("#create")
        await expect(titles).to_have_count(3)
        await expect(titles.last).to_contain_text("tea")
        assert [row["title"] for row in (await client.get("/api/todos")).json()] == ["milk", "bread", "tea"]
        await expect(page.locator("#globals")).to_have_text(global_names)
        await expect(page.locator("#plain")).to_have_text("true")
        assert faults == []


async def test_the_policy_is_in_force(browser: Browser, address: str) -> None:
    page, faults = await opened(browser, f"{address}/inline.html")
    await expect(page.locator("#state")).to_have_text("off")
    assert [fault for fault in faults if "Content Security Policy" in fault]
