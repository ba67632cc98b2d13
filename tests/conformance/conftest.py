"""Hosts for the checks, each started once, and the table of what passed where."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import pytest

from .client import Client, client
from .hosts import HOSTS, Host, Running
from .nginx import reachable

TALLY: dict[str, Counter[str]] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report = yield
    chosen = getattr(item, "callspec", None)
    host = chosen.params.get("host") if chosen is not None else None
    if isinstance(host, Host) and (report.when == "call" or report.failed):
        TALLY.setdefault(host.name, Counter())[report.outcome] += 1
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TALLY:
        terminalreporter.write_line(f"{'host':24} passed  failed")
    for name, counts in TALLY.items():
        terminalreporter.write_line(f"{name:24} {counts['passed']:6}  {counts['failed']:6}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if len({counts["passed"] for counts in TALLY.values()}) > 1:
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
