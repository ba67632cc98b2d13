"""The tutorial, step by step: each step's folder is served as its page says, and does what its page says.

Two of its pages are photographed: ``LIVE_PICTURES=1`` puts the pictures into docs/images.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ..command import ROOT, command
from ..demo.window import CHROMIUM, OUTPUT, SWITCHES

STEPS = ROOT / "examples" / "tutorial"
IMAGES = ROOT / "docs" / "images"
STREAM = {"Accept": "text/event-stream"}
PASSWORD = "correct horse"
PLUGINS = ("-p", "pytest_asyncio.plugin", "-p", "livecollections.testing.plugin")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        browser.close()


def folder_of(number: int, folder: Path) -> Path:
    """What a reader has in his folder after a step: what the step changes, over what was there."""
    for step in range(1, number + 1):
        shutil.copytree(STEPS / f"step{step}", folder, dirs_exist_ok=True)
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    return folder


@contextmanager
def served(number: int, folder: Path) -> Iterator[httpx.Client]:
    """A step at work."""
    with (
        command("run", "groceries:app", "--port", "0", cwd=folder_of(number, folder)) as run,
        httpx.Client(base_url=run.address()) as client,
    ):
        yield client


def window(browser: Browser, address: str, **options: Any) -> Page:
    """A window of a context of its own."""
    context = browser.new_context(viewport={"width": 560, "height": 420}, **options)
    page = context.new_page()
    page.goto(address)
    return page


def sql(folder: Path, *statements: str) -> None:
    """Write past the server."""
    with sqlite3.connect(folder / "groceries.db") as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def picture(image: bytes, name: str) -> None:
    """Keep a picture, below tests/output, and in docs/images where that is asked for; it is as large as that there."""
    folder = IMAGES if os.environ.get("LIVE_PICTURES") else OUTPUT
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(image)
    assert image[16:24] == (IMAGES / name).read_bytes()[16:24], "the size is that of the one in docs/images"


def test_1_a_table_is_heard_whoever_writes(tmp_path: Path) -> None:
    with served(1, tmp_path) as client:
        created = client.post("/api/items", json={"name": "milk"})
        assert (created.status_code, created.json()) == (201, {"id": 1, "name": "milk", "bought": False})
        assert created.headers["Live-Seq"]
        assert client.patch("/api/items/1", json={"bought": True}).json()["bought"] is True
        with client.stream("GET", "/api/items", headers=STREAM) as stream:
            lines = (line for line in stream.iter_lines() if line.startswith("data:"))
            sql(
                tmp_path,
                "insert into item (name, bought) values ('bread', false)",
                "update item set name = upper(name)",
            )
            assert '"method":"POST"' in next(line for line in lines if '"bread"' in line)
            updated = [next(lines), next(lines)]
    assert ['"name":"MILK"' in updated[0], '"name":"BREAD"' in updated[1]] == [True, True]
    assert all('"method":"PUT"' in line for line in updated)


def test_2_a_page_follows(tmp_path: Path, browser: Browser) -> None:
    with served(2, tmp_path) as client:
        ours, theirs = (window(browser, str(client.base_url)) for _ in range(2))
        for name in ("milk", "bread"):
            ours.get_by_placeholder("What is missing?").fill(name)
            ours.get_by_role("button", name="Add").click()
        expect(theirs.locator("li")).to_have_text(["milk", "bread"])
        sql(tmp_path, "insert into item (name, bought) values ('eggs', true)")
        expect(ours.locator("li")).to_have_text(["milk", "bread", "eggs"])
        expect(ours.locator("li.bought")).to_have_text(["eggs"])
        theirs.locator("li", has_text="milk").click()
        expect(ours.locator("li.bought")).to_have_text(["milk", "eggs"])
        theirs.locator("li", has_text="milk").click()
        expect(ours.locator("li.bought")).to_have_text(["eggs"])
        picture(ours.screenshot(), "tutorial-page.png")


def test_3_rules_refuse_and_stamp(tmp_path: Path) -> None:
    with served(3, tmp_path) as client:
        for wrong in ({"name": ""}, {"name": "milk", "bought_at": None}):
            refused = client.post("/api/items", json=wrong)
            assert (refused.status_code, bool(refused.json()["errors"])) == (422, True)
        assert client.post("/api/items", json={"name": "milk", "bought": True}).json()["bought_at"]
        client.post("/api/items", json={"name": "bread"})
        assert client.get("/missing").json() == {"missing": 1}
        with client.stream("GET", "/api/items", headers=STREAM) as stream:
            lines = stream.iter_lines()
            assert client.post("/home").status_code == 204
            assert '"method":"DELETE"' in next(line for line in lines if line.startswith("data:"))


def joined(client: httpx.Client, name: str) -> dict[str, str]:
    """Somebody joins and logs in; the headers that make him known."""
    given = {"name": name, "password": PASSWORD}
    assert client.post("/people", json=given).status_code == 201
    token = client.post("/login", json=given).json()["token"]
    return {"Authorization": f"Bearer {token}"}


def log_in(page: Page, name: str) -> None:
    """Fill in the page's form."""
    page.get_by_placeholder("Name").fill(name)
    page.get_by_placeholder("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_function("items && items.live === 'live'")


def test_4_each_has_his_own(tmp_path: Path, browser: Browser) -> None:
    with served(4, tmp_path) as client:
        ann, bob = joined(client, "ann"), joined(client, "bob")
        assert client.post("/people", json={"name": "ann", "password": PASSWORD}).status_code == 409
        assert client.post("/login", json={"name": "ann", "password": "wrong horse"}).status_code == 401
        assert client.get("/api/items").status_code == 401
        written = client.post("/api/items", json={"name": "milk"}, headers=ann)
        assert client.get("/api/items", headers=bob).json() == []
        assert client.get(written.headers["Location"], headers=bob).status_code == 404
        page = window(browser, str(client.base_url))
        log_in(page, "bob")
        client.post("/api/items", json={"name": "hers"}, headers=ann)
        client.post("/api/items", json={"name": "his"}, headers=bob)
        expect(page.locator("li")).to_have_text(["his"])
        page.reload()
        expect(page.locator("li")).to_have_text(["his"])


def test_5_a_list_is_shared_and_taken_back(tmp_path: Path, browser: Browser) -> None:
    with served(5, tmp_path) as client:
        ann, bob = joined(client, "ann"), joined(client, "bob")
        assert client.get("/api/lists/ann/items", headers=bob).status_code == 403
        assert client.put("/guests/bob").status_code == 401
        assert client.put("/guests/bob", headers=ann).status_code == 204
        hers, his = (window(browser, f"{client.base_url}#ann") for _ in range(2))
        log_in(hers, "ann")
        log_in(his, "bob")
        for page, name in ((hers, "milk"), (his, "bread")):
            page.get_by_placeholder("What is missing?").fill(name)
            page.get_by_role("button", name="Add").click()
        for page in (hers, his):
            expect(page.locator("li")).to_have_text(["milk", "bread"])
        picture(hers.screenshot(), "tutorial-sharing.png")
        assert client.delete("/guests/bob", headers=ann).status_code == 204
        his.wait_for_function("items.live === 'refused'")
        client.post("/api/lists/ann/items", json={"name": "secret"}, headers=ann)
        expect(hers.locator("li")).to_have_text(["milk", "bread", "secret"])
        expect(his.locator("li")).to_have_text(["milk", "bread"])


def test_6_its_tests_pass(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *PLUGINS, "test_groceries.py"],
        cwd=folder_of(6, tmp_path),
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert "2 passed" in run.stdout
