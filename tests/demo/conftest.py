"""One Chromium and one demo server for all tests here; each test begins with an empty list."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from .serving import DemoServer
from .window import Window, chromium

Open = Callable[..., Window]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoServer]:
    server = DemoServer(tmp_path_factory.mktemp("demo") / "todos.db")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(running: DemoServer) -> DemoServer:
    if not running.runs:
        running.start()
    running.clear()
    return running


@pytest.fixture
def open_window(browser: Browser, server: DemoServer) -> Iterator[Open]:
    """Opens windows on the demo and waits until they are live; closes them after the test."""
    windows: list[Window] = []

    def open_window(path: str = "/", address: str = server.address, without: str = "") -> Window:
        window = Window(browser, address, path, without=without)
        windows.append(window)
        window.expect_light("live")
        return window

    yield open_window
    for window in windows:
        window.close()


@pytest.fixture
def window(open_window: Open) -> Window:
    return open_window()
