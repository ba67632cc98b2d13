"""What the tests here have measured is printed when all have run."""

from __future__ import annotations

import pytest

REPORTS = pytest.StashKey[list[str]]()


@pytest.fixture
def report(pytestconfig: pytest.Config) -> list[str]:
    """Texts to print in the end."""
    return pytestconfig.stash.setdefault(REPORTS, [])


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    for text in config.stash.get(REPORTS, []):
        terminalreporter.write_line(text)
