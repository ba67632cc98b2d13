"""The inspector of a database that exists: whoever changes it, and whatever becomes of the server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.command import command
from tests.demo.window import chromium
from tests.ports import free_port

from . import shop

TOKEN = "a token of some length"
ROWS = ".grid tbody tr"
STATE = ".table .state"
ARGUMENTS = ("serve", "sqlite:///shop.db", "--table", "customer", "--table", "purchase", "--yes", "--port")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=15_000)
    with chromium() as browser:
        yield browser


@pytest.fixture
def here(tmp_path: Path) -> Path:
    shop.make(tmp_path / "shop.db")
    return tmp_path


def opened(browser: Browser, address: str, link: str) -> tuple[Page, list[str]]:
    """The page of customers, by the link to it; and what it asks of anybody else, or complains about."""
    page = browser.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "request",
        lambda asked: None if asked.url.startswith((address, "data:")) else faults.append(asked.url),
    )
    page.on(
        "console",
        lambda told: (
            faults.append(told.text) if told.type == "error" and "net::ERR" not in told.text else None
        ),
    )
    page.goto(link)
    page.get_by_role("navigation").get_by_role("link", name="/api/customer").click()
    expect(page.locator(STATE)).to_have_text("live")
    return page, faults


def test_it_follows_what_others_write_and_a_server_that_comes_back(browser: Browser, here: Path) -> None:
    port = str(free_port())
    with command(*ARGUMENTS, port, cwd=here) as serving:
        page, faults = opened(browser, serving.address(), serving.inspector())
        expect(page.locator("h1")).to_have_text("/api/customer")
        expect(page.locator(ROWS)).to_have_text(["2Bobnull", "1Annann@example.org"])
        shop.run(
            here / "shop.db",
            "insert into customer (name) values ('<b>Cid</b>'); update customer set email = 'b' where id = 2; "
            "delete from customer where id = 1",
        )
        expect(page.locator(ROWS)).to_have_text(["3<b>Cid</b>null", "2Bobb"])
        serving.stop()
        expect(page.locator(STATE)).not_to_have_text("live")
    shop.run(here / "shop.db", "update customer set name = 'Di' where id = 3")
    with command(*ARGUMENTS, port, cwd=here) as serving:
        serving.address()
        expect(page.locator(STATE)).to_have_text("live", timeout=10_000)
        expect(page.locator("#state")).to_have_text("live")
        expect(page.locator(ROWS)).to_have_text(["3Dinull", "2Bobb"])
        shop.run(here / "shop.db", "delete from customer")
        expect(page.locator(ROWS)).to_have_count(0)
    assert faults == []
    page.close()


def test_a_browser_asks_for_the_token_once(browser: Browser, here: Path) -> None:
    with command(*ARGUMENTS, "0", "--token", TOKEN, cwd=here) as serving:
        address = serving.address()
        context = browser.new_context(http_credentials={"username": "me", "password": TOKEN})
        page = context.new_page()
        page.goto(f"{address}/live#/api/purchase")
        expect(page.locator(STATE)).to_have_text("live")
        expect(page.locator(ROWS)).to_have_count(2)
        shop.run(here / "shop.db", "update purchase set number = 7 where number = 2")
        expect(page.locator(ROWS).nth(0)).to_contain_text("172")
        context.close()


def test_it_asks_nobody_else(browser: Browser, here: Path) -> None:
    with command(*ARGUMENTS, "0", cwd=here) as serving:
        address, link = serving.address(), serving.inspector()
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        for path in ("//elsewhere.example/api", "https://elsewhere.example", "api/customer", "/api/nothing"):
            page.goto("about:blank")
            page.goto(f"{link}#{path}")
            expect(page.locator("#state")).to_have_text("live")
            expect(page.locator("td")).to_have_count(0 if path.startswith("/") else 8)
        assert [url for url in asked if not url.startswith((address, "data:", "about:"))] == []
        page.close()
