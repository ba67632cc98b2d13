"""The ports through which channels tell what was said on them before.

The engine joins a history to the live stream; who keeps it, and where, is not known here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from ..cause import Cause
from .message import Message
from .session import Session


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of a channel's history.

    messages: in order, each with its seq; none only where nothing more had been published.
    upto: everything of the channel at and below it has been read.
    """

    messages: list[Message]
    upto: str


class History(Protocol):
    """What a channel can tell again, in the order of its seqs."""

    def position(self) -> str:
        """The seq up to which everything has been published."""

    async def why_reset(self, channel: str, since: str, /) -> Cause | None:
        """Why not everything after ``since`` can be told; None: it can. Any text may come from a client."""

    async def read(self, channel: str, after: str, limit: int, squash: bool, /) -> Page:
        """The messages after a seq, at most ``limit``, the last of each document only where ``squash``.

        An ``after`` that can't be told from (trimmed, of another log, any text at all) gives a message that
        says so, and bears its cause. It may tell what has not been published yet; that is then not told twice.
        """


class Family(Protocol):
    """Fed channels whose names nobody lists: they are there while they are heard. Who may hear one, it decides itself.

    Clients hear them by their exact names only: a pattern would tell one what another may hear.
    """

    @property
    def history(self) -> History:
        """What they can tell again."""

    def has(self, channel: str, /) -> bool:
        """Whether it is the name of one."""

    def is_met(self, pattern: str, /) -> bool:
        """Whether a pattern covers one."""

    async def may_hear(self, session: Session, channel: str, /) -> bool:
        """Whether a session may hear it."""

    async def has_moved(self, session: Session, channel: str, /) -> bool:
        """Whether a session that may not hear it hears the same on another channel, which its next reading names."""

    def open(self, channel: str, /) -> None:
        """It is heard from now on."""

    def close(self, channel: str, /) -> None:
        """Nobody hears it any more."""


class Keeper(History, Protocol):
    """The history of plain channels: publishing writes it. All channels below its pattern are one log, one epoch.

    A channel of which nothing is known any longer may come back; who was told everything of the log up to
    ``position`` when it came back has missed nothing.
    """

    def keep(self, message: Message, /) -> Message:
        """The message with its place beside its data; it is the newest of the log from now on."""

    def channels(self) -> Collection[str]:
        """Those of which something is known."""

    def last(self, channel: str, /) -> str:
        """The seq of a channel's last message, or one before which it may have had messages."""

    def oldest(self, channel: str, /) -> str:
        """The earliest seq after which everything on the channel can be told."""

    def can_tell(self, since: str, /) -> bool:
        """Whether no channel has been forgotten altogether since then; any text may come from a client."""

    def seq(self, place: int, /) -> str:
        """The seq with this number as its place (``change.number``); it need not be in the log."""
