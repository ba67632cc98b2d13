"""How large a suite runs: small in ``make test``, in full where ``LIVE_FULL`` is set (``make test-all``)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

FULL = bool(os.environ.get("LIVE_FULL"))


def scaled(small: int, full: int) -> int:
    """The count for this run."""
    return full if FULL else small


def commit() -> str:
    """The hash of what is checked out, from which a run draws what is its own; nothing where there is no repository."""
    command = ["git", "rev-parse", "HEAD"]
    root = Path(__file__).parent
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout.strip()
