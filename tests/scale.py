"""How large a suite runs: small in ``make test``, in full where ``LIVE_FULL`` is set (``make test-all``)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    import pytest

FULL = bool(os.environ.get("LIVE_FULL"))


def scaled(small: int, full: int) -> int:
    """The count for this run."""
    return full if FULL else small


def commit() -> str:
    """The hash of what is checked out, from which a run draws what is its own; nothing where there is no repository."""
    command = ["git", "rev-parse", "HEAD"]
    root = Path(__file__).parent
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout.strip()


def lot(name: str, many: int) -> int:
    """Which of so many lots a name draws: always the same one."""
    return crc32(name.encode()) % many


def is_drawn(name: str, one_in: int) -> bool:
    """Whether a name is one of those drawn, one in so many."""
    return lot(name, one_in) == 0


def name_of(item: pytest.Item) -> str:
    """Of the test that an item is a case of."""
    return item.nodeid.partition("[")[0]


def leave_out(config: pytest.Config, items: list[pytest.Item], left: Callable[[pytest.Item], bool]) -> None:
    """Leave tests out of a small run; those that are asked for by name are run, and a list of tests has all."""
    if FULL or config.option.collectonly or any("::" in argument for argument in config.args):
        return
    left_out = {item for item in items if left(item)}
    config.hook.pytest_deselected(items=[*left_out])
    items[:] = [item for item in items if item not in left_out]
