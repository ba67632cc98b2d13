"""A browser that opens many tabs at once, none of which has our cookie yet, as one does that restores its tabs."""

from __future__ import annotations

from playwright.sync_api import Browser, Page, Request, Route, WebSocket, expect

from livecollections.testing import wait_until_sync as wait_until

from .serving import DemoServer

TABS = 8
"""More than a browser's connections to one server: polls of Faye's clients could take all of them."""
ROUNDS = 20
"""Profiles at most, until two have been given several cookies in the race."""

HANGING = 60
"""Seconds that only what hangs takes: a busy machine takes its time for so many pages at once."""


class Tabs:
    """The tabs of one fresh profile, and what the server tells them over Bayeux.

    None has its handshake sent before all have asked for one.
    """

    def __init__(self, browser: Browser, address: str) -> None:
        self.context = browser.new_context()
        self.frames: list[str] = []
        self.requests: list[Request] = []
        self._handshakes: list[Route] = []
        self.context.route("**/faye", self._hold)
        self.first = self.context.new_page()
        self.first.goto(f"{address}/api/todos")
        self.context.on("page", self._watch)
        self.context.on("requestfinished", self._note)

    def _hold(self, route: Route) -> None:
        self._handshakes.append(route)
        if len(self._handshakes) == TABS:
            for each in self._handshakes:
                each.continue_()
        elif len(self._handshakes) > TABS:
            route.continue_()

    def _watch(self, page: Page) -> None:
        page.on("websocket", self._hear)

    def _hear(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: self.frames.append(str(frame)))

    def _note(self, request: Request) -> None:
        self.requests.append(request)

    def open(self, count: int) -> None:
        """Open them all in one turn, and wait until each is live."""
        self.first.evaluate(f"() => {{ for (let n = 0; n < {count}; n++) window.open('/', `tab${{n}}`); }}")
        wait_until(lambda: self.first.evaluate("1") and len(self.context.pages) == count + 1, HANGING)
        for page in self.context.pages[1:]:
            expect(page.locator(".status")).to_have_text("live", timeout=HANGING * 1_000)

    def told(self) -> list[str]:
        """What has come over Bayeux until now."""
        answers = [
            one.response() for one in self.requests if one.method == "POST" and one.url.endswith("/faye")
        ]
        return [*self.frames, *(answer.text() for answer in answers if answer is not None)]

    def cookies(self) -> int:
        """How many handshakes have given one."""
        return len({one.get("value") for one in self.context.cookies()})


def test_tabs_that_are_opened_at_once_all_keep_their_sessions(browser: Browser, server: DemoServer) -> None:
    raced = 0
    for _ in range(ROUNDS):
        tabs = Tabs(browser, server.address)
        tabs.open(TABS)
        told = tabs.told()
        assert [text for text in told if '"401:' in text] == []
        assert len([text for text in told if '"/meta/handshake"' in text]) == TABS
        raced += tabs.cookies() > 1
        tabs.context.close()
        if raced == 2:
            return
    assert raced, "the tabs came one after the other"
