"""One browser window on the demo, with an observer in it: what a user does there, sees there, and must never see."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Request, expect, sync_playwright
from playwright.sync_api import TimeoutError as WaitedTooLong

from tests.scale import FULL

SHELL = Path("/usr/bin/chromium-headless-shell")
CHROMIUM = str(SHELL) if SHELL.exists() and not FULL else "/usr/bin/chromium"
"""Debian's. In ``make test`` its shell, where that is here: the same engine, and half the work for each window."""
SWITCHES = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
HOUR = 3_600_000
LIST = "/api/todos"
WATCHING = Path(__file__).with_name("watching.js")
OUTPUT = Path(__file__).parent.parent / "output"
SHOWN = """() => [...document.querySelectorAll('.todo-list > li:not(.hidden)')].map(
    li => [li.querySelector('label').textContent, li.classList.contains('completed')])"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window on any screen."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        browser.close()


class Window:
    """A window of its own context: no storage or connection is shared with another.

    path: what to open below ``address``.  size: width and height in CSS pixels.  without: a global that the
    browser is to lack, such as "WebSocket".

    reads: how often the page has asked for the whole list.
    """

    def __init__(
        self,
        browser: Browser,
        address: str,
        path: str = "/",
        size: tuple[int, int] = (700, 620),
        without: str = "",
    ) -> None:
        self.context = browser.new_context(viewport={"width": size[0], "height": size[1]})
        self.context.add_init_script(path=WATCHING)
        if without:
            self.context.add_init_script(f"delete window.{without}")
        self.page = self.context.new_page()
        self.faults: list[str] = []
        self.reads = 0
        self.page.on("request", self._count)
        self.page.on("pageerror", lambda error: self.faults.append(f"{error}"))
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.goto(address + path)
        self.new = self.page.locator(".new-todo")
        self.rows = self.page.locator(".todo-list > li")
        self.light = self.page.locator(".status")

    def _count(self, request: Request) -> None:
        self.reads += request.method == "GET" and request.url.endswith(LIST)

    def _note(self, kind: str, text: str) -> None:
        # A line that is cut on purpose is in the console too, and that is as it should be.
        if kind in ("error", "warning") and "net::ERR" not in text and "WebSocket" not in text:
            self.faults.append(text)

    # Doing

    def add(self, *titles: str) -> None:
        """Type titles into the field, with Enter after each."""
        for title in titles:
            self.new.fill(title)
            self.new.press("Enter")

    def row(self, title: str) -> Locator:
        """The row with this title."""
        return self.rows.filter(has=self.page.get_by_text(title, exact=True))

    def toggle(self, title: str) -> None:
        """Click a row's checkbox."""
        self.row(title).locator(".toggle").click()

    def edit(self, title: str) -> Locator:
        """Double-click a row's label; gives the field."""
        row = self.row(title).element_handle()
        number = self.page.evaluate("li => [...li.parentNode.children].indexOf(li)", row)
        self.row(title).locator("label").dblclick()
        return self.rows.nth(number).locator(".edit")

    def rename(self, title: str, new: str) -> None:
        """Edit a title, and Enter."""
        field = self.edit(title)
        field.fill(new)
        field.press("Enter")

    def delete(self, title: str) -> None:
        """Bring out a row's delete button, and click it."""
        self.row(title).hover()
        self.row(title).locator(".destroy").click()

    # Sleeping

    def fall_asleep(self) -> None:
        """Stop the page: no timer runs, nothing that comes is looked at, until ``wake``."""
        self._devtools = self.context.new_cdp_session(self.page)
        paused: list[Any] = []
        self._devtools.on("Debugger.paused", lambda event: paused.append(event))
        self._devtools.send("Debugger.enable")
        self.page.evaluate(
            "hour => setTimeout(() => { debugger; const { now } = Date; Date.now = () => now() + hour; })",
            HOUR,
        )
        while not paused:
            self._devtools.send("Schema.getDomains")

    def wake(self) -> None:
        """Let it go on, by its clock an hour later."""
        self._devtools.send("Debugger.resume")
        self._devtools.send("Debugger.disable")

    # Seeing

    def shown(self) -> list[list[Any]]:
        """Title and completed of each row in view, from the top."""
        rows: list[list[Any]] = self.page.evaluate(SHOWN)
        return rows

    def expect_rows(self, *rows: str, within: float = 5.0) -> None:
        """Wait until these rows are in view and no others; a completed one is written "[x] title"."""
        wanted = [[row.removeprefix("[x] "), row.startswith("[x] ")] for row in rows]
        try:
            self.page.wait_for_function(
                f"wanted => JSON.stringify(({SHOWN})()) === wanted",
                arg=_json(wanted),
                timeout=within * 1000,
                polling="raf",
            )
        except WaitedTooLong:
            light = self.light.text_content()
            raise AssertionError(
                f"{self.shown()} is shown and not {wanted}; {light}; {self.faults}"
            ) from None

    def expect_light(self, state: str, within: float = 5.0) -> None:
        """Wait until the light says this."""
        expect(self.light).to_have_text(state, timeout=within * 1000)

    def expect_count(self, text: str) -> None:
        """Wait until the counter says this."""
        expect(self.page.locator(".todo-count")).to_have_text(text)

    def seen(self) -> dict[str, Any]:
        """What the observer has seen since the page was loaded."""
        seen: dict[str, Any] = self.page.evaluate("window.seen")
        return seen

    def picture(self, name: str) -> Path:
        """A screenshot below tests/output."""
        OUTPUT.mkdir(exist_ok=True)
        path = OUTPUT / f"{name}.png"
        self.page.screenshot(path=path)
        return path

    def expect_calm(self, moves: bool = False, resets: int = 0) -> None:
        """Fail if a row came back after it went, a text after it changed, or the page reported a fault.

        moves: rows were put in another order meanwhile.  resets: that the page had to be told, and no more.
        """
        seen = self.seen()
        comings = [row for row, what in seen["rows"] if what == "added"]
        assert moves or len(comings) == len(set(comings)), f"rows came back: {seen['rows']}"
        for row, texts in seen["texts"].items():
            assert len(texts) == len(set(texts)), f"{row} flickered: {texts}"
        assert self.faults == []
        assert len(seen["resets"]) == resets, f"it was reset: {seen['resets']}"

    def close(self) -> None:
        """Close the window, when all its requests are answered: none must reach the next test."""
        self.page.wait_for_function("() => jQuery.active === 0", timeout=5000)
        self.context.close()


def _json(rows: list[list[Any]]) -> str:
    """As JSON.stringify writes it."""
    return json.dumps(rows, separators=(",", ":"), ensure_ascii=False)
