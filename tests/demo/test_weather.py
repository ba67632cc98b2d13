"""A laptop that sleeps, a network that comes and goes, a server that is deployed: what windows show then, and when.

Two rules. The light never says `live` over rows that are not the server's, once a window could know. Nothing that was
typed in is lost or there twice, no page reports a fault, and none is reset: all that it missed is in the log.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from livecollections.testing import SiteProxy
from livecollections.testing import wait_until_sync as wait_until
from tests.scale import scaled

from .conftest import Open
from .serving import DemoServer
from .test_two_windows import truth
from .window import Window

AWAKE = 6.0
"""Seconds from waking until a window shows the truth: 2 to notice, 3 for a line that may be dead, and the way back."""
KEPT = 5
"""Further connections to one server that a browser may keep."""
BACK = 3.0
"""Seconds from the network's return, or the server's, until windows show the truth."""


@pytest.fixture
def lines(server: DemoServer) -> Iterator[list[SiteProxy]]:
    with SiteProxy(server.address) as one, SiteProxy(server.address) as other:
        yield [one, other]


def expect_all(windows: list[Window], server: DemoServer, titles: list[str], within: float) -> None:
    """Wait until every title is there once, on the server and in each window, and all lights say so."""
    wait_until(lambda: sorted(row["title"] for row in server.todos()) == sorted(titles), within)
    for window in windows:
        window.expect_rows(*truth(server), within=within)
        window.expect_light("live")
        assert window.seen()["most"] == len(titles), "no title was in two rows, not even for a moment"
        window.expect_calm(moves=True)


@pytest.mark.parametrize("without", ["", "WebSocket"])
def test_a_laptop_that_slept(
    browser: Browser, open_window: Open, server: DemoServer, lines: list[SiteProxy], without: str
) -> None:
    awake = open_window()
    sleeper = open_window(address=lines[0].url, without=without)
    awake.add("buy milk", "call home")
    sleeper.expect_rows("buy milk", "call home")
    lights, reads = len(sleeper.seen()["lights"]), sleeper.reads
    sleeper.fall_asleep()
    lines[0].half_open()
    awake.delete("buy milk")
    awake.add("write")
    awake.toggle("call home")
    wait_until(lambda: truth(server) == ["[x] call home", "write"])
    lines[0].heal()
    sleeper.wake()
    # The page's own limits make up the six seconds, and three for each further connection that it finds dead.
    wait_until(lambda: len(sleeper.seen()["lights"][lights:]) >= 2, AWAKE + KEPT * 3)
    sleeper.expect_rows(*truth(server), within=1.0)
    awake.add("and on")
    sleeper.expect_rows("[x] call home", "write", "and on")
    seen = sleeper.seen()["lights"][lights:]
    once = ["reconnecting", "live"]
    assert seen in (once, once * 2), (
        "once for the sleep, and once for a request that the dead line took before"
    )
    for window in (sleeper, awake):
        window.expect_calm()
    assert sleeper.reads == reads, "what it missed was told it: it did not read the list again"


def test_a_network_that_comes_and_goes(open_window: Open, server: DemoServer, lines: list[SiteProxy]) -> None:
    windows = [open_window(address=line.url) for line in lines]
    titles: list[str] = []
    for number in range(scaled(6, 15)):
        for side, (window, line) in enumerate(zip(windows, lines, strict=True)):
            if (number + side) % 3 != 2:
                line.offline()
            for moment in ("away", "back"):
                titles.append(f"{side} {number} {moment}")
                window.add(titles[-1])
                line.heal()
    for window in windows:
        assert "reconnecting" in window.seen()["lights"]
    expect_all(windows, server, titles, within=BACK * 2)


@pytest.mark.parametrize("how", ["end", "kill"])
def test_a_server_that_is_deployed(open_window: Open, server: DemoServer, how: str) -> None:
    windows = [open_window(), open_window()]
    titles: list[str] = []

    def write(moment: str) -> None:
        for side, window in enumerate(windows):
            titles.append(f"{side} {moment}")
            window.add(titles[-1])

    for number in range(scaled(1, 4)):
        write(f"before {number}")
        getattr(server, how)()
        write(f"meanwhile {number}")
        for window in windows:
            window.expect_light("reconnecting")
        server.start()
        write(f"after {number}")
        expect_all(windows, server, titles, within=BACK)


def test_what_the_log_does_not_tell_is_a_reset(open_window: Open, server: DemoServer) -> None:
    window = open_window()
    reads = window.reads
    server.shell("drop trigger live_todo_insert; insert into todo (title, completed) values ('untold', 0)")
    window.expect_rows("untold")
    window.expect_calm(resets=1)
    assert window.reads == reads + 1
