"""Writes: what a collection's own requests mean for what it shows, from when they leave until they are answered.

Rules 2 and 3 of the design's section 6. A create is known again by its origin, and never shows twice. While a write
is unanswered, no field that it sends shows a value but the one that the program saw or set; when the last has been
answered, the newest known state is shown. Answers move versions, never the stream's position.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..change import is_news, is_older
from ..portable import same
from .replica import Replica
from .state import Document, DocumentState
from .write import Kind, Write, is_definite


class Writes:
    """The own writes of one replica. Origins are given: tokens that no other write has."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._documents = replica.documents

    @property
    def is_unnumbered(self) -> bool:
        """Whether this is another server, which tells no seqs."""
        return self._replica.is_unnumbered

    # What leaves

    def create(self, document: Document, origin: str, *, optimistic: bool = False) -> Write:
        """A document is being made."""
        state = DocumentState(None, dict(document), draft=origin if optimistic else None)
        write = self._leave("create", origin, state, None, document, optimistic)
        self._documents.creates[origin] = write
        if optimistic:
            self._documents.insert(state, own=True)
        return write

    def again(self, write: Write, origin: str) -> None:
        """A create is tried again: by the same origin if an attempt may have been obeyed, else by the one given."""
        assert write.state is not None
        if not write.may_exist:
            write.origin = origin
        replica = self._replica
        write.stamp, write.era, write.at = self._documents.stamp(), replica.era, replica.position
        write.is_pending = True
        self._documents.creates[write.origin] = write
        write.state.saves.append(write)
        replica.requests.add(write)

    def update(self, key: str, fields: Document, origin: str, *, optimistic: bool = False) -> Write:
        """Some fields are being changed."""
        write = self._leave("update", origin, self._documents.get(key), key, fields, optimistic)
        if optimistic:
            self._show(write, fields)
        return write

    def replace(self, key: str, document: Document, origin: str, *, optimistic: bool = False) -> Write:
        """A whole document is sent: what it sends is what differs from what is known, or is on its way.

        The path says which it is: it keeps its key, though the document leaves that out.
        """
        state = self._documents.get(key)
        before = frozenset[str]() if state is None else state.protects()
        known: Document = {} if state is None or state.known is None else state.known
        write = self._leave("replace", origin, state, key, document, optimistic)
        write.sent = frozenset(
            name
            for name in {*known, *document}.difference(self._documents.keys.fields)
            if name in before or _differs(name, known, document)
        )
        if optimistic and state is not None:
            kept = {name: value for name, value in state.shown.items() if name not in write.sent}
            state.shown = kept
            self._show(write, {name: document[name] for name in write.sent if name in document})
        return write

    def delete(self, key: str, origin: str, *, optimistic: bool = False) -> Write:
        """A document is being deleted; if optimistic, it is hidden until that is answered."""
        write = self._leave("delete", origin, self._documents.get(key), key, None, optimistic)
        if optimistic:
            self._hide(write, 1)
        return write

    def set_local(self, key: str, fields: Document) -> None:
        """Set fields of the program's own, which no server knows."""
        state = self._documents.get(key)
        if state is not None:
            state.local = {**state.local, **fields}
            self._documents.touch(state, own=True)

    # What comes

    def answered(self, write: Write, body: Document | None, seq: str | None) -> None:
        """It was obeyed. body: the document as the answer shows it.  seq: the answer's ``Live-Seq``."""
        self._settle(write)
        self._replica.told(write.stamp, seq)
        seq, label = self._numbers(write, seq)
        if write.kind == "delete":
            self._deleted(write, label, seq)
        elif write.state is not None:
            is_over = write.kind == "create" and body is not None and self._created(write, body, seq)
            if not is_over:
                self._learn(write, write.state, body, seq)
            write.state.kept -= write.sent
            self._documents.touch(write.state, own=True)
        if write.key is not None:
            self._replica.outdate(write.key)
        self._end(write)

    def failed(self, write: Write, status: int | None, seq: str | None = None) -> None:
        """It was refused with an HTTP status, or its answer was lost (None).

        What an optimistic write has sent stays shown until a newer state comes, and says that it is unsaved.
        """
        self._settle(write)
        (seq, label), state = self._numbers(write, seq), write.state
        if not is_definite(status):
            write.may_exist = True
        if write.kind == "delete":
            if status == 404:
                self._deleted(write, label, seq)
        elif state is not None:
            if write.kind == "create" and not write.may_exist:
                self._documents.creates.pop(write.origin, None)
            if write.optimistic:
                state.kept |= {name for name in write.sent if _differs(name, state.known, state.shown)}
            self._documents.touch(state, own=True)
            if status == 404 and write.key and label and self._replica.counts(write, label):
                self._documents.remove(write.key, label)
        self._end(write)

    def discard(self, write: Write) -> None:
        """Show a create that failed no more. If it was obeyed after all, its push adds it."""
        assert write.state is not None
        if write.state.key is None:
            self._documents.drop(write.state, own=True)

    # Inside

    def _numbers(self, write: Write, seq: str | None) -> tuple[str | None, str | None]:
        """The seq of an answer, and that at which it counts: without one the position when its request left."""
        return (None, None) if self._replica.is_unnumbered else (seq, seq or write.at)

    def _leave(
        self,
        kind: Kind,
        origin: str,
        state: DocumentState | None,
        key: str | None,
        body: Document | None,
        optimistic: bool,
    ) -> Write:
        replica = self._replica
        write = Write(
            kind, origin, state, key, body, optimistic, self._documents.stamp(), replica.era, replica.position
        )
        write.sent = frozenset(body or ())
        write.version = None if state is None else state.version
        if state is not None and kind != "delete":
            state.saves.append(write)
        replica.requests.add(write)
        return write

    def _show(self, write: Write, fields: Mapping[str, Any]) -> None:
        if write.state is not None:
            write.state.lay(fields)
            self._documents.touch(write.state, own=True)

    def _hide(self, write: Write, by: int) -> None:
        assert write.key is not None
        self._documents.hiding[write.key] += by
        if not self._documents.hiding[write.key]:
            del self._documents.hiding[write.key]
        if (state := self._documents.get(write.key)) is not None:
            self._documents.touch(state, own=True)

    def _settle(self, write: Write) -> None:
        """It is answered: what it has sent is protected no more."""
        write.is_pending = False
        if write.state is not None and write in write.state.saves:
            write.state.saves.remove(write)
        if write.kind == "delete" and write.optimistic:
            self._hide(write, -1)

    def _end(self, write: Write) -> None:
        if write.kind == "create":
            self._replica.release()
        self._replica.ended(write)

    def _learn(self, write: Write, state: DocumentState, body: Document | None, seq: str | None) -> None:
        """The answer is what is known, if nothing newer is."""
        seq, label = self._numbers(write, seq)
        # What is known at this very seq may hold more: rows of a list are never older than it says.
        is_known = seq is not None and seq == state.version
        if is_known or not self._replica.counts(write, label) or not is_news(label, state.version):
            return
        if seq is None:
            state.stamp = self._documents.stamp()
        whole = body if seq and body is not None else {**(state.known or {}), **(body or write.body or {})}
        state.learn(whole, label)

    def _deleted(self, write: Write, label: str | None, seq: str | None) -> None:
        """The document has gone, unless it is known to have been made again since."""
        key, documents = write.key, self._documents
        assert key is not None
        state = documents.get(key)
        counts = self._replica.counts(write, seq)
        if counts:
            documents.bury(key, label or write.version)
        if state is None:
            return
        is_newer = is_older(label, state.version) if label else state.version != write.version
        is_back = is_newer if counts else state.doubt is None
        if state.version is None or not is_back:
            if not counts:
                # What is known of it goes on to keep out what is older, and is in doubt as it was.
                documents.bury(key, label if is_older(state.version, label) else state.version, state.doubt)
            documents.drop(state, label, own=True)

    def _created(self, write: Write, body: Document, seq: str | None) -> bool:
        """The answer to a create tells its key. Whether that is all that it tells.

        The key may be another's by now, or that of a document that has gone since: by a tombstone, or because a list
        as new as the answer had no such row.
        """
        documents, replica, state = self._documents, self._replica, write.state
        assert state is not None
        key, (seq, label) = documents.keys.of(body), self._numbers(write, seq)
        if key is None:
            return False
        is_told, counts = write.key is not None, replica.counts(write, label)
        if not counts:
            self._tell_key(write, key, body, label)
            return True
        documents.creates.pop(write.origin, None)
        if is_told and write.key != key:
            documents.put(key, body, label, own=True)
            return True
        if is_told:
            return state not in documents
        is_pushed = label is None and key in documents.held
        is_gone = documents.is_buried(key, label)
        is_elsewhere = documents.get(key) is not None or key in documents.held
        if not is_gone and not is_elsewhere:
            is_gone = seq is not None and documents.floor is not None and not is_older(documents.floor, seq)
        if is_gone:
            documents.drop(state, label, own=True)
            return True
        documents.identify(write, key)
        # What was pushed is at least what the answer shows.
        return is_pushed

    def _tell_key(self, write: Write, key: str, body: Document, label: str | None) -> None:
        """The answer left before a reset: whether that document is still there, the list will say, or has been told."""
        documents, state = self._documents, write.state
        assert state is not None
        if state.key is None and documents.is_buried(key, label, surely=True):
            documents.drop(state, label, own=True)
        elif state in documents and state.key is None:
            documents.identify(write, key)
            state.lay({name: body[name] for name in documents.keys.fields})
        self._replica.doubt()


def _differs(name: str, one: Document | None, other: Document | None) -> bool:
    one, other = one or {}, other or {}
    return (name in one) != (name in other) or (name in one and not same(one[name], other[name]))
