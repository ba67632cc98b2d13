"""The pictures of the documentation can be made, and show what is there now."""

from __future__ import annotations

import pytest

from tests.demo.window import OUTPUT, chromium

from .picture import IMAGES, OVERVIEW, SMALL, TABLE, shop, take


@pytest.fixture(scope="module")
def taken() -> None:
    OUTPUT.mkdir(exist_ok=True)
    with chromium() as browser, shop() as address:
        take(browser, address, OUTPUT)


@pytest.mark.usefixtures("taken")
@pytest.mark.parametrize("name", [OVERVIEW, TABLE, SMALL])
def test_the_pictures_are_made(name: str) -> None:
    made, committed = (path.read_bytes()[16:24] for path in (OUTPUT / name, IMAGES / name))
    assert made == committed, "the size is that of the one in docs/images"
