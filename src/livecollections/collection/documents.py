"""Documents: what a collection holds, and how states, removals and own creates change it.

Rules 1 and 2 of the design's section 6 as far as one document is concerned: newer only, tombstones, and the push
that bears a create's origin *is* that create. What came together is told together, by ``commit``. Requests, lists
and the stream's position are not known here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from ..change import is_news, is_older
from ..portable import same
from .key import Keys
from .state import Document, DocumentChange, DocumentState, Kind
from .write import Write


@dataclass(slots=True)
class Tombstone:
    """A document has gone.

    version: the seq of that.  stamp: when it was noted.  doubt: since when its log may have lost this version.
    """

    version: str | None
    stamp: int
    doubt: int | None = None


class Documents:
    """All documents of a collection, in order.

    keys: how they are named.  floor: the seq of the last whole list.  creates: own ones whose document is not known
    yet, by origin.  hiding: how many unanswered deletes a key has.  held: rows that wait for unanswered creates.
    """

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self.floor: str | None = None
        self.creates: dict[str, Write] = {}
        self.hiding: Counter[str] = Counter()
        self.held: dict[str, tuple[Document, str | None]] = {}
        self._states: dict[DocumentState, None] = {}
        self._by_key: dict[str, DocumentState] = {}
        self._tombs: dict[str, Tombstone] = {}
        self._ahead = Tombstone(None, 0)
        self._touched: dict[DocumentState, tuple[bool, str | None]] = {}
        self._clock = 0

    # What is there

    def __contains__(self, state: DocumentState) -> bool:
        return state in self._states

    def __iter__(self) -> Iterator[DocumentState]:
        return iter(self._states)

    def get(self, key: str) -> DocumentState | None:
        """The document with a key, hidden or not."""
        return self._by_key.get(key)

    def shown(self) -> Iterator[DocumentState]:
        """Those that are to be seen, in order."""
        return (state for state in self._states if state.published is not None)

    def stamp(self) -> int:
        """Count on; it tells which of two things was first."""
        self._clock += 1
        return self._clock

    # States and removals

    def put(
        self, key: str, body: Document, seq: str | None, *, listed: bool = False, own: bool = False
    ) -> None:
        """Take a state of a document, if it is news. listed: it is of a list, and what has gone since stays away."""
        state = self._by_key.get(key)
        floor = self.floor if listed else self._ahead.version
        if state is None and (self.is_buried(key, seq) or is_older(seq, floor)):
            return
        self._unhold(key, seq)
        if state is None:
            state = DocumentState(key, body)
            state.learn(body, seq)
            self.insert(state, own)
        elif is_news(seq, state.version) and (listed or seq is None or seq != state.version):
            state.learn(body, seq)
            self.touch(state, own)

    def remove(self, key: str, seq: str | None, *, own: bool = False) -> None:
        """The document has gone; a tombstone stays."""
        self.bury(key, seq)
        self._unhold(key, seq)
        state = self._by_key.get(key)
        if state is not None and not is_older(seq, state.version):
            self.drop(state, seq, own)

    def insert(self, state: DocumentState, own: bool = False) -> None:
        """Hold one more document, after the others."""
        self._states[state] = None
        if state.key is not None:
            self._by_key[state.key] = state
        self.touch(state, own)

    def drop(self, state: DocumentState, seq: str | None = None, own: bool = False) -> None:
        """Hold a document no more."""
        self._states.pop(state, None)
        if state.key is not None and self._by_key.get(state.key) is state:
            del self._by_key[state.key]
        self.touch(state, own, seq)

    def touch(self, state: DocumentState, own: bool = False, seq: str | None = None) -> None:
        """Something about it may be shown otherwise now."""
        before, _ = self._touched.get(state, (True, None))
        self._touched[state] = (own and before, seq)

    def order(self, keys: list[str]) -> None:
        """Put these documents first, in this order."""
        first = [state for key in keys if (state := self._by_key.get(key)) is not None]
        self._states = {**dict.fromkeys(first), **self._states}

    # Tombstones

    def bury(self, key: str, seq: str | None, doubt: int | None = None) -> None:
        """Remember up to where it is known that a document has gone. doubt: since when that is in doubt."""
        before = self._tombs.get(key)
        if seq is not None and not (before and is_older(seq, before.version)):
            self._tombs[key] = Tombstone(seq, self.stamp(), doubt)

    def is_buried(self, key: str, seq: str | None, *, surely: bool = False) -> bool:
        """Whether a state of this seq is of a document that has gone since.

        A tombstone in doubt may bear the seq of the last state that was known: that state itself it does not bury.

        surely: those in doubt bury nothing.
        """
        tomb = self._tombs.get(key)
        if tomb is None or tomb.version is None or (surely and tomb.doubt is not None):
            return False
        return seq is None or is_older(seq, tomb.version) or (seq == tomb.version and tomb.doubt is None)

    def forget_tombs(self, first: int, position: str | None) -> None:
        """Drop tombstones from before ``first`` that neither an answer nor the stream can contradict any more."""
        for key, tomb in list(self._tombs.items()):
            if tomb.stamp < first and not is_older(position, tomb.version):
                del self._tombs[key]

    # Doubt

    def doubt(self, which: Callable[[str | None], bool]) -> bool:
        """The log may have lost these versions: a list will tell, if asked for from now on. Whether there are any."""
        doubted = [one for one in self._facts() if which(one.version)]
        for one in doubted:
            one.doubt = self.stamp()
        return bool(doubted)

    def lost(self, label: str | None, stamp: int) -> list[DocumentState | Tombstone]:
        """What a list shows that its log has lost: it was asked for after the doubt, and is older."""
        return [
            one
            for one in self._facts()
            if one.doubt is not None and one.doubt < stamp and is_older(label, one.version)
        ]

    def _facts(self) -> Iterator[DocumentState | Tombstone]:
        yield from self._states
        yield from self._tombs.values()
        yield self._ahead

    # Own creates

    def hold(self, key: str, body: Document, seq: str | None) -> None:
        """Let a row wait until no create is unanswered."""
        if key not in self.held or not is_older(seq, self.held[key][1]):
            self.held[key] = (body, seq)

    def doubts(self) -> list[str]:
        """The origins of creates that are shown without a key, as their answers have not come, or are lost."""
        return [
            origin
            for origin, write in self.creates.items()
            if write.state is not None and write.state.key is None and write.state in self._states
        ]

    def holds(self, asked: Collection[str] | None = None) -> bool:
        """Whether unknown rows of a read wait: one of them may be an unanswered create's.

        asked: the creates of which it tells whether they are there. Then rows wait for all others that are in doubt.
        """
        doubts = () if asked is None else self.doubts()
        return any(
            (write.is_pending or origin in doubts) and origin not in (asked or ())
            for origin, write in self.creates.items()
        )

    def release(self) -> None:
        """What was held for creates is a stranger's after all."""
        held, self.held = self.held, {}
        for key, (body, seq) in held.items():
            self.put(key, body, seq, listed=True)

    def drop_held(self, listed: Collection[str], label: str | None, *, everything: bool) -> None:
        """What was held and a list lacks has gone, as far as it is older. everything: the list is newer than all."""
        for key, (_, seq) in list(self.held.items()):
            if key not in listed and (everything or not is_older(label, seq)):
                del self.held[key]

    def identify(self, write: Write, key: str) -> None:
        """The document with this key *is* that create's: it never shows twice, and nothing known of it is lost."""
        state, other = write.state, self._by_key.get(key)
        assert state is not None
        write.key = key
        if other is not None and state not in self._states:
            write.state = other
            return
        if key in self.held:
            body, seq = self.held.pop(key)
            if not is_older(seq, state.version):
                state.learn(body, seq)
        if other is not None and other is not state:
            if other.known is not None and not is_older(other.version, state.version):
                state.learn(other.known, other.version, other.doubt)
            self.drop(other, other.version, own=True)
        state.key = key
        self.insert(state, own=True)

    def miss(self, state: DocumentState, body: Document, seq: str | None) -> None:
        """What a create made is told when it has gone: it is not shown, but who asked for it is told what it was."""
        state.known = state.known or body
        if state in self:
            self.drop(state, seq, own=True)

    # Forgetting, and telling

    def reset(self, start: str | None, before: str | None) -> None:
        """Doubt everything: what happened up to ``start`` can't be told. Of a server without seqs no version counts.

        before: where the stream was. What is not here has gone by then, though the stream may begin again before that.
        """
        self.floor, self.held = None, {}
        if before is not None and not is_older(before, self._ahead.version):
            self._ahead.version = before
        self.doubt(lambda seq: True)
        if start is None:
            self.forget(list(self._facts()))

    def forget(self, facts: list[DocumentState | Tombstone]) -> None:
        """Any version is newer than these from now on."""
        for one in facts:
            one.version = None

    def clear_stale(self) -> None:
        """Another log begins: what is gone or held by the old one says nothing."""
        self._tombs, self.held = {}, {}

    def commit(self) -> list[DocumentChange]:
        """What is shown otherwise since the last commit."""
        changes = []
        touched, self._touched = self._touched, {}
        for state, (own, seq) in touched.items():
            state.render()
            is_there = state in self._states and not (state.key and self.hiding[state.key])
            before, after = state.published, state.shown if is_there else None
            state.published = after
            if before is None and after is None:
                continue
            if before is not None and after is not None and same(before, after) and not self._is_named(state):
                continue
            changes.append(_step(state, before, after, own, state.version if seq is None else seq))
            if state.key is not None:
                state.draft = None
        return changes

    def _is_named(self, state: DocumentState) -> bool:
        return state.draft is not None and state.key is not None

    def _unhold(self, key: str, seq: str | None) -> None:
        if key in self.held and not is_older(seq, self.held[key][1]):
            del self.held[key]


def _step(
    state: DocumentState, before: Document | None, after: Document | None, own: bool, seq: str | None
) -> DocumentChange:
    kind: Kind = "add" if before is None else "remove" if after is None else "change"
    return DocumentChange(kind, state.key, after, before, seq, own, state.draft)
