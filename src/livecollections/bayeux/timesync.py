"""Timesync: CometD's extension by which a client finds out how its clock differs from the server's.

Two rules. Nothing is remembered: a request says the client's time and what it believes, the answer the server's
time and how wrong that was. Who is right is told nothing. Times are milliseconds, as on the wire, of the clock on
the wall.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ACCURACY = 25
"""Milliseconds by which a client may be wrong without being told."""


def begin(message: Mapping[str, Any], now: float) -> dict[str, int | float] | None:
    """What is answered under ``ext.timesync``, as far as it is known; None if nothing is.

    Args:
        now: seconds since 1970 when the message came.
    """
    ext = message.get("ext")
    asked = ext.get("timesync") if isinstance(ext, dict) else None
    if not isinstance(asked, dict) or not _is_number(asked.get("tc")):
        return None
    told = {"tc": asked["tc"], "ts": round(now * 1000), "p": 0}
    lag, offset = asked.get("l"), asked.get("o", 0)
    if lag is None:
        # Older clients say their time only.
        return told
    if not _is_number(lag) or not _is_number(offset):
        return None
    wrong = round(asked["tc"] + offset + lag - told["ts"])
    return {**told, "a": wrong} if lag == 0 or abs(wrong) >= ACCURACY else None


def conclude(reply: Mapping[str, Any], now: float) -> None:
    """Say in a reply that goes now for how long the server had its request.

    Args:
        now: seconds since 1970.
    """
    told = reply.get("ext", {}).get("timesync")
    if told is not None:
        told["p"] = max(0, round(now * 1000) - told["ts"])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**53
