"""Hosts for the checks, each started once, and the table of what passed where.

In full, each check is made on each host, and passes on as many. In ``make test`` it is made on the first, and on one in
three of the others, drawn by its name; a check that is asked for by name is made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import pytest

from ..scale import FULL, is_drawn, leave_out
from .client import Client, client
from .hosts import HOSTS, Host, Running
from .nginx import reachable

ONE_IN = 3
"""Of so many hosts one is drawn for a check."""
TALLY: dict[str, Counter[str]] = {}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    def is_left(item: pytest.Item) -> bool:
        return _host(item) not in (None, HOSTS[0]) and not is_drawn(item.nodeid, ONE_IN)

    leave_out(config, items, is_left)


def _host(item: pytest.Item) -> Host | None:
    chosen = getattr(item, "callspec", None)
    host = chosen.params.get("host") if chosen is not None else None
    return host if isinstance(host, Host) else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report = yield
    host = _host(item)
    if host is not None and (report.when == "call" or report.failed):
        TALLY.setdefault(host.name, Counter())[report.outcome] += 1
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TALLY:
        terminalreporter.write_line(f"{'host':24} passed  failed")
    for name, counts in TALLY.items():
        terminalreporter.write_line(f"{name:24} {counts['passed']:6}  {counts['failed']:6}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if FULL and len({counts["passed"] for counts in TALLY.values()}) > 1:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session", params=HOSTS, ids=lambda host: host.name)
def host(request: pytest.FixtureRequest) -> Host:
    assert isinstance(request.param, Host)
    return request.param


@pytest.fixture(scope="session")
def served(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with reachable(host, tmp_path_factory.mktemp("nginx")) as process:
        yield process


@pytest.fixture
async def speaker(served: Running) -> AsyncIterator[Client]:
    async with client(served.url) as speaking:
        yield speaking
