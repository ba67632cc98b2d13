"""A browser window on the inspector: what somebody does there and sees there."""

from __future__ import annotations

from playwright.sync_api import Browser, Locator, Page, expect

WIDE = (1280, 860)
PHONE = (375, 740)


class InspectorWindow:
    """A window of its own context; what it asks of others, or complains about, is in ``faults``.

    path: of the resource that it shows; empty: the overview.  size: width and height in CSS pixels.
    token: that its requests bear.
    """

    def __init__(
        self,
        browser: Browser,
        address: str,
        path: str = "",
        size: tuple[int, int] = WIDE,
        token: str = "",
        dark: bool = False,
    ) -> None:
        self.context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            extra_http_headers={"Authorization": f"Bearer {token}"} if token else {},
            color_scheme="dark" if dark else "light",
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.faults: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda asked: self._note(asked.url, address))
        self.page.on("websocket", lambda socket: self._note(socket.url.replace("ws", "http", 1), address))
        self.page.goto(f"{address}/live#{path}")
        expect(self.page.locator("#state")).to_have_text("live")
        if path:
            expect(self.page.locator(".table .state")).to_have_text("live")

    def _note(self, url: str, address: str) -> None:
        origin = "/".join(address.split("/")[:3])
        if not url.startswith((f"{origin}/", "data:")):
            self.faults.append(url)

    def figure(self, name: str) -> Locator:
        """The figure of this name on the overview."""
        return self.page.locator(".board > div", has=self.page.get_by_text(name, exact=True)).locator(
            ".figure"
        )

    def row(self, text: str) -> Locator:
        """The row of the table that has a text."""
        return self.page.locator("tbody tr", has_text=text)

    def cell(self, row: str, field: str) -> Locator:
        """The cell of a field in the row that has a text."""
        return self.row(row).locator(f"td[data-label='{field}']")

    def edit(self, cell: Locator, text: str) -> None:
        """Put something else into a cell, by the keyboard alone."""
        cell.focus()
        self.page.keyboard.press("Enter")
        self.page.locator("#edited").fill(text)
        self.page.keyboard.press("Enter")

    def is_as_wide_as_its_window(self) -> bool:
        """Whether the page can't be scrolled sideways."""
        found: bool = self.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        return found

    def close(self) -> None:
        self.context.close()
