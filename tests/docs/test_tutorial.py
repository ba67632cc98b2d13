"""The tutorial, step by step: what its pages say is served as they say, and does what they say.

Two of its pages are photographed: ``LIVE_PICTURES=1`` puts the pictures into docs/images.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from ..command import ROOT, command
from ..demo.window import OUTPUT, chromium
from .reader import PAGES, copy

IMAGES = ROOT / "docs" / "images"
STREAM = {"Accept": "text/event-stream"}
PASSWORD = "correct horse"
PLUGINS = ("-p", "pytest_asyncio.plugin", "-p", "livecollections.testing.plugin")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def folder_of(number: int, folder: Path) -> Path:
    """What a reader has in his folder after a step, and what npm has put there."""
    copy(PAGES[:number], folder)
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


def come_in(page: Page, name: str, by: str) -> None:
    """Fill in the page's form. by: which of its buttons."""
    page.get_by_placeholder("Name").fill(name)
    page.get_by_placeholder("Password").fill(PASSWORD)
    page.get_by_role("button", name=by).click()
    page.wait_for_function("items && items.live === 'live'")


def heard(told: list[str], dialog: Dialog) -> None:
    """Keep what a dialog says, and close it."""
    told.append(dialog.message)
    dialog.accept()


def fill(page: Page, placeholder: str, text: str, button: str) -> None:
    """Fill in another."""
    page.get_by_placeholder(placeholder).fill(text)
    page.get_by_role("button", name=button).click()


def test_4_each_has_his_own(tmp_path: Path, browser: Browser) -> None:
    with served(4, tmp_path) as client:
        ann, bob = joined(client, "ann"), joined(client, "bob")
        assert client.post("/people", json={"name": "ann", "password": PASSWORD}).status_code == 409
        assert client.post("/login", json={"name": "ann", "password": "wrong horse"}).status_code == 401
        assert client.get("/api/items").status_code == 401
        written = client.post("/api/items", json={"name": "milk"}, headers=ann)
        assert client.get("/api/items", headers=bob).json() == []
        assert client.get(written.headers["Location"], headers=bob).status_code == 404
        his, cleos = (window(browser, str(client.base_url)) for _ in range(2))
        come_in(his, "bob", by="Log in")
        come_in(cleos, "cleo", by="Join")
        client.post("/api/items", json={"name": "hers"}, headers=ann)
        client.post("/api/items", json={"name": "his"}, headers=bob)
        expect(his.locator("li")).to_have_text(["his"])
        his.reload()
        expect(his.locator("li")).to_have_text(["his"])
        fill(cleos, "What is missing?", "Cleo's", "Add")
        expect(cleos.locator("li")).to_have_text(["Cleo's"])

        # What is wrong is said, and a token that counts no more is asked for again.
        page = window(browser, str(client.base_url))
        told: list[str] = []
        page.on("dialog", partial(heard, told))
        page.get_by_placeholder("Name").fill("ann")
        for button in ("Join", "Log in"):
            with page.expect_event("dialog"):
                fill(page, "Password", "another horse", button)
        assert told == ["that name is taken", "no such name with this password"]
        come_in(page, "ann", by="Log in")
        sql(tmp_path, "delete from login")
        page.reload()
        come_in(page, "ann", by="Log in")


def test_5_a_list_is_shared_and_taken_back(tmp_path: Path, browser: Browser) -> None:
    with served(5, tmp_path) as client:
        cleo, dan = joined(client, "cleo"), joined(client, "dan")
        assert client.get("/api/lists/cleo/items", headers=dan).status_code == 403
        assert client.put("/guests/dan").status_code == 401
        assert client.put("/guests/dan", headers=cleo).status_code == 204
        assert client.get("/api/lists/cleo/items", headers=dan).json() == []
        assert client.delete("/guests/dan", headers=cleo).status_code == 204
        assert client.get("/api/lists/cleo/items", headers=dan).status_code == 403
        hers = window(browser, str(client.base_url))
        come_in(hers, "ann", by="Join")
        fill(hers, "What is missing?", "milk", "Add")
        with hers.expect_response("**/guests/bob"):
            fill(hers, "Share your list with", "bob", "Share")
        his = window(browser, hers.url)
        come_in(his, "bob", by="Join")
        fill(his, "What is missing?", "bread", "Add")
        for page in (hers, his):
            expect(page.locator("li")).to_have_text(["milk", "bread"])
            expect(page.locator("h1")).to_have_text("Groceries of ann")
        picture(hers.screenshot(), "tutorial-sharing.png")
        fill(hers, "Share your list with", "bob", "Stop")
        expect(his.locator("h1")).to_have_text("Not shared with you")
        fill(hers, "What is missing?", "secret", "Add")
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
