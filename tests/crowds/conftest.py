"""What the tests here have measured is printed as one table when all have run."""

from __future__ import annotations

import pytest
from rich.console import Console
from rich.table import Table

from ..scale import FULL

FIGURES = pytest.StashKey[list[tuple[str, str, str]]]()


@pytest.fixture
def figures(pytestconfig: pytest.Config) -> list[tuple[str, str, str]]:
    """What was measured: its name, the figure, and its bound if it has one."""
    return pytestconfig.stash.setdefault(FIGURES, [])


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    found = config.stash.get(FIGURES, [])
    if not found:
        return
    table = Table("", "measured", "at most", title=f"Crowds, {'in full' if FULL else 'a tenth'}")
    for row in found:
        table.add_row(*row)
    console = Console(width=110, color_system=None)
    with console.capture() as capture:
        console.print(table)
    terminalreporter.write(capture.get())
