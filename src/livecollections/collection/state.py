"""DocumentState: what a collection knows of one document, and what it shows of it.

Three rules. What is known is the newest state of the server, whole; what is shown is that, but for the fields
that an unanswered write sends or a failed one has kept: they show what they showed. Fields of the program's own
stay beside it. A mapping that was shown is never changed afterwards. Seqs and streams are not known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from .write import Write

Document = Mapping[str, Any]
"""A document as JSON has it; nobody changes one."""
Kind = Literal["add", "change", "remove"]


@dataclass(frozen=True, slots=True)
class DocumentChange:
    """One step of what a collection shows.

    kind: "add", "change" or "remove".  key: the document's, as text; None while a create has none.
    document: as it is shown now; None when it is removed.  previous: as it was shown before; None when it is new.
    seq: of the server's state that this shows; None for what only this program knows.
    own: whether a write of this very collection did it.
    draft: while a create is shown before its answer, the token that names it, up to the change that tells its key.
    """

    kind: Kind
    key: str | None
    document: Any
    previous: Any
    seq: str | None
    own: bool
    draft: str | None = None


class DocumentState:
    """One document: ``version`` is the seq of ``known``, ``shown`` what a reader would see now.

    published: what was last told of it; None where it is not to be seen.  kept: the fields of failed writes.
    stamp: when an answer that told no seq was taken.  doubt: since when its log may have lost this version.
    """

    __slots__ = (
        "doubt",
        "draft",
        "kept",
        "key",
        "known",
        "local",
        "published",
        "saves",
        "shown",
        "stamp",
        "version",
    )

    def __init__(self, key: str | None, shown: Document, draft: str | None = None) -> None:
        self.key = key
        self.draft = draft
        self.version: str | None = None
        self.known: Document | None = None
        self.shown: Document = shown
        self.published: Document | None = None
        self.local: Document = {}
        self.saves: list[Write] = []
        self.kept: frozenset[str] = frozenset()
        self.stamp = 0
        self.doubt: int | None = None

    @property
    def is_unsaved(self) -> bool:
        """Whether it shows what the server has refused, or may never have had."""
        return bool(self.kept)

    def learn(self, body: Document, version: str | None, doubt: int | None = None) -> None:
        """Take a state as the newest. What a failed write has kept gives way to it."""
        if version is None or version != self.version:
            self.kept = frozenset()
        self.known, self.version, self.doubt = body, version, doubt

    def protects(self) -> frozenset[str]:
        """The fields that show no state of the server for now."""
        return self.kept.union(*(write.sent for write in self.saves))

    def lay(self, fields: Document) -> None:
        """Show the user's own values."""
        self.shown = {**self.shown, **fields}

    def render(self) -> None:
        """Show what is known, by the rules."""
        if self.known is None:
            return
        shown = {**self.known, **{name: self.local[name] for name in self.local if name not in self.known}}
        for name in self.protects():
            if name in self.shown:
                shown[name] = self.shown[name]
            else:
                shown.pop(name, None)
        self.shown = shown
