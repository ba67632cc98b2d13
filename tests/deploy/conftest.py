"""One shop of two processes, and the three proxies in front of it, all started once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from .proxies import PROXIES, Proxy, proxy
from .shop import PATIENCE, Shop, shop


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with shop(tmp_path_factory.mktemp("shop")) as running:
        yield running


@pytest.fixture(scope="package")
def proxies(served: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Proxy]]:
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(proxy(name, served.urls, tmp_path_factory.mktemp(name), PATIENCE))
            for name in PROXIES
        }


@pytest.fixture(params=PROXIES)
def front(request: pytest.FixtureRequest, proxies: dict[str, Proxy]) -> Proxy:
    return proxies[request.param]
