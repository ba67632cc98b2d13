"""What a client hears: messages, and that some were missed.

A seq is read only where the server speaks ``ext.live``: elsewhere anybody may write what looks like one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ..errors import MessagesMissed
from .message import live_ext


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that was heard.

    channel: where it was published.  data: what was published.  seq: its place in the channel's history; None on
    a plain channel.  prev: the seq up to which the server has sent everything before it.
    """

    channel: str
    data: Any
    seq: str | None = None
    prev: str | None = None
    is_marked: bool = field(default=False, repr=False)
    """Whether the server itself says that the channel has a history, not only the data."""
    is_reset: bool = field(default=False, repr=False)
    """Whether it says that what happened can't be told message by message."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Messages were missed here, and can't be told again: read anew what you hold of the channel.

    It comes among the messages, in its place. Its ``data`` raises, so that who doesn't ask finds out.

    channel: where.  seq: what comes after it is told from here on; None on a plain channel.  reason: why.
    """

    channel: str
    seq: str | None
    reason: str

    @property
    def data(self) -> NoReturn:
        """There is none.

        Raises:
            MessagesMissed: always.
        """
        raise MessagesMissed(self.channel, self.reason)


def is_told_reset(message: Mapping[str, Any]) -> bool:
    """Whether a message without data says that its channel's history can't tell what was asked for."""
    live = live_ext(message)
    return live is not None and live.get("reset") is True and "successful" not in message


def read_delivery(message: Mapping[str, Any], *, is_live: bool) -> Delivery:
    """A message that bears data, or says that some was missed.

    Args:
        is_live: whether the server speaks ``ext.live``; of another one's messages no seq is read.
    """
    channel, data = message["channel"], message.get("data")
    if not is_live:
        return Delivery(channel, data)
    live = live_ext(message)
    if live is not None and isinstance(live.get("seq"), str):
        seq, prev = live["seq"], _text(live.get("prev"))
        return Delivery(channel, data, seq, prev, is_marked=True, is_reset="data" not in message)
    if isinstance(data, dict) and isinstance(data.get("method"), str) and isinstance(data.get("seq"), str):
        return Delivery(
            channel, data, data["seq"], _text(data.get("prev")), is_reset=data["method"] == "RESET"
        )
    return Delivery(channel, data)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
