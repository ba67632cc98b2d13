"""Loads: messages that leave together, encoded once for all who receive them.

Two rules. A load is one WebSocket frame, with its header, and is made once for every session that is sent the same
messages in a turn of the loop. It is never longer than a socket's buffer may be, unless a single message is.

This module knows no session and no socket.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..change import follows
from .message import Message, encode
from .position import Step

FRAME = 8_192
"""Bytes of messages joined into one frame: what the socket underneath may have to keep beyond its own bound."""

TEXT = b"\x81"
"""The first byte of a text frame that is whole."""

Entry = tuple[Message, str | None, float]
"""A message on its way, where on its kept channel those are who have no position, and seconds for which it may wait."""


def framed(payload: bytes, first: bytes = TEXT) -> bytes:
    """A WebSocket frame, as a server sends it."""
    length = len(payload)
    if length < 126:
        return b"%b%c%b" % (first, length, payload)
    if length < 65_536:
        return b"%b\x7e%b%b" % (first, length.to_bytes(2, "big"), payload)
    return b"%b\x7f%b%b" % (first, length.to_bytes(8, "big"), payload)


class Load:
    """One frame.

    entries: what is in it.  steps: how far it takes the receivers of channels with a history; None where that
    differs from receiver to receiver, or something goes by the queue of each.
    """

    __slots__ = ("entries", "frame", "steps")

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = entries
        self.frame = framed(encode([message.body for message, *_ in entries]))
        self.steps = _steps(entries)


def _steps(entries: Sequence[Entry]) -> tuple[Step, ...] | None:
    steps: dict[str, Step] = {}
    for message, _, lazy in entries:
        if lazy or message.cause is not None:
            # There it waits for company, and a reset is noted of each who is told one.
            return None
        if message.seq is None:
            continue
        channel, first, last = steps.get(message.channel, (message.channel, message.seq, None))
        if last is not None and not follows(message.seq, last):
            return None
        steps[channel] = (channel, first, message.seq)
    return tuple(steps.values())


def loads(entries: Sequence[Entry]) -> Iterator[Load]:
    """All of several messages, in their order."""
    part: list[Entry] = []
    size = 0
    for entry in entries:
        length = len(entry[0].body)
        if part and size + length > FRAME:
            yield Load(part)
            part, size = [], 0
        part.append(entry)
        size += length
    if part:
        yield Load(part)
