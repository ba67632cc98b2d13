"""Reading: a read of the collection's list, from when it leaves until it has been joined with the stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..change import is_older
from .key import Keys
from .state import Document

Row = tuple[Document, str | None]
"""A document of a list, and the seq at which it counts."""


class Page(NamedTuple):
    """A page of a list. seq, until: the ``Live-Seq`` that it bore, and the ``Live-Until``."""

    rows: Sequence[Document]
    seq: str | None
    until: str | None = None


@dataclass(slots=True, eq=False)
class Reading:
    """What was asked, what came, and what it means.

    is_whole: it is meant to define the collection; else it is a part that merges.  query: of a part.
    pages: of the list, in order. It is as old as the first; rows may be newer.
    channel, beside, is_signal: what its headers say (the channel's name, None if there was none;
    others on which something that concerns it is heard).
    asked, created: the creates that it asks about, by origin, and the keys of those that were done, as documents show
    them (``Live-Created``; None where the server does not tell).
    label: the seq that it counts at.  is_useless: it is older than what is there.  joins: it tells its place.
    outdated: keys of documents of which more is known by now, where no seqs tell.
    waits, messages: for the stream to reach ``until``; a whole list collects what comes meanwhile.
    """

    is_whole: bool
    query: Document | None
    stamp: int
    era: int
    at: str | None
    pages: list[Page] = field(default_factory=list)
    channel: str | None = None
    beside: tuple[str, ...] = ()
    is_signal: bool = False
    asked: tuple[str, ...] | None = None
    created: dict[str, Document] | None = None
    label: str | None = None
    is_useless: bool = False
    joins: bool = False
    waits: bool = False
    messages: list[dict[str, Any]] | None = None
    outdated: set[str] = field(default_factory=set)

    @property
    def until(self) -> str | None:
        """Up to which some of its rows may be newer than it says."""
        return max((page.until for page in self.pages if page.until is not None), default=None)

    @property
    def top(self) -> str | None:
        """The seq that the newest of its rows may have."""
        top, last = self.until or self.label, self.pages[-1].seq
        return last if is_older(top, last) else top

    def seq_of(self, page: Page, *, waits: bool) -> str | None:
        """The seq at which the rows of a page count.

        It holds all that the first does, and may be labelled by a process that has seen less of the log.
        waits: for the stream. Else what the rows show beyond their label is as new as it may be.
        """
        label, own = self.label, page.seq or self.at
        seq = label if label is None or own is None or is_older(own, label) else own
        return seq if waits or not is_older(seq, page.until) else page.until

    @property
    def told(self) -> tuple[str, ...] | None:
        """The creates of which it tells whether they are there; None: nothing is known of any."""
        return () if self.asked == () else self.asked if self.created is not None else None

    def creates_in(self, rows: Mapping[str, Row], keys: Keys) -> Iterator[dict[str, Any]]:
        """The creates that were done and are listed, as if each had been pushed. rows: of the list, by key."""
        for origin, members in (self.created or {}).items():
            if (found := rows.get(keys.of(members) or "")) is not None:
                yield {"method": "PUT", "origin": origin, "body": found[0], "seq": found[1]}
