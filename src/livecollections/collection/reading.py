"""Reading: a read of the collection's list, from when it leaves until it has been joined with the stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .state import Document


@dataclass(slots=True, eq=False)
class Reading:
    """What was asked, what came, and what it means.

    is_whole: it is meant to define the collection; else it is a part that merges.  query: of a part.
    pages: the rows of each page with the ``Live-Seq`` that it bore. The list is as old as the first; rows may be newer.
    until, channel, beside, is_signal: what its headers say (``Live-Until``; the channel's name, None if there was none;
    others on which something that concerns it is heard).
    label: the seq that it counts at.  is_useless: it is older than what is there.  joins: it tells its place.
    outdated: keys of documents of which more is known by now, where no seqs tell.
    waits, messages: for the stream to reach ``until``; a whole list collects what comes meanwhile.
    """

    is_whole: bool
    query: Document | None
    stamp: int
    era: int
    at: str | None
    pages: list[tuple[Sequence[Document], str | None]] = field(default_factory=list)
    until: str | None = None
    channel: str | None = None
    beside: tuple[str, ...] = ()
    is_signal: bool = False
    label: str | None = None
    is_useless: bool = False
    joins: bool = False
    waits: bool = False
    messages: list[dict[str, Any]] | None = None
    outdated: set[str] = field(default_factory=set)
