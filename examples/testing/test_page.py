"""Tests of a Backbone page in a browser: two windows, one of them on a network that fails.

Run it: python -m pytest examples/testing/test_page.py (with Playwright, and Chromium)
"""

import shutil

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from livecollections.demo import create_app


@pytest.fixture
def live_app():
    return create_app()


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


def test_a_window_that_was_offline_catches_up(live_site, live_proxy, browser: Browser):
    ours, theirs = browser.new_page(), browser.new_page()
    ours.goto(live_site.url)
    theirs.goto(live_proxy.url)
    for title in ("milk", "bread"):
        ours.fill(".new-todo", title)
        ours.press(".new-todo", "Enter")
    expect(theirs.locator(".todo-list li")).to_have_text(["milk", "bread"])
    live_proxy.offline()
    ours.locator(".todo-list li").first.hover()
    ours.locator(".todo-list .destroy").first.click()
    expect(ours.locator(".todo-list li")).to_have_text(["bread"])
    live_site.sql("UPDATE todo SET title = 'toast'")
    live_proxy.heal()
    expect(theirs.locator(".todo-list li")).to_have_text(["toast"])
    ours.close()
    theirs.close()
