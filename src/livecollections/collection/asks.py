"""Asks: what a replica wants of the server, until somebody asks it."""

from __future__ import annotations

from dataclasses import dataclass, field

from .reading import Reading


@dataclass(slots=True)
class Asks:
    """What the replica wants of the server.

    resume: the stream set back to the position.  reads: lists to be read now.  later: one to be read in a while.
    channel: the name of the channel, where that is not the one that was guessed.
    """

    resume: bool = False
    reads: list[Reading] = field(default_factory=list)
    later: bool = False
    channel: str | None = None
