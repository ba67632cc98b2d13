"""How large a suite runs: small in ``make test``, in full where ``LIVE_FULL`` is set (``make test-all``)."""

from __future__ import annotations

import os

FULL = bool(os.environ.get("LIVE_FULL"))


def scaled(small: int, full: int) -> int:
    """The count for this run."""
    return full if FULL else small
