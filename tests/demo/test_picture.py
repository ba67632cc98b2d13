"""The README's picture can be made, and its windows show what its shell did."""

from __future__ import annotations

from playwright.sync_api import Browser

from .picture import PICTURE, take
from .serving import DemoServer
from .window import OUTPUT


def test_the_picture_is_made(browser: Browser, server: DemoServer) -> None:
    OUTPUT.mkdir(exist_ok=True)
    take(browser, server, OUTPUT / PICTURE.name)
    made, committed = (path.read_bytes()[16:24] for path in (OUTPUT / PICTURE.name, PICTURE))
    assert made == committed, "the size is that of the one in docs/images"
