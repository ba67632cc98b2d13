"""The port through which a channel tells what was said on it before.

The engine joins a history to the live stream; who keeps it, and where, is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of a channel's history.

    messages: ``(seq, data)`` in order; ``data`` is what goes into the message, its "prev" relative to the
    position that was asked from.  upto: everything of the channel at and below it has been read.
    """

    messages: list[tuple[str, Any]]
    upto: str


class History(Protocol):
    """What a channel can tell again, in the order of its seqs."""

    def position(self) -> str:
        """The seq up to which everything has been published."""

    async def locate(self, channel: str, since: str, /) -> bool:
        """Whether everything after ``since`` can be told; any text may come from a client."""

    async def read(self, channel: str, after: str, limit: int, squash: bool, /) -> Page:
        """The messages after a seq, at most ``limit``, the last of each document only where ``squash``.

        An ``after`` that can't be told from (trimmed, of another log, any text at all) gives a message that
        says so. It may tell what has not been published yet; that is then not told twice.
        """
